"""Commands in a sandbox of their own."""

from __future__ import annotations

import os
import sys
import uuid
from pathlib import Path
from typing import Any

from rxstream.adapters.tools.sandbox import Finished, Limits, Sandbox
from tests.adapters.tools.calling import alive

MIB = 1 << 20
PYTHON = os.path.realpath(sys.executable)


async def ran(work: Path, code: str, **limits: Any) -> Finished:
    """A shell command with a mark of its own; nothing of it may be left."""
    mark = uuid.uuid4().hex
    box = Sandbox(work, environment={"MARK": mark}, limits=Limits(**{"seconds": 20, **limits}))
    done = await box.run(["bash", "-c", code])
    assert alive(mark) == []
    return done


async def python(work: Path, code: str, **limits: Any) -> Finished:
    box = Sandbox(work, readable=[sys.base_prefix], limits=Limits(**{"seconds": 20, **limits}))
    return await box.run([PYTHON, "-I", "-c", code])

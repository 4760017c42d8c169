"""Where the event log of a command lies."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from rxstream.adapters.cli.failure import FAILED, Failure

DEFAULT: Final = ".rxstream/events.db"


def log_at(name: str | None) -> str | None:
    """The name an engine takes, its folder made if it is a plain path; None stays memory."""
    if name is None or ":" in name:
        return name
    try:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failure(
            f"the log {name} cannot be made: {error.strerror or error}: choose another with --log",
            FAILED,
        ) from error
    return os.fspath(name)

"""What tests of plugins need of the machine."""

from __future__ import annotations

import pytest

from rxstream.adapters.tools import sandbox_bwrap
from rxstream.errors import WorldError
from tests.adapters.llm.real import fetched, model

__all__ = ["boundary", "fetched", "model"]


@pytest.fixture(scope="session")
def boundary() -> str:
    """What makes the sandbox here."""
    try:
        return sandbox_bwrap.found().version
    except WorldError as error:
        pytest.skip(f"missing: bubblewrap, so no written code was run ({error.message})")

"""The real local model, and a server that does what a real one only does on a bad day."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.adapters.llm.provider import Provider, serving
from tests.adapters.llm.real import fetched, model

__all__ = ["fetched", "model", "provider"]


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    """A server whose answers the test decides."""
    async with serving() as started:
        yield started

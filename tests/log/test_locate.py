"""How a log is found by what the user calls it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rxstream.adapters.logs import SQLiteLog
from rxstream.errors import AuthorError, MissingExtra
from rxstream.log import MemoryLog, open_log

POINTS = """[rxstream.logs]
sqlite = rxstream.adapters.logs.sqlite:SQLiteLog
absent = a_package_nobody_has.logs:Log
"""


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entry points as an installed distribution offers them, whether or not rxstream is installed."""
    info = tmp_path / "site" / "logs_of_a_test-1.dist-info"
    info.mkdir(parents=True)
    info.joinpath("METADATA").write_text(
        "Metadata-Version: 2.1\nName: logs-of-a-test\nVersion: 1\n"
    )
    info.joinpath("entry_points.txt").write_text(POINTS)
    monkeypatch.setattr(sys, "path", [str(info.parent), *sys.path])


@pytest.mark.parametrize("name", [None, "memory", "memory:"])
def test_memory_has_a_name_and_is_the_default(name: str | None) -> None:
    assert isinstance(open_log(name), MemoryLog)


def test_a_log_is_itself() -> None:
    log = MemoryLog()
    assert open_log(log) is log


@pytest.mark.parametrize("name", ["sqlite:a.db", "a.db", "./a.db", "sub/x:a.db", "C:a.db"])
def test_a_path_is_a_file_of_sqlite(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    log = open_log(name)
    assert isinstance(log, SQLiteLog)
    assert log.path == str(tmp_path / name.removeprefix("sqlite:"))


def test_a_path_object_is_always_a_path(tmp_path: Path) -> None:
    log = open_log(tmp_path / "memory:x")
    assert isinstance(log, SQLiteLog)
    relative = open_log(Path("memory:x"))
    assert isinstance(relative, SQLiteLog)
    assert relative.path.endswith("/memory:x")


def test_an_unknown_scheme_names_the_known_ones() -> None:
    with pytest.raises(AuthorError, match=r"'kafka': known are .*memory, sqlite") as refused:
        open_log("kafka:topic")
    assert refused.value.code == "unknown_log"
    assert "sqlite:kafka:topic" in refused.value.message


def test_a_log_whose_library_is_missing_says_which() -> None:
    with pytest.raises(MissingExtra, match="the absent log needs a_package_nobody_has"):
        open_log("absent:x")

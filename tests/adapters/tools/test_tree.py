"""`tree` shows folders with what is below them, and says what it leaves out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rxstream.adapters.tools import files
from rxstream.errors import AuthorError, MissingExtra
from tests.adapters.tools.filing import call, lay, progress, shown, tools


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lay(
        tmp_path,
        {
            "b.txt": "x" * 1_500,
            "a/one.py": "1",
            "a/deep/er/two.py": "22",
            "a/empty/": "",
            ".git/config": "",
            "built/out": "x",
            ".gitignore": "/built\n",
        },
    )
    os.symlink("a/one.py", tmp_path / "link")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


async def test_folders_come_with_what_is_below_them(folder: Path) -> None:
    said = await shown(folder)
    assert said.live == (
        "./  (3 files, 1.5 KB)\n"
        "  a/  (2 files, 3 bytes)\n"
        "    deep/  (1 file, 2 bytes)\n"
        "      er/  (1 file, 2 bytes)\n"
        "    empty/  (0 files, 0 bytes)\n"
        "    one.py  1 byte\n"
        "  b.txt  1.5 KB\n"
        "  link -> a/one.py\n"
        "  pipe  no file\n"
    )
    assert said.result == {"shown": 8, "entries": 9, "files": 3, "bytes": 1503, "complete": True}
    assert said.brief == said.live.rstrip("\n")


async def test_what_lies_deeper_is_counted_and_not_shown(folder: Path) -> None:
    said = await shown(folder, depth=1)
    assert "a/  (2 files, 3 bytes)" in said.live
    assert "one.py" not in said.live.replace("-> a/one.py", "")


async def test_a_folder_below_is_shown_by_itself(folder: Path) -> None:
    assert (await shown(folder, path="a/deep")).live == (
        "a/deep/  (1 file, 2 bytes)\n  er/  (1 file, 2 bytes)\n    two.py  2 bytes\n"
    )


async def test_everything_is_shown_if_wanted(folder: Path) -> None:
    live = (await shown(folder, everything=True)).live
    assert "  .git/  (1 file, 0 bytes)\n    config  0 bytes\n" in live
    assert "  built/  (1 file, 1 byte)\n" in live


async def test_more_entries_than_wanted_are_said_to_be_more(folder: Path) -> None:
    said = await shown(folder, limit=3)
    assert said.live.count("\n") == 4
    assert said.brief.endswith(
        "[not all: there are 8 entries down to depth 3; give a path below, or less depth]"
    )


async def test_one_folder_of_many_does_not_hide_the_others(tmp_path: Path) -> None:
    lay(tmp_path, {**{f"many/{n:03}": "" for n in range(250)}, "other": ""})
    live = (await shown(tmp_path)).live
    assert "    099  0 bytes\n    … and 150 more\n  other  0 bytes\n" in live


def test_progress_is_a_share_of_the_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rxstream.adapters.tools.working.TELL_SECONDS", 0.0)
    lay(tmp_path, {f"{n}/{m}/file": "" for n in range(4) for m in range(5)})
    told = [each for each in progress(tools(tmp_path)["tree"]) if each is not None]
    assert told == sorted(told)
    assert {5.0, 25.0, 50.0, 100.0} <= {round(each, 6) for each in told}


async def test_names_that_are_no_text_or_break_lines_are_escaped(tmp_path: Path) -> None:
    os.mkdir(os.fsencode(tmp_path) + b"/\xff\xfe")
    lay(tmp_path, {"two\nlines": "", "colour\x1b[31m": "", "日本": ""})
    live = (await shown(tmp_path)).live
    assert r"  \xff\xfe/  (0 files, 0 bytes)" in live
    assert r"  two\nlines  0 bytes" in live
    assert r"  colour\x1b[31m  0 bytes" in live
    assert "  日本  0 bytes" in live


async def test_a_folder_that_may_not_be_read_is_said(folder: Path) -> None:
    """By being too deep to be named: for root there is nothing else it may not read."""
    deep, fd = "d" * 250, os.open(folder, os.O_RDONLY)
    for _ in range(20):
        os.mkdir(deep, dir_fd=fd)
        below = os.open(deep, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    said = await shown(folder, depth=20)
    assert "[1 folder could not be read]" in said.brief
    assert said.result["files"] == 3


async def test_a_file_is_no_folder(folder: Path) -> None:
    error = (await shown(folder, path="b.txt")).error
    assert error is not None
    assert error["message"] == "b.txt is a file: `view` shows it"


# --- the tools themselves --------------------------------------------------------------------


async def test_tools_say_what_they_take(tmp_path: Path) -> None:
    made = tools(tmp_path)
    assert list(made) == ["view", "find", "tree"]
    for tool in made.values():
        assert tool.settings.parallel
        assert tool.settings.idempotent
        properties = tool.spec.parameters["properties"]
        assert properties["path"]["description"]
        assert "context" not in properties
    error = (await call(made["view"], path="x", start=0)).error
    assert error is not None
    assert error["code"] == "invalid_parameters"


def test_a_limit_that_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AuthorError, match="output=100 of file tools must be between"):
        files(tmp_path, output=100)
    with pytest.raises(AuthorError, match="must be a folder"):
        files(tmp_path / "nothing")


def test_without_the_extra_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'rxstream\[files\]'"):
        files(tmp_path)

"""`find` names files and lines, with ripgrep and without, and both give the same."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from rxstream.adapters.tools import finding
from rxstream.adapters.tools.ripgrep import installed
from rxstream.plugins.running import CancellationToken
from tests.adapters.tools.filing import call, found, lay, progress, shown, sparse, tools

FOLDER: dict[str, str | bytes] = {
    "readme.md": "# Title\nneedle here\n",
    "src/a.py": "import os\n\ndef needle():\n    return 'Needle'\n",
    "src/b.ts": "const needle = 1;\r\nlet other = 2;\r\n",
    "src/deep/c.h": "#define NEEDLE\n",
    "src/deep/d.c": "int x;\n",
    "build/out.py": "needle\n",
    ".hidden/secret.py": "needle\n",
    ".gitignore": "build/\n*.log\n!keep.log\n",
    "noise.log": "needle\n",
    "keep.log": "needle\n",
    "src/.gitignore": "/b.ts\n",
    "binary": b"needle\0needle\n",
    "utf16.txt": "\ufeffa needle\n".encode("utf-16-le"),
    "latin.txt": "caf\xe9 needle\n".encode("latin-1"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return lay(tmp_path, FOLDER)


@pytest.fixture
def rg() -> str:
    program = installed()
    if program is None:
        pytest.skip("missing: ripgrep, so both ways of finding were not compared")
    return program


@pytest.fixture(params=["ripgrep", "without"])
def ripgrep(request: pytest.FixtureRequest) -> bool:
    if request.param == "ripgrep":
        request.getfixturevalue("rg")
    return bool(request.param == "ripgrep")


def names(live: str) -> list[str]:
    """Paths of files in what was put out, without the lines below them."""
    return [line for line in live.splitlines() if not line.startswith("  ")]


def listed(rg: str, folder: Path) -> list[str]:
    """What ripgrep would search."""
    command = [rg, "--no-config", "--files", "--no-require-git", "--no-ignore-global"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return sorted(done.stdout.splitlines())


# --- by name ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.py", ["src/a.py"]),
        ("*.{h,c}", ["src/deep/c.h", "src/deep/d.c"]),
        ("src/**/*.c", ["src/deep/d.c"]),
        ("/readme.md", ["readme.md"]),
        ("deep/", ["src/deep/c.h", "src/deep/d.c"]),
        ("a.[pq]y", ["src/a.py"]),
        ("nothing*", []),
    ],
)
async def test_files_are_found_by_a_pattern_of_their_names(
    folder: Path, pattern: str, expected: list[str]
) -> None:
    assert (await found(folder, names=pattern)).live.splitlines() == expected


async def test_a_pattern_is_relative_to_the_folder_that_is_searched(folder: Path) -> None:
    said = await found(folder, path="src", names="/deep/*.c")
    assert said.live == "src/deep/d.c\n"


async def test_what_is_hidden_or_ignored_is_found_when_everything_is_wanted(folder: Path) -> None:
    assert (await found(folder, names="secret.py")).live == ""
    assert (await found(folder, names="secret.py", everything=True)).live == ".hidden/secret.py\n"
    everything = (await found(folder, everything=True)).live.splitlines()
    assert sorted(everything) == sorted(FOLDER)


async def test_rules_of_folders_above_hold_in_the_one_that_is_searched(folder: Path) -> None:
    lay(folder, {"src/deep/x.log": "", "src/deep/y.txt": ""})
    live = (await found(folder, path="src/deep")).live
    assert live.splitlines() == ["src/deep/c.h", "src/deep/d.c", "src/deep/y.txt"]


async def test_more_files_than_wanted_are_said_to_be_more(folder: Path) -> None:
    said = await found(folder, limit=2)
    assert said.result == {"found": 2, "names_seen": said.result["names_seen"], "complete": False}
    assert said.brief.endswith(
        "[2 files, not all: there are more than 2 files; narrow names or path]"
    )


async def test_what_is_ignored_is_what_ripgrep_ignores(tmp_path: Path, rg: str) -> None:
    rules = [
        "*.o",
        "!keep.o",
        "/top",
        "deep/**/x?",
        "a[0-3]",
        "docs/*.txt",
        "**/cache",
        "\\!odd",
        "end ",
    ]
    dice = random.Random(7)
    lay(tmp_path, {"deep/": "", "docs/": ""})
    words = [
        "x1",
        "x2",
        "top",
        "a1",
        "a7",
        "cache",
        "b.o",
        "keep.o",
        "!odd",
        "docs",
        "deep",
        "n.txt",
    ]
    for _ in range(250):
        path = "/".join(dice.choices(words, k=dice.randint(1, 4)))
        if not any((tmp_path / parent).is_file() for parent in Path(path).parents):
            target = tmp_path / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                target.write_text("")
    for place in ("", "deep", "docs"):
        text = "".join(f"{rule}\n" for rule in dice.sample(rules, 5))
        lay(tmp_path, {f"{place}/.gitignore".lstrip("/"): f"# rules\n\n{text}"})
    said = await found(tmp_path, limit=2_000)
    assert sorted(said.live.splitlines()) == listed(rg, tmp_path)
    assert said.result["found"] > 20


# --- by what is in them ----------------------------------------------------------------------


async def test_lines_are_found_with_their_numbers(folder: Path, ripgrep: bool) -> None:
    said = await found(folder, ripgrep=ripgrep, text="needle")
    assert said.live == (
        "keep.log\n     1: needle\n"
        "latin.txt\n     1: caf\ufffd needle\n"
        "readme.md\n     2: needle here\n"
        "src/a.py\n     3: def needle():\n"
        "utf16.txt\n     1: a needle\n"
    )
    assert said.result["by"] == ("ripgrep" if ripgrep else "rxstream")
    assert said.result["complete"] is True
    assert said.brief.endswith("[5 lines in 5 of 8 files, 140 bytes]")


async def test_one_file_can_be_searched_also_if_it_is_ignored(folder: Path, ripgrep: bool) -> None:
    said = await found(folder, ripgrep=ripgrep, path="build/out.py", text="needle")
    assert said.live == "build/out.py\n     1: needle\n"


CORPUS: dict[str, str | bytes] = {
    "code.py": "def f(x):\n    return (x + 1) * 2\n\nclass A(B):\n    pass\n" * 20,
    "words": "Straße STRASSE strasse\nÄrger ärger\nn0 n1 n22\na b  c\td\n\n \nend",
    "crlf": "one\r\ntwo three\r\n\r\nfour\r\n",
    "json": '{"a": [1, 2, {"b": null}], "c": "d e"}\n',
    "minified": "x" * 500 + "needle" + "y" * 500 + "\nshort needle\n",
    "cut": "one line without an end, needle",
    "marked": "\ufeffneedle first\n",
    "wide": "\ufeffneedle ä\nother\n".encode("utf-16"),
    "wider": "\ufeffneedle\n".encode("utf-32"),
    "nul": b"needle\n" * 2_000 + b"\0",
    "sub/empty": "",
    "sub/new\nline": "needle\n",
    "sub/-n": "needle -n\n",
}


@pytest.mark.parametrize(
    "query",
    [
        {"text": "needle"},
        {"text": "NEEDLE", "ignore_case": True},
        {"text": "(x + 1) * 2"},
        {"text": "-n"},
        {"regex": "needle$"},
        {"regex": "^needle"},
        {"regex": r"\bn\d+\b"},
        {"regex": r"n\d{2,}"},
        {"regex": r"ärger", "ignore_case": True},
        {"regex": r"^\s*$"},
        {"regex": "^$"},
        {"regex": r"\S+\s\S+$"},
        {"regex": "[^a-z ]{3}"},
        {"regex": r"three$|four$"},
        {"regex": r"(?i)CLASS \w+"},
        {"regex": r"(?:ab)?|zz"},
        {"regex": r"\w+\((?P<name>\w)\)"},
        {"regex": r"[[:upper:]]\w*\("},
        {"regex": r"\p{Lu}r"},
        {"regex": r"strasse(?= |$)"},
        {"regex": r"(?<!short )needle"},
        {"regex": r"(\w)\1"},
        {"regex": r"line\Z"},
        {"regex": "."},
    ],
)
async def test_both_ways_of_finding_give_the_same(
    tmp_path: Path, rg: str, query: dict[str, Any]
) -> None:
    lay(tmp_path, CORPUS)
    with_it = await found(tmp_path, limit=1_000, **query)
    without = await found(tmp_path, limit=1_000, ripgrep=False, **query)
    assert with_it.live == without.live
    assert without.result["by"] == "rxstream"


async def test_a_text_is_found_also_beside_bytes_that_are_none(
    tmp_path: Path, ripgrep: bool
) -> None:
    lay(tmp_path, {"bad": b"ab\xff needle \xfe\n\x80\n"})
    said = await found(tmp_path, ripgrep=ripgrep, text="needle")
    assert said.live == "bad\n     1: ab\ufffd needle \ufffd\n"


async def test_large_files_are_searched_the_same_way(
    tmp_path: Path, rg: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "_LARGE_BYTES", 1_000)
    lay(tmp_path, {**CORPUS, "large": "filler and more\n" * 100_000 + "needle\n" + "filler\n" * 9})
    with_it = await found(tmp_path, text="needle")
    assert "100001: needle" in with_it.live
    assert with_it.live == (await found(tmp_path, text="needle", ripgrep=False)).live


async def test_of_a_long_line_the_part_around_is_shown(tmp_path: Path, ripgrep: bool) -> None:
    lay(tmp_path, {"min.js": "x" * 100_000 + "needle" + "y" * 100_000})
    said = await found(tmp_path, ripgrep=ripgrep, text="needle")
    assert "xneedley" in said.live
    assert len(said.live) < 300


async def test_of_a_line_of_megabytes_the_beginning_is_searched(
    tmp_path: Path, ripgrep: bool
) -> None:
    lines = ["needle", "needle" + "x" * 3_000_000, "x" * 3_000_000 + "needle", "needle"]
    lay(tmp_path, {"file": "\n".join(lines)})
    said = await found(tmp_path, ripgrep=ripgrep, regex="needle(?!!)")
    numbers = [line.partition(":")[0].strip() for line in said.live.splitlines()[1:]]
    assert numbers == ["1", "2", "4"]


async def test_others_go_on_while_an_expression_takes_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rxstream.adapters.tools.searching._SECONDS", 0.3)
    lay(tmp_path, {"file": "a" * 5_000 + "!\n"})
    search = asyncio.create_task(found(tmp_path, ripgrep=False, regex=r"(a|aa)+$(?<!b)"))
    turns = 0
    while not search.done():
        turns += 1
        await asyncio.sleep(0.01)
    assert turns > 3, "the expression held the interpreter"
    assert (await search).error is not None


async def test_lines_and_numbers_hold_across_blocks(tmp_path: Path) -> None:
    dice = random.Random(3)
    lines = ["é" * dice.choice([0, 5, 70, 4_000, 90_000]) + str(n) for n in range(60)]
    lay(tmp_path, {"file": "\n".join(lines)})
    said = await found(tmp_path, ripgrep=False, regex=r"\d$")
    numbers = [int(line.partition(":")[0]) for line in said.live.splitlines()[1:]]
    assert numbers == list(range(1, 61))


def test_progress_is_of_all_bytes_and_never_goes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ripgrep: bool
) -> None:
    monkeypatch.setattr("rxstream.adapters.tools.working.TELL_SECONDS", 0.0)
    monkeypatch.setattr(finding, "_BATCH_FILES", 1)
    lay(tmp_path, {f"file{n}": "some words\n" * 100_000 for n in range(5)})
    told = progress(tools(tmp_path, ripgrep=ripgrep)["find"], text="nothing")
    known = [each for each in told if each is not None]
    assert known == sorted(known)
    assert {20.0, 40.0, 60.0, 80.0, 100.0} <= set(known)


async def test_more_lines_than_wanted_end_the_search(folder: Path, ripgrep: bool) -> None:
    said = await found(folder, ripgrep=ripgrep, text="needle", limit=2)
    assert said.result["found"] == 2
    assert said.result["complete"] is False
    assert "not all: there are more than 2 lines" in said.brief


async def test_what_is_put_out_has_a_limit(tmp_path: Path, ripgrep: bool) -> None:
    lay(tmp_path, {"file": ("needle" + "x" * 200 + "\n") * 2_000})
    find = tools(tmp_path, output=5_000, ripgrep=ripgrep)["find"]
    said = await call(find, text="needle", limit=2_000)
    assert 4_500 < len(said.live) <= 5_000
    assert said.result["complete"] is False


# --- what goes wrong -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"regex": "("}, "is no regular expression: missing )"),
        ({"regex": "a{2,1}"}, "is no regular expression"),
        ({"text": "a", "regex": "a"}, "give either text or regex, not both"),
        ({"text": "a\nb"}, "is more than a line has"),
        ({"text": ""}, "text"),
        ({"text": "a", "path": ".."}, "leads outside"),
        ({"names": "!a"}, "is no pattern of names"),
        ({"names": "{a,b}" * 10}, "stands for more than 64 patterns"),
        ({"path": "readme.md", "names": "*"}, "readme.md is a file: `view` shows it"),
        ({"names": "*", "path": "nowhere"}, "no such file or directory"),
    ],
)
async def test_what_cannot_be_found_is_said_in_one_line(
    folder: Path, query: dict[str, Any], message: str
) -> None:
    error = (await found(folder, **query)).error
    assert error is not None
    assert message in error["message"]
    assert "\n" not in error["message"]


@pytest.mark.parametrize("regex", ["(a+)+$", "(a|a)+$", "^(([a-z])+.)+[A-Z]+$"])
async def test_a_catastrophic_expression_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, regex: str
) -> None:
    monkeypatch.setattr("rxstream.adapters.tools.searching._SECONDS", 0.2)
    lay(tmp_path, {"file": "a" * 5_000 + "!\n"})
    said = await found(tmp_path, ripgrep=False, regex=regex)
    if said.error is not None:  # some the engine sees through
        assert "takes too long on some line" in said.error["message"]


async def test_an_expression_that_takes_too_long_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rxstream.adapters.tools.searching._SECONDS", 0.1)
    lay(tmp_path, {"file": "a" * 5_000 + "!\n"})
    error = (await found(tmp_path, ripgrep=False, regex=r"(a|aa)+$(?<!b)")).error
    assert error is not None
    assert error["code"] == "slow_pattern"


async def test_a_pattern_of_names_with_many_asterisks_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(tmp_path, {"a" * 200 + "bc": "", ".gitignore": "*a" * 30 + "c\n"})
    assert (await found(tmp_path, names="*a" * 20 + "c")).live == ""
    monkeypatch.setattr("rxstream.adapters.tools.ignoring._SECONDS", 1e-6)
    error = (await found(tmp_path, names="*a" * 20 + "c")).error
    assert error is not None
    assert error["code"] == "slow_pattern"


async def test_a_search_that_takes_too_long_says_what_it_found(
    tmp_path: Path, ripgrep: bool
) -> None:
    lay(tmp_path, {"a": "needle\n"})
    sparse(tmp_path / "b", b"x\n" * 10_000, 2**40)
    find = tools(tmp_path, seconds=0.3, ripgrep=ripgrep)["find"]
    said = await call(find, text="needle")
    assert said.live == "a\n     1: needle\n"
    assert "not all: time is up" in said.brief
    assert said.result["complete"] is False


async def test_a_search_that_is_cancelled_ends_with_its_ripgrep(
    tmp_path: Path, ripgrep: bool
) -> None:
    sparse(tmp_path / "file", b"x\n" * 10_000, 2**40)
    token = CancellationToken()
    asyncio.get_running_loop().call_later(0.1, token.cancel, "not wanted")
    said = await call(tools(tmp_path, ripgrep=ripgrep)["find"], token, text="needle")
    assert said.error is not None
    assert said.error["kind"] == "cancelled"
    assert [child.name() for child in psutil.Process().children() if child.name() == "rg"] == []


async def test_a_ripgrep_that_dies_is_no_answer(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = folder.parent / "rg"
    program.write_text('#!/bin/sh\ncase "$*" in *"-- -") exit 1;; esac\nkill -9 $$\n')
    program.chmod(0o755)
    monkeypatch.setattr("rxstream.adapters.tools.ripgrep.shutil.which", lambda name: str(program))
    error = (await found(folder, text="needle")).error
    assert error is not None
    assert error["message"] == "ripgrep died (-9), so not all was searched: try again"


async def test_a_ripgrep_that_understands_nothing_is_not_needed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = folder.parent / "rg"
    program.write_text("#!/bin/sh\nexit 2\n")  # one too old for our options
    program.chmod(0o755)
    monkeypatch.setattr("rxstream.adapters.tools.ripgrep.shutil.which", lambda name: str(program))
    said = await found(folder, text="needle")
    assert said.result["found"] == 5
    assert said.result["by"] == "rxstream"


async def test_links_are_neither_followed_nor_searched(folder: Path, ripgrep: bool) -> None:
    lay(folder.parent, {"outside/file": "needle outside\n"})
    os.symlink("../outside", folder / "link")
    os.symlink("../outside/file", folder / "link.txt")
    os.symlink(".", folder / "loop")
    os.mkfifo(folder / "fifo")
    said = await found(folder, ripgrep=ripgrep, text="needle", everything=True)
    assert "outside" not in said.live
    assert not {"link", "link.txt", "loop", "fifo"} & set(names(said.live))


async def test_a_folder_of_very_many_names_is_left_in_time(tmp_path: Path) -> None:
    lay(tmp_path, {f"{n}": "" for n in range(300)})
    said = await call(tools(tmp_path, entries=100)["find"], names="*")
    assert said.result["found"] == 100
    assert "more than 100 names" in said.brief
    assert "more than 100 names" in (await call(tools(tmp_path, entries=100)["tree"])).brief
    assert (await shown(tmp_path)).result["complete"] is True

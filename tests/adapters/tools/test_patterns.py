"""What `.gitignore` files leave out is what git leaves out."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from rxstream.adapters.tools.ignoring import read_rules
from tests.adapters.tools.filing import found, lay

NAMES = [
    "a",
    "b",
    "ab",
    "a.c",
    "b.py",
    "x y",
    "foo",
    "bar",
    "é",
    "a[b]",
    "!n",
    "#h",
    "tail ",
    "s\\h",
]
LINES = [
    *(
        "a",
        "b/",
        "/a",
        "*.py",
        "**/b",
        "a/**",
        "a/**/b",
        "!a",
        "!*.py",
        "*",
        "!*/",
        "foo/*",
        "!foo/bar",
    ),
    *(
        "[ab]",
        "[!a]",
        "?",
        "\\!n",
        "\\#h",
        "# c",
        "tail\\ ",
        "x y",
        "**",
        "/**",
        "a/*/b",
        "*.c ",
        "/foo/",
    ),
    *(
        "[a-c]*",
        "é",
        "[[:alpha:]]",
        "a[b]",
        "a\\[b\\]",
        "\\a",
        "**foo",
        "foo**",
        "*/a",
        "a//b",
        "./a",
    ),
    *(
        "!/b/",
        "",
        "  ",
        "s\\\\h",
        "[",
        "[a",
        "\\",
        "!",
        "!!n",
        "/",
        "**/",
        "a/",
        "[]a]",
        "[b-a]",
        "[a\\-b]",
    ),
    *("[^a-]", "[[:nothing:]]", "a/***/b", "{a,b}", "*\\", "[\\"),
]


def said_by_git(root: Path) -> list[str]:
    """The files that git would add, without those beginning with a dot."""
    command = ["git", "ls-files", "--others", "--exclude-standard", "-z"]
    settings = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    ran = subprocess.run(
        command, cwd=root, capture_output=True, env=os.environ | settings, check=True
    )
    paths = map(os.fsdecode, ran.stdout.split(b"\0")[:-1])
    return sorted(path for path in paths if not any(p.startswith(".") for p in path.split("/")))


def repository(root: Path, dice: random.Random) -> None:
    """One of files whose names are hard to name."""
    subprocess.run(["git", "init", "-q", root], check=True)
    for _ in range(60):
        path = root.joinpath(*dice.choices(NAMES, k=dice.randint(1, 4)))
        if not any(each.is_file() for each in path.parents) and not path.exists():
            lay(root, {str(path.relative_to(root)): ""})


def rules(root: Path, dice: random.Random) -> str:
    """Some in the root and in three folders; what they are."""
    places = [path for path in sorted(root.glob("[!.]*")) if path.is_dir()]
    said = ""
    for place in (root, *dice.sample(places, 3)):
        text = dice.choice(["\n", "\r\n"]).join(dice.choices(LINES, k=4))
        (place / ".gitignore").write_text(text, newline="")
        said += f"{place.name}: {text!r}\n"
    return said


@pytest.mark.parametrize("seed", range(4))
async def test_random_rules_say_what_they_say_to_git(tmp_path: Path, seed: int) -> None:
    if shutil.which("git") is None:
        pytest.skip("missing: git, with which the rules of names are compared")
    dice = random.Random(seed)
    repository(tmp_path, dice)
    for _ in range(12):
        said = rules(tmp_path, dice)
        ours = sorted((await found(tmp_path, limit=2_000, names="*")).live.splitlines())
        assert ours == said_by_git(tmp_path), said


@pytest.mark.parametrize(
    ("line", "ignored", "kept"),
    [
        ("*.c ", ["a.c", "d/a.c"], ["a.c "]),
        ("a\\ ", ["a "], ["a"]),
        ("?", ["a"], ["é", "ab"]),
        ("[[:digit:]]x", ["1x"], ["ax"]),
        ("a/**/b", ["a/b", "a/x/y/b"], ["ab", "x/a/b"]),
        ("**/", ["d/"], ["f"]),
        ("[a", [], ["a", "[a"]),
        ("doc\x0bs", ["doc\x0bs"], ["doc", "s"]),
        ("\ufeffa", ["a"], ["b"]),
    ],
)
def test_a_line_says_what_git_says(line: str, ignored: list[str], kept: list[str]) -> None:
    rules = read_rules(f"{line}\n", "", None)
    assert [each for each in (*ignored, *kept) if rules.ignore(each)] == ignored

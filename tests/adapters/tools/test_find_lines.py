"""Looking at many lines at once finds what looking at each line finds."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from rxstream.adapters.tools.confined import Root
from rxstream.adapters.tools.ripgrep import Candidate, Ripgrep, installed
from rxstream.adapters.tools.searching import Matcher
from rxstream.adapters.tools.working import Watch
from rxstream.tools import ToolContext
from tests.adapters.tools.filing import found

PARTS = [
    "a",
    "b",
    ".",
    "^",
    "$",
    "[ab]",
    "[ -~]",
    r"\w",
    r"\d",
    r"\b",
    r"\.",
    "(a|b)",
    "(?:ab|$)",
    "(b",
    ")",
    " ",
]
TIMES = ["", "*", "+", "?", "{2}", "{1,}", "*?", "++"]
patterns = st.lists(
    st.tuples(st.sampled_from(PARTS), st.sampled_from(TIMES)), min_size=1, max_size=5
)
texts = st.text("ab1. _\n", max_size=40)


def by_line(wanted: str, text: str) -> list[str]:
    """Lines one by one, with where they begin."""
    pattern, found, begin = regex.compile(wanted), [], 0
    for line in text.split("\n"):
        if pattern.search(line):
            found.append(f"{begin} {line}")
        begin += len(line) + 1
    return found


@settings(max_examples=150)
@given(patterns, texts)
def test_lines_found_at_once_are_those_found_one_by_one(
    parts: list[tuple[str, str]], text: str
) -> None:
    wanted = "".join(part + times for part, times in parts)
    try:
        regex.compile(wanted)
    except regex.error:
        return
    matcher = Matcher(wanted, literal=False, ignore_case=False)
    lines = [f"{begin} {line}" for begin, line, _ in matcher.lines(text, Watch(ToolContext(), 9))]
    assert lines == by_line(wanted, text)


@pytest.mark.parametrize("wanted", ["abc", "a.b", r"\w+ \d{2,3}", "^(?:a|b)+$", "[a-z]x", r"a\.b"])
def test_simple_expressions_look_at_many_lines_at_once(wanted: str) -> None:
    assert Matcher(wanted, literal=False, ignore_case=False).within_lines


@pytest.mark.parametrize(
    "wanted",
    [
        r"a\s",
        "[^a]",
        r"\W",
        r"a\Z",
        "a(?!b)",
        "(?s).",
        "[\t-z]",
        r"[\n]",
        "(?:ab){e<=1}",
        r"\Ba",
        "[[:space:]]",
    ],
)
def test_what_could_reach_over_a_line_looks_at_each(wanted: str) -> None:
    assert not Matcher(wanted, literal=False, ignore_case=False).within_lines


def test_a_literal_is_never_an_expression() -> None:
    text = "".join(map(chr, range(32, 127)))
    for width in (1, 3, 95):
        for start in count(0, width):
            piece = text[start : start + width]
            if not piece:
                break
            matcher = Matcher(piece, literal=True, ignore_case=True)
            assert [line for _, line, _ in matcher.lines(text, Watch(ToolContext(), 9))] == [text]


@pytest.mark.parametrize("ripgrep", [True, False])
@pytest.mark.parametrize("first", [b"", b"a line\n"], ids=["alone", "second"])
async def test_of_a_line_as_long_as_a_file_the_beginning_is_searched_and_that_is_said(
    tmp_path: Path, ripgrep: bool, first: bytes
) -> None:
    (tmp_path / "long").write_bytes(first + b"x" * 5_000_000 + b"needle")
    said = await found(tmp_path, ripgrep=ripgrep, text="needle")
    assert said.result["found"] == 0
    assert not said.result["complete"]
    assert "of 1 line only the first MiB was searched" in said.brief


def swapped(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the walk is over, a file becomes a pipe at which nobody writes."""

    def names(self: Ripgrep, paths: Sequence[str], *rest: Any) -> Iterator[Candidate]:
        path = Path(root.path, "b")
        if path.is_file():
            path.unlink()
            os.mkfifo(path)
        return searched(self, paths, *rest)

    searched = Ripgrep.names
    monkeypatch.setattr(Ripgrep, "names", names)
    monkeypatch.setattr("rxstream.adapters.tools.ripgrep._IDLE_POLLS", 2)


async def test_a_file_that_becomes_a_pipe_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if installed() is None:
        pytest.skip("missing: ripgrep, so it was not held up")
    for name in "abc":
        (tmp_path / name).write_text("needle\n")
    swapped(Root(tmp_path), monkeypatch)
    said = await found(tmp_path, text="needle")
    assert said.live.split() == ["a", "1:", "needle", "c", "1:", "needle"]
    assert "1 files or folders could not be read" in said.brief

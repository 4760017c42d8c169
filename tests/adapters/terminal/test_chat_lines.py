"""Growing text is broken into lines as if it had come at once, and no line is too wide."""

from __future__ import annotations

import random

import pytest
from rich.cells import cell_len

from rxstream.adapters.terminal.chat.drawing import wrapped
from rxstream.adapters.terminal.chat.lines import Lines


def shown(lines: Lines) -> list[str]:
    return [lines[number] for number in range(len(lines))]


def test_pieces_give_the_lines_of_the_whole_at_any_width() -> None:
    chance = random.Random(5)
    words = ["a", "river", "flüsse", "船" * 7, "x" * 40, "\n", "\n\n", "\t"]
    for _ in range(100):
        text = " ".join(chance.choice(words) for _ in range(30))
        at = sorted(chance.randrange(len(text) + 1) for _ in range(6))
        width = chance.randrange(10, 60)
        growing, whole = Lines(width), Lines(width)
        for begin, end in zip([0, *at], [*at, len(text)], strict=True):
            growing.append(text[begin:end])
        whole.append(text)
        assert shown(growing) == shown(whole)
        assert all(cell_len(line) <= width for line in shown(whole))
        other = Lines(23)
        other.append(text)
        growing.lay_out(23)
        assert shown(growing) == shown(other)


def test_the_first_line_that_changed_is_told() -> None:
    lines = Lines(20)
    assert lines.append("one\ntwo") == 0
    assert lines.append(" more") == 1
    assert shown(lines) == ["one", "two more"]


def test_a_line_is_broken_between_words_where_it_can_be() -> None:
    assert wrapped("the river flows on", 10) == ["the river", "flows on"]
    assert wrapped("abcdefghijklm no", 10) == ["abcdefghij", "klm no"]
    assert wrapped("", 10) == [""]


@pytest.mark.parametrize("size", [1, 3, 1_000])
def test_what_is_written_over_and_colours_are_not_seen(size: int) -> None:
    said = "start\r\n\x1b[31m10%\x1b[0m\r20%\r\n\x1b]0;title\x07a\tb\n 1%\r99%\r"
    lines = Lines(40)
    for start in range(0, len(said), size):
        lines.append(said[start : start + size])
    assert [lines[i] for i in range(len(lines))] == ["start", "20%", "a   b", "99%"]
    lines.lay_out(20)
    lines.append("done")
    assert lines[3] == "done"


def test_a_line_that_is_written_over_for_ever_is_short() -> None:
    lines = Lines(40)
    for percentage in range(10_000):
        lines.append(f"\r{percentage}")
    assert (len(lines), lines[0], len(lines._lines[0])) == (1, "9999", 4)

"""What is made of a command's output, whatever its chunks."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxstream.adapters.tools.bash_output import Ends, Percentage, Spoken


@given(st.text(), st.lists(st.integers(0, 400)))
def test_any_chunking_gives_the_same_text(text: str, cuts: list[int]) -> None:
    data = text.encode("utf-8", "surrogatepass") + b"\xff\xe2\x82"
    points = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    spoken = Spoken()
    parts = [spoken.take(data[a:b]) for a, b in pairwise(points)]
    assert "".join(parts) + spoken.take(b"", True) == data.decode("utf-8", "replace")


@pytest.mark.parametrize(
    ("said", "percentages"),
    [
        (["42%"], [42]),
        (["\r 42%", "\r 43%\r\n"], [42, 43]),
        (["downloading 4", "2%"], [42]),
        (["\x1b[32m99.5%\x1b[0m"], [99.5]),
        (["Receiving objects:  12% (3/25)\rReceiving objects:  16%"], [16]),
        ([" 42%|████▏     | 42/100 [00:01<00:01]"], [42]),
        (["[ 42%] Building C object main.o\n"], [42]),
        (["50%\n", "50%\n", "51%\n"], [50, 51]),
        (["coverage of 85% is not enough\n"], []),
        (["250%\n", "1.250%\n", "1,25%\n"], [1.25]),
        (["printf %d %\n"], []),
        (["x" * 1000 + " 7%"], [7]),
    ],
)
def test_a_percentage_is_found_where_progress_is_printed(
    said: list[str], percentages: list[float]
) -> None:
    found = Percentage()
    taken = [found.take(text) for text in said]
    assert [each for each in taken if each is not None] == percentages


def test_short_output_is_kept_whole() -> None:
    ends = Ends(head=5, tail=5)
    for text in ("abc", "def", "ghij"):
        ends.take(text)
    assert str(ends) == "abcdefghij"


def test_of_long_output_the_middle_is_left_out_and_counted() -> None:
    ends = Ends(head=3, tail=4)
    for text in ("ab", "cde", "x" * 2000, "yz"):
        ends.take(text)
    assert str(ends) == "abc\n[… 2,000 characters left out …]\nxxyz"


def test_what_was_written_over_and_colours_are_not_in_the_brief() -> None:
    ends = Ends()
    ends.take("\x1b]0;title\x07\x1b]8;;http://x\x1b\\\x1b[1mone\x1b[0m\r\n10%\r20%\r30%\nend\r")
    assert str(ends) == "one\n30%\nend"

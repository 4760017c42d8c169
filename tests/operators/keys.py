"""Words as elements: the letter is the key, the digits are the value."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from rxstream.stream import Stream, source

ITEMS = st.lists(st.builds("{}{}".format, st.sampled_from("abcd"), st.integers(0, 9)), max_size=20)


def letter(item: Any) -> Any:
    return item[0]


def number(item: str) -> int:
    return int(item[1:])


def rows(text: str) -> Stream[Any]:
    """`a1 b2` as a stream of these words."""
    return source(text.split())


def plus(total: int, item: str) -> int:
    return total + number(item)

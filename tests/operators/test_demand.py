"""A source is advanced exactly as often as its elements can be of use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rxstream.stream import Stream, source
from tests.operators.parts import digest, ops, told

CHAINS: dict[str, tuple[Callable[[Stream[Any]], Stream[Any]], int]] = {
    "take": (lambda s: s.take(3), 3),
    "take(0)": (lambda s: s.take(0), 0),
    "map": (lambda s: s.map(str).take(3), 3),
    "filter": (lambda s: s.filter(lambda x: x % 2).take(3), 6),
    "skip": (lambda s: s.skip(4).take(3), 7),
    "skip_last": (lambda s: s.skip_last(4).take(3), 7),
    "pairwise": (lambda s: s.pairwise().take(3), 4),
    "buffer": (lambda s: s.buffer_with_count(4).take(2), 8),
    "buffer with gaps": (lambda s: s.buffer_with_count(2, 5).take(3), 12),
    "slice": (lambda s: s[5:20:3].take(2), 9),
    "slice to its end": (lambda s: s[5:8], 8),
    "slice before the end": (lambda s: s[1:-2].take(2), 5),
    "element_at": (lambda s: s.element_at(4), 5),
    "first": (lambda s: s.first(), 1),
    "first of some": (lambda s: s.first(lambda x: x == 6), 7),
    "some": (lambda s: s.some(lambda x: x == 6), 7),
    "find": (lambda s: s.find(lambda x, i, _: x == 6), 7),
    "single": (lambda s: s.single(), 2),
    "take_while": (lambda s: s.take_while(lambda x: x < 6).take(4), 4),
    "distinct": (lambda s: s.distinct(lambda x: x // 2).take(3), 5),
    "scan": (lambda s: s.scan(lambda a, x: a + x).take(3), 3),
    "zip_with_iterable": (lambda s: s.zip_with_iterable([1, 2, 3, 4]).take(2), 2),
    "materialize": (lambda s: s.materialize().take(2), 2),
    "do": (lambda s: s.do_action(lambda x: None).take(3), 3),
}


@pytest.mark.parametrize("name", CHAINS)
def test_nothing_is_pulled_that_cannot_be_of_use(name: str) -> None:
    pulled = 0

    def counting() -> Iterator[int]:
        nonlocal pulled
        for number in range(1000):
            pulled += 1
            yield number

    make, expected = CHAINS[name]
    told(make(source(counting)))
    assert pulled == expected


@pytest.mark.parametrize(
    "operator",
    [
        ops.reduce(digest),
        ops.count(),
        ops.to_list(),
        ops.last(),
        ops.take_last_buffer(2),
        ops.max(),
        ops.take_last(2),
    ],
    ids=lambda operator: operator.spec.name,
)
def test_what_folds_wants_everything_although_one_result_is_wanted(operator: Any) -> None:
    assert told(source(range(300)).pipe(operator, ops.take(1)))[-1] == ("end",)

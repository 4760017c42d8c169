"""Graphs that chance draws: a few sources and operators, every stream of which is published and compared.

How much of a stream can be compared depends on what it was made of: each step says what it does to that.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import rxstream as rxs
from rxstream import operators as ops
from tests.torture.parts import Output, Shape, bag, slowly, ticks

EXACT, BAG, COUNT, FREE = range(4)
"""How much of a stream time leaves open: nothing, the order, also the elements, also how many."""

_COMPARED: Final[dict[int, Callable[[Sequence[Any]], Any]]] = {
    BAG: bag,
    COUNT: len,
    FREE: lambda items: None,
}


@dataclass(frozen=True)
class Made:
    """A stream of integers, and how much of it can be compared."""

    stream: rxs.Stream[Any]
    kind: int

    def then(self, stream: rxs.Stream[Any], bag: int = BAG, count: int = COUNT) -> Made:
        """What an operator makes of it, of which so much is open when its input's order or elements are."""
        return Made(stream, {EXACT: EXACT, BAG: bag, COUNT: count, FREE: FREE}[self.kind])


def _scan(a: Made, b: Made) -> Made:
    return a.then(a.stream.scan(lambda total, n: (total * 3 + n) % 1_009, 0), bag=COUNT)


def _merge(a: Made, b: Made) -> Made:
    return Made(rxs.merge(a.stream, b.stream), max(BAG, a.kind, b.kind))


def _unordered(a: Made, b: Made) -> Made:
    return Made(a.stream.map_async(slowly, concurrency=3, ordered=False), max(BAG, a.kind))


def _ordered(a: Made, b: Made) -> Made:
    return a.then(a.stream.map_async(slowly, concurrency=2))


def _slow(a: Made, b: Made) -> Made:
    return a.then(a.stream.block(40).map_async(slowly))


def _delay(a: Made, b: Made) -> Made:
    return a.then(a.stream.delay(0.007))


def _filter(a: Made, b: Made) -> Made:
    return a.then(a.stream.filter(lambda n: n % 2 == 0), count=FREE)


def _distinct(a: Made, b: Made) -> Made:
    return a.then(a.stream.distinct(), count=FREE)


def _pairs(a: Made, b: Made) -> Made:
    return a.then(a.stream.pairwise().map(sum), bag=COUNT)


def _few(a: Made, b: Made) -> Made:
    return a.then(a.stream.take(70), bag=COUNT)


def _lists(a: Made, b: Made) -> Made:
    return a.then(a.stream.pipe(ops.buffer_with_count(3)).map(sum), bag=COUNT)


def _spans(a: Made, b: Made) -> Made:
    return Made(a.stream.buffer_with_time(0.01).map(len), FREE)


def _zip(a: Made, b: Made) -> Made:
    return a.then(rxs.zip(a.stream, ticks(150, batch=2)).map(sum), bag=COUNT, count=COUNT)


def _concat(a: Made, b: Made) -> Made:
    return a.then(rxs.concat(a.stream, ticks(60)))


def _by_key(a: Made, b: Made) -> Made:
    def key(n: int) -> int:
        return n % 11

    def add(total: int, n: int) -> int:
        return (total + n) % 997

    by_key = a.stream.pipe(ops.scan_by(key, add, 0))
    return a.then(by_key.map(lambda pair: pair[1]), bag=COUNT)


STEPS: Final = (
    _scan,
    _merge,
    _unordered,
    _ordered,
    _slow,
    _delay,
    _filter,
    _distinct,
    _pairs,
    _few,
    _lists,
    _spans,
    _zip,
    _concat,
    _by_key,
)


def random_shape(name: str) -> Shape:
    """The shape that chance makes of a name, always the same."""
    open_: dict[str, Callable[[Sequence[Any]], Any]] = {}

    def drawn() -> Output:
        chance = random.Random(name)
        made = [
            Made(ticks(400, batch=chance.randint(1, 5)), EXACT),
            Made(ticks(220, batch=2, apart=0.003), EXACT),
        ]
        for _ in range(chance.randint(4, 9)):
            made.append(chance.choice(STEPS)(chance.choice(made), chance.choice(made)))
        for index, stream in enumerate(made):
            if stream.kind != EXACT:
                open_[f"s{index}"] = _COMPARED[stream.kind]
        return {f"s{index}": one.stream for index, one in enumerate(made)}

    rxs.Graph(drawn, name).build()  # what is open is known after that
    return Shape(lambda folder: {name: drawn}, open_, loose=True)

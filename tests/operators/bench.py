"""One operator by itself: a machine fed chunk by chunk, or a unit between a queue and a reader's room."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import rxstream
from rxstream.engine.edge import Edge
from rxstream.engine.island import Port
from rxstream.engine.op import ALL
from rxstream.engine.runtime import Runtime
from rxstream.operator import Buffer
from rxstream.operators._draining import Decoder, Draining, Expanding
from rxstream.stream import source

PLAIN = (str, bytes, int, float, bool, type(None))


class Unwatched:
    """A watcher of a runtime that tells nobody."""

    def node_started(self, *_: Any) -> None: ...

    def node_ended(self, *_: Any) -> None: ...

    def node_failed(self, *_: Any) -> None: ...

    def node_progress(self, *_: Any) -> None: ...

    def settled(self, error: BaseException | None) -> None: ...

    def busy(self) -> bool:
        return False


class Bench:
    """A unit, what waits before it, what it gave, and how much more may be given."""

    closed = False

    def __init__(self, operator: Any, state: Any = None, left: int = ALL) -> None:
        @rxstream.graph
        def alone() -> Any:
            return source([]).pipe(operator).named("it")

        plan = alone.build()
        self.node = plan.by_id["it"]
        self.left = left
        self.told: list[Any] = []
        """Elements, then `|` or the error."""
        self.feeders: list[Any] = []
        self.runtime = Runtime(plan, Unwatched())
        self.unit: Draining = operator.spec.make()
        self.edge = Edge("in", Buffer(), self.unit)
        self.counters = self.runtime.counters(self.node)
        self.unit.attach(self.runtime, self.node, [self.edge], Port([self], self.counters))
        if state is not None:
            self.unit.restore(state)
        self.runtime.start([self.unit])

    # -- as the reader -------------------------------------------------------------------------

    def push(self, items: Sequence[Any]) -> None:
        self.told += items
        self.left -= len(items)
        assert self.left >= 0, "it emitted without credit"

    def finish(self) -> None:
        self.told.append("|")

    def fail(self, error: BaseException) -> None:
        self.told.append(error)

    def demand(self) -> int:
        return ALL

    def exits(self) -> Iterator[Any]:
        yield self

    def abandon(self) -> None: ...

    def room(self) -> int:
        return self.left

    # -- as the test ---------------------------------------------------------------------------

    def allow(self, count: int) -> None:
        """Let it give so many more."""
        self.left += count
        self.unit.ready()


def cut(data: Any, *places: int) -> list[Any]:
    """The data in pieces."""
    ends = sorted(places)
    return [data[a:b] for a, b in zip([0, *ends], [*ends, len(data)], strict=True)]


def pairs(data: Any) -> Iterator[list[Any]]:
    """The data in every three pieces, and in every two."""
    for places in combinations(range(len(data) + 1), 2):
        yield cut(data, *places)


def decoder(operator: Any) -> Decoder:
    """The machine a unit runs."""
    unit = operator.spec.make()
    assert isinstance(unit, Expanding)
    return unit.decoder


def decoded(operator: Any, chunks: Sequence[Any], restored: bool = False) -> list[Any]:
    """What the machine gives for chunks and the end; `restored` makes a new one after each chunk."""
    machine = decoder(operator)
    out: deque[Any] = deque()
    for chunk in chunks:
        machine.feed(chunk, out)
        if restored:
            state = machine.snapshot()
            assert plain(state), state
            machine = decoder(operator)
            machine.restore(state)
    machine.finish(out)
    return list(out)


def plain(state: Any) -> bool:
    """Whether it is made of tuples and plain values only."""
    return all(map(plain, state)) if type(state) is tuple else type(state) in PLAIN


def resumed(operator: Any, chunks: Sequence[Any], end: BaseException | None = None) -> list[Any]:
    """What a unit tells that is stored and made anew after each element it gives, and before the first."""
    state, waiting, told = None, deque(chunks), []
    while True:
        bench = Bench(operator, state, 0)
        # fewer than the queue holds, as a source would
        while waiting and len(bench.edge) < 4:
            bench.edge.push([waiting.popleft()])
        if not waiting:
            bench.edge.finish() if end is None else bench.edge.fail(end)
        while bench.edge and bench.left:
            bench.allow(0)
        bench.allow(1)
        told += bench.told
        if told and (told[-1] == "|" or isinstance(told[-1], Exception)):
            return told
        state = bench.unit.snapshot()
        waiting.extendleft(reversed(bench.edge.take(64)))

"""A unit and its queues, thrown away at chosen moments and made anew from bytes, for a reader that stays."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import rxstream
from rxstream import statecodec
from rxstream.engine.edge import Edge
from rxstream.engine.island import Port
from rxstream.engine.op import ALL
from rxstream.engine.runtime import Runtime
from rxstream.errors import classify
from rxstream.graph.plan import Plan
from rxstream.operator import Buffer
from rxstream.stream import Stream, source
from tests.operators.bench import Unwatched
from tests.operators.parts import virtually

TICK = 0.25
"""Seconds between two moments. Inputs come at such moments, timers ring between them."""
TICKS = 64

Script = Sequence[tuple[float, Any]]
"""Seconds and what an input gets then; `|` ends it, an exception breaks it."""
Told = list[tuple[float, Any]]


def end(item: Any) -> bool:
    """Whether nothing follows it."""
    return isinstance(item, Exception) or item == "|"


@dataclass(frozen=True)
class Case:
    """Something with one unit in it, and what its inputs get."""

    make: Callable[[Stream[Any]], Any]
    scripts: tuple[Script, ...]

    def plan(self) -> Plan:
        @rxstream.graph
        def alone() -> Any:
            made = self.make(source([]))
            if isinstance(made, Stream):
                return made
            return {f"out{index}": stream for index, stream in enumerate(made)}

        return alone.build()


class Reader:
    """Notes what it is told, and when; has room for so much."""

    closed = False

    def __init__(self, left: int) -> None:
        self.left = left
        self.told: Told = []
        self.feeders: list[Any] = []
        self.ended = False

    def note(self, item: Any) -> None:
        self.told.append((asyncio.get_running_loop().time(), item))

    def push(self, items: Sequence[Any]) -> None:
        self.left -= len(items)
        assert self.left >= 0, "it emitted without credit"
        for item in items:
            self.note(item)

    def finish(self) -> None:
        self.ended = True
        self.note("|")

    def fail(self, error: BaseException) -> None:
        self.ended = True
        self.note(("failed", *classify(error).values()))

    def demand(self) -> int:
        return ALL

    def exits(self) -> Iterator[Any]:
        yield self

    def abandon(self) -> None: ...

    def room(self) -> int:
        return self.left


class Feed:
    """What an input is still to get; a source that goes on where it stood."""

    edge: Edge

    def __init__(self, script: Script) -> None:
        self.to_come = deque(script)
        self.here: deque[Any] = deque()

    def arrive(self, now: float) -> None:
        while self.to_come and self.to_come[0][0] <= now:
            self.here.append(self.to_come.popleft()[1])
        self.give()

    def give(self) -> None:
        edge = self.edge
        while self.here and not edge.closed and edge.is_open:
            if not end(self.here[0]) and edge.room() <= 0:
                return
            item = self.here.popleft()
            if item == "|":
                edge.finish()
            elif end(item):
                edge.fail(item)
            else:
                edge.push([item])

    def ready(self) -> None:
        """The queue has room."""
        asyncio.get_running_loop().call_soon(self.give)


class Life:
    """A unit and its queues, from when they are made until they are thrown away."""

    def __init__(
        self, plan: Plan, feeds: list[Feed], reader: Reader, stored: bytes | None = None
    ) -> None:
        (node,) = (node for node in plan.nodes if node.spec.kind == "unit")
        assert node.spec.make is not None
        self.unit = node.spec.make()
        self.edges = []
        for index, feed in enumerate(feeds):
            late = node.spec.late and index > 0
            buffer = node.spec.buffer or Buffer("block", 2)
            feed.edge = Edge(f"in{index}", buffer, self.unit, is_open=not late)
            feed.edge.feeders.append(feed)  # type: ignore[arg-type]  # it can be woken, as a unit
            self.edges.append(feed.edge)
        runtime = Runtime(plan, Unwatched())
        self.unit.attach(runtime, node, self.edges, Port([reader], runtime.counters(node)))
        self.waiting: list[dict[str, Any]] = [{} for _ in self.edges]
        if stored is not None:
            state, queues, self.waiting = statecodec.decode(stored)
            for edge, queue, waiting in zip(self.edges, queues, self.waiting, strict=True):
                edge.restore(queue, waiting)
            if state != "forgotten":
                self.unit.restore(state)
        runtime.start([self.unit])

    def stored(self, forgetful: bool) -> bytes:
        """Everything it would need to go on, as bytes; then it is no more."""
        state = self.unit.snapshot()
        again = self.unit.snapshot()
        assert state == again, "taking it changed something"
        queues = [edge.snapshot() for edge in self.edges]
        for edge, waiting in zip(self.edges, self.waiting, strict=True):
            merge(waiting, edge.changes())
        found = statecodec.encode(("forgotten" if forgetful else state, queues, self.waiting))
        self.unit.close()
        return found


def merge(known: dict[str, Any], changes: tuple[bool, dict[str, Any], list[str]] | None) -> None:
    """What is known, with what has changed since."""
    wiped, added, gone = changes or (False, {}, [])
    if wiped:
        known.clear()
    known.update(added)
    for key in gone:
        del known[key]


async def settled() -> None:
    """Let what is ready run."""
    ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]  # asyncio's own, as in `clock`
    for _ in range(8):
        if not ready:
            return
        await asyncio.sleep(0)


def played(
    case: Case,
    *,
    slow: bool = False,
    cuts: Collection[int] = (),
    early: bool = False,
    forgetful: bool = False,
) -> Told:
    """What a case tells. It is stored at some moments, `early` before it has looked at what has just come.

    A slow reader takes an element every half second.
    """

    async def main() -> Told:
        plan = case.plan()
        clock = asyncio.get_running_loop().time
        reader = Reader(0 if slow else ALL)
        feeds = [Feed(script) for script in case.scripts]
        life = Life(plan, feeds, reader)
        for tick in range(TICKS):
            await asyncio.sleep(tick * TICK - clock())
            for feed in feeds:
                feed.arrive(clock())
            if slow and tick % 2:
                reader.left += 1
                life.unit.ready()
            if not early:
                await settled()
            if tick in cuts and not life.unit.closed:
                life = Life(plan, feeds, reader, life.stored(forgetful))
                for feed in feeds:
                    feed.give()
            await settled()
            if reader.ended:
                break
        life.unit.close()
        await settled()
        return reader.told

    found: Told = virtually(main())
    return found


def same(one: Told, two: Told) -> bool:
    """Whether the same was told at the same times; sums of seconds are not exact."""
    return [item for _, item in one] == [item for _, item in two] and all(
        abs(mine - yours) < 1e-4 for (mine, _), (yours, _) in zip(one, two, strict=True)
    )

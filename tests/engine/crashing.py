"""What the tests of crashes share: sources that can seek, and what has to be equal after one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import rxstream as rxs
from rxstream.source import Source, SourcePort
from rxstream.testing import JournalLog


class Ticks(Source[int]):
    """0, 1, 2 … so many seconds apart; it goes on after a restart."""

    name = "ticks"
    seekable = True

    def __init__(self, count: int, apart: float, batch: int = 1) -> None:
        self.count = count
        self.apart = apart
        self.batch = batch

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[int]]:
        at = port.start or 0
        while at < self.count:
            await asyncio.sleep(self.apart)
            until = min(self.count, at + self.batch)
            port.seek_point(until)
            yield list(range(at, until))
            at = until


def ticks(count: int, apart: float = 0.003, batch: int = 1) -> rxs.Stream[int]:
    return rxs.source(Ticks(count, apart, batch))


@rxs.graph
def totals(count: int = 30) -> Any:
    """A running total."""
    return ticks(count).scan(lambda a, b: a + b, 0).named("total")


def died(journal: JournalLog, after: int) -> JournalLog:
    """What another process finds when the first died after so many commits."""
    return JournalLog(journal.commits[:after], journal.epoch)


async def lived(graph: Any, **params: Any) -> tuple[JournalLog, rxs.Execution]:
    """A whole run, with every commit of it."""
    journal = JournalLog()
    async with rxs.Engine(
        journal, graphs=[graph] if isinstance(graph, rxs.Graph) else []
    ) as engine:
        execution = await engine.start(graph, params or None)
        await execution.wait()
    return journal, execution


async def slowly(item: Any) -> Any:
    """The same, after a time of its own."""
    await asyncio.sleep(0.002 * (hash(item) % 5))
    return item


def as_bags(seen: Mapping[str, Sequence[Any]]) -> Any:
    """What was published by each node, in any order, and which nodes started and ended."""
    return {
        node: sorted(map(repr, items)) if not node.startswith("(") else items
        for node, items in seen.items()
        if node
    }

"""What it costs that every commit is a cut, and how long it takes to go on.

The same graph on the same log twice: with a source that can go on after a crash, so that what the graph would
need is stored with every commit, and with one that cannot, so that nothing is. Resuming is measured from the
opening of a log that holds a million events of an execution that was stopped in the middle.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import rxstream as rxs
from rxstream import operators as ops
from tests.benchmarks.harness import Row, Spread, interleave, rows, spread

Make = Callable[[rxs.Stream[int]], rxs.Stream[Any]]


def keyed(keys: int) -> Make:
    """A total for each of so many keys; every tenth is published."""

    def make(numbers: rxs.Stream[int]) -> rxs.Stream[Any]:
        totals: rxs.Stream[Any] = numbers.pipe(
            ops.scan_by(lambda n: n % keys, lambda a, b: a + b, 0, max_keys=keys + 1)
        )
        return totals.filter(lambda pair: pair[1] % 10 == 0).map(lambda pair: pair[1])

    return make


def waiting(numbers: rxs.Stream[int]) -> rxs.Stream[Any]:
    """64 elements of 1 KB wait before a merge."""
    texts = numbers.map(lambda n: f"{n:01024d}")
    return rxs.merge(texts.block(64), rxs.empty()).filter(lambda text: text.endswith("0")).map(len)


def run(make: Make, count: int, resumable: bool) -> float:
    """CPU seconds for each element of the source."""

    def numbers() -> Iterator[int]:
        yield from range(count)

    async def measured(path: str) -> float:
        graph = rxs.graph(lambda: make(rxs.source(numbers, repeatable=resumable)))
        async with rxs.Engine(path) as engine:
            begun = time.process_time()
            execution = await engine.start(graph)
            await execution.wait()
            took = time.process_time() - begun
            assert execution.resumable is resumable
            assert execution.status == "completed", execution.record.error
        return took / count

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(measured(os.path.join(folder, "events.db")))


def resume(events: int) -> tuple[float, float]:
    """Seconds to open a log of so many events, and from there to the next one shown."""
    graph = rxs.Graph(lambda: rxs.range(2 * events).scan(lambda a, b: a + b, 0), "long")

    async def before(path: str) -> str:
        engine = rxs.Engine(path)
        await engine.open()
        execution = await engine.start(graph)
        reader = await engine.log.follow(execution.id)
        while (reached := await reader.next(limit=1_000)) and (reached[-1].sequence or 0) < events:
            pass
        assert await execution.suspend()
        await engine.close()
        return execution.id

    async def after(path: str, execution_id: str) -> tuple[float, float]:
        begun = time.perf_counter()
        engine = rxs.Engine(path, graphs=[graph])
        await engine.open()
        opened = time.perf_counter() - begun
        last = (await engine.log.head(execution_id)).last
        await engine.log.wait(execution_id, last)
        shown = time.perf_counter() - begun
        await engine.close()
        return opened, shown

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "events.db")
        return asyncio.run(after(path, asyncio.run(before(path))))


def measure(short: bool = False) -> list[Row]:
    """CPU time for each element with cuts over that without, then seconds to go on."""
    count, rounds = (20_000, 3) if short else (100_000, 7)
    lines: list[Row] = []
    shapes: dict[str, Make] = {
        "1 key": keyed(1),
        "100 keys": keyed(100),
        "10,000 keys": keyed(10_000),
        "64 × 1 KB waiting": waiting,
    }
    for name, make in shapes.items():
        base = "without cuts (base)"
        ways = {base: partial(run, make, count, False), "with": partial(run, make, count, True)}
        lines += rows(
            f"a cut at every commit, {name}", interleave(ways, rounds), base, "µs/element", 1e6
        )
    events = 20_000 if short else 1_000_000
    found = [resume(events) for _ in range(2 if short else 3)]
    for way, index in (("the log is open", 0), ("the next event is shown", 1)):
        cost: Spread = spread([took[index] for took in found])
        lines.append(Row(f"resumed after {events:,} events", way, cost, "s"))
    return lines

"""Memory of a fast source before a slow sink: ours stays flat, since the source is pulled only into room.

Each way runs in a process of its own (`python -m tests.benchmarks.memory WAY COUNT`), which looks at its own
resident memory after a tenth of the elements and at the end. Beside ours, what reactivex offers for the same:
`observe_on` before a slow reader, which takes all that comes at once into a queue without a bound.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import reactivex
from reactivex import operators as rx
from reactivex.scheduler.eventloop import AsyncIOScheduler

import rxstream as rxs
from rxstream import operators as ops
from rxstream.source import Port
from tests.benchmarks.harness import Row, interleave, spread
from tests.benchmarks.parts import engine_on

MIB = 1024 * 1024
FLAT_MIB = 5.0
"""Growth that still counts as flat: an allocator's noise."""
PAGE = os.sysconf("SC_PAGE_SIZE")


def resident() -> float:
    """Resident memory of this process in MiB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * PAGE / MIB


class SlowSink(rxs.Sink[int]):
    """Takes about three times as long as the source needs, and looks at the memory on the way."""

    name = "slow"

    def __init__(self, count: int) -> None:
        self.count = count
        self.seen = 0
        self.early = 0.0
        self.most = 0.0

    @asynccontextmanager
    async def open(self, port: Port) -> AsyncIterator[Callable[[Sequence[int]], Awaitable[None]]]:
        yield self.write

    async def write(self, items: Sequence[int]) -> None:
        until = time.perf_counter() + 0.000_1
        while time.perf_counter() < until:  # noqa: ASYNC110  a delay shorter than a timer can be
            await asyncio.sleep(0)
        self.seen += len(items)
        if self.seen * 10 >= self.count:
            if not self.early:
                self.early = resident()
            if self.seen % 65_536 < 64 or self.seen == self.count:
                self.most = max(self.most, resident())


async def ours(count: int) -> dict[str, float]:
    sink = SlowSink(count)

    @rxs.graph
    def flood() -> rxs.Stream[Any]:
        numbers: rxs.Stream[Any] = rxs.source(range(count)).pipe(ops.map(lambda n: n * 1000))
        numbers.to(sink)
        counted: rxs.Stream[Any] = numbers.pipe(ops.count())
        return counted

    async with engine_on("sqlite") as engine:
        begun = time.perf_counter()
        execution = await engine.start(flood)
        assert await execution.result() == count
        took = time.perf_counter() - begun
    assert sink.seen == count
    return {"growth": sink.most - sink.early, "rss": sink.most, "rate": count / took}


async def by_reactivex(count: int) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    thousands: Callable[[int], int] = lambda n: n * 1000  # noqa: E731  a lambda, as in ours
    numbers = reactivex.from_iterable(range(count)).pipe(
        rx.map(thousands), rx.observe_on(AsyncIOScheduler(loop))
    )
    early = resident()
    begun = time.perf_counter()
    subscription = numbers.subscribe(lambda _: None)
    # nothing was taken out yet, and all has come in: this is the peak
    found = {"growth": resident() - early, "rss": resident()}
    subscription.dispose()
    return {**found, "rate": count / (time.perf_counter() - begun)}


WAYS = {"rxstream": ours, "reactivex": by_reactivex}


def in_its_own_process(way: str, count: int, key: str, found: list[dict[str, float]]) -> float:
    done = subprocess.run(
        [sys.executable, "-m", __spec__.name, way, str(count)], stdout=subprocess.PIPE, check=True
    )
    found.append(json.loads(done.stdout))
    return found[-1][key]


def measure(short: bool = False) -> list[Row]:
    """MiB a process grows between a tenth of the elements and the end."""
    lines: list[Row] = []
    count = 1_000_000
    figure = "memory, 1 million ints into a slow sink"
    seen: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    ways = {
        way: partial(in_its_own_process, way, count, "growth", found) for way, found in seen.items()
    }
    samples = interleave(ways, 2 if short else 3)
    lines.append(_within(figure, "rxstream, growth", samples["rxstream"], FLAT_MIB))
    lines.append(Row(figure, "reactivex, growth", spread(samples["reactivex"]), "MiB"))
    most = [run["rss"] for run in seen["rxstream"][1:]]
    lines.append(_within(figure, "rxstream, whole process", most, 100))
    if not short:
        found: list[dict[str, float]] = []
        grown = in_its_own_process("rxstream", 10_000_000, "growth", found)
        figure = "memory, 10 million ints, one run"
        lines.append(_within(figure, "rxstream, growth", [grown, grown], FLAT_MIB))
        lines.append(_within(figure, "rxstream, whole process", [found[0]["rss"]] * 2, 100))
    return lines


def _within(figure: str, way: str, costs: Sequence[float], most: float) -> Row:
    cost = spread(costs)
    return Row(figure, way, cost, "MiB", None, f"< {most:.0f} MiB", cost.median < most)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(WAYS[sys.argv[1]](int(sys.argv[2])))))

"""The same work in other libraries: ten operators over ints and over dicts, and an asynchronous function.

Rivals are installed with `pip install 'rxstream[bench]'`; one that is not there is a line that says so. Each
is used as its documentation shows, with nothing recorded and nothing read back, which is why ours is measured
without an engine too. bytewax keys its state and runs nothing asynchronous, so the chains hold no state and
it has no line in the last figure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import reactivex
from reactivex import operators as rx
from reactivex.scheduler.eventloop import AsyncIOScheduler

import rxstream as rxs
from rxstream import operators as ops
from tests.benchmarks.chains import Chain, Function, maps
from tests.benchmarks.harness import Row, absent, cpu, interleave, rows

CONCURRENCY = 16
BATCH = 1_000
ASYNC_COUNT = 5_000
"""Elements of those that are asynchronous; fewer would measure the start."""
BASE = "reactivex (base)"
MAP_ASYNC = "rxstream `map_async`"
TIMES = 12
"""How many times less than reactivex an asynchronous function may cost that does not wait."""

Asynchronous = Callable[[int], Awaitable[int]]


def loop_of_dicts(items: Sequence[Any], functions: Sequence[Function]) -> Any:
    m0, p1, m2, m3, m4, p5, m6, m7, p8, m9 = functions
    out = None
    for x in items:
        x = m0(x)
        if not p1(x):
            continue
        x = m4(m3(m2(x)))
        if not p5(x):
            continue
        x = m7(m6(x))
        if p8(x):
            out = m9(x)
    return out


def dicts(count: int) -> Chain:
    levels = ("info", "info", "info", "error", "debug")
    return Chain(
        "7 maps, 3 filters, dicts",
        [
            {"id": i, "level": levels[i % 5], "host": f"node-{i % 7}", "ms": i % 250}
            for i in range(count)
        ],
        [
            ("map", lambda e: {**e, "seconds": e["ms"] / 1000}),
            ("filter", lambda e: e["level"] != "debug"),
            ("map", lambda e: {**e, "slow": e["ms"] > 200}),
            ("map", lambda e: {**e, "key": e["host"] + "/" + e["level"]}),
            ("map", lambda e: {**e, "even": not e["id"] & 1}),
            ("filter", lambda e: e["ms"] != 13),
            ("map", lambda e: {**e, "rank": e["id"] % 10}),
            ("map", lambda e: {**e, "late": e["slow"] and e["even"]}),
            ("filter", lambda e: e["host"] != "node-9"),
            ("map", lambda e: {"id": e["id"], "key": e["key"], "rank": e["rank"]}),
        ],
        loop_of_dicts,
    )


# -- ten operators -------------------------------------------------------------------------------


def by_hand(chain: Chain, seen: list[Any]) -> None:
    seen.append(chain.loop(chain.items, chain.functions))


def by_reactivex(chain: Chain, seen: list[Any]) -> None:
    stream = reactivex.from_iterable(chain.items).pipe(*chain.pipeable(rx))
    stream.subscribe(_keeping_last(seen))


def by_us(chain: Chain, seen: list[Any]) -> None:
    rxs.source(chain.items).pipe(*chain.pipeable(ops)).subscribe(_keeping_last(seen))


def by_streamz(chain: Chain, seen: list[Any]) -> None:
    source = stream = import_module("streamz").Stream()
    for name, function in chain.operators:
        stream = getattr(stream, name)(function)
    stream.sink(_keeping_last(seen))
    for item in chain.items:
        source.emit(item)


def by_aiostream(chain: Chain, seen: list[Any]) -> None:
    aiostream = import_module("aiostream")

    async def run() -> None:
        chained = aiostream.stream.iterate(chain.items)
        for name, function in chain.operators:
            chained |= getattr(aiostream.pipe, name)(function)
        seen.append(await chained)

    asyncio.run(run())


def by_bytewax(batch: int, chain: Chain, seen: list[Any]) -> None:
    bytewax, testing = import_module("bytewax.operators"), import_module("bytewax.testing")
    flow = import_module("bytewax.dataflow").Dataflow("ten")
    stream = bytewax.input("items", flow, testing.TestingSource(chain.items, batch))
    for number, (name, function) in enumerate(chain.operators):
        stream = getattr(bytewax, name)(f"step_{number}", stream, function)
    out: list[Any] = []
    bytewax.output("out", stream, testing.TestingSink(out))
    testing.run_main(flow)
    seen.append(out[-1])


def _keeping_last(seen: list[Any]) -> Callable[[Any], None]:
    def keep(item: Any) -> None:
        seen[:] = (item,)

    return keep


# -- an asynchronous function --------------------------------------------------------------------


async def at_once(number: int) -> int:
    """Costs nothing itself, so that all the rest is seen."""
    return number + 1


async def waiting(number: int) -> int:
    """As short as something that waits can be."""
    await asyncio.sleep(0)
    return number + 1


async def awaited_in_turn(function: Asynchronous, count: int) -> int:
    out = 0
    for number in range(count):
        out = await function(number)
    return out


async def mapped_by_reactivex(function: Asynchronous, count: int) -> int:
    loop = asyncio.get_running_loop()
    over: asyncio.Future[int] = loop.create_future()
    # an order and a bound are not to be had: all of them run at once
    begin: Callable[[int], Any] = lambda n: reactivex.from_future(  # noqa: E731  lambdas, as users write
        asyncio.ensure_future(function(n))
    )
    last: Any = reactivex.range(count).pipe(rx.flat_map(begin), rx.last())
    last.subscribe(over.set_result, over.set_exception, scheduler=AsyncIOScheduler(loop))
    return await over


async def mapped_by_us(function: Asynchronous, count: int) -> int:
    mapped = rxs.source(range(count)).pipe(ops.map_async(function, CONCURRENCY), ops.last())
    return int(await mapped)


async def mapped_by_streamz(function: Asynchronous, count: int) -> int:
    source = import_module("streamz").Stream(asynchronous=True)
    out: list[int] = []
    source.map_async(function, parallelism=CONCURRENCY).sink(out.append)
    for number in range(count):
        await source.emit(number, asynchronous=True)
    while len(out) < count:  # noqa: ASYNC110  # nobody tells that all were given
        await asyncio.sleep(0)
    return out[-1]


async def mapped_by_aiostream(function: Asynchronous, count: int) -> int:
    aiostream = import_module("aiostream")
    mapped = aiostream.pipe.map(function, task_limit=CONCURRENCY)
    return int(await (aiostream.stream.iterate(range(count)) | mapped))


# -- the table -----------------------------------------------------------------------------------

Way = Callable[[Chain, list[Any]], None]

OURS: dict[str, Way] = {
    BASE: by_reactivex,
    "loop calling the functions (floor)": by_hand,
    "rxstream `subscribe`": by_us,
}
RIVALS: dict[str, tuple[str, Way]] = {
    "streamz": ("streamz", by_streamz),
    "aiostream": ("aiostream", by_aiostream),
    f"bytewax, batches of {BATCH:,}": ("bytewax", partial(by_bytewax, BATCH)),
    "bytewax, one at a time": ("bytewax", partial(by_bytewax, 1)),
}
MAPPED: dict[str, tuple[str, Callable[[Asynchronous, int], Awaitable[int]]]] = {
    "reactivex, `flat_map` of futures (base)": ("reactivex", mapped_by_reactivex),
    "awaited one after the other (floor)": ("asyncio", awaited_in_turn),
    MAP_ASYNC: ("rxstream", mapped_by_us),
    "streamz `map_async`": ("streamz", mapped_by_streamz),
    "aiostream `map`": ("aiostream", mapped_by_aiostream),
}


def installed(package: str) -> bool:
    """Whether a rival can be imported."""
    return find_spec(package) is not None


def measure(short: bool = False) -> list[Row]:
    """CPU for each element that enters."""
    lines: list[Row] = []
    count, rounds = (2_000, 2) if short else (20_000, 7)
    for chain in (maps(count), dicts(count)):
        lines += _of_chain(chain, rounds)
    lines += _of_async("that does not wait", at_once, ASYNC_COUNT, rounds)
    lines += _of_async("that waits", waiting, ASYNC_COUNT, rounds)
    return lines


def _of_chain(chain: Chain, rounds: int) -> list[Row]:
    there = {name: way for name, (package, way) in RIVALS.items() if installed(package)}
    wanted = chain.loop(chain.items, chain.functions)
    ways: dict[str, Callable[[], float]] = {}
    for name, way in (OURS | there).items():
        seen: list[Any] = []
        way(chain, seen)
        assert seen == [wanted], f"{name} gave {seen}"  # else unlike work is compared
        ways[name] = partial(cpu, partial(way, chain, []))
    figure = f"rivals: {chain.name}"
    found = rows(figure, interleave(ways, rounds), BASE, "µs/element", 1e6 / len(chain.items))
    return found + [absent(figure, name, "bench") for name in RIVALS if name not in there]


def _of_async(what: str, function: Asynchronous, count: int, rounds: int) -> list[Row]:
    figure = f"rivals: asynchronous function {what}, {CONCURRENCY} at a time"
    there = {name: way for name, (package, way) in MAPPED.items() if installed(package)}
    ways: dict[str, Callable[[], float]] = {}
    for name, way in there.items():
        run = partial(_run, way, function, count)
        assert run() == count, name
        ways[name] = partial(cpu, run)
    found = rows(figure, interleave(ways, rounds), next(iter(MAPPED)), "µs/element", 1e6 / count)
    if function is at_once:
        found = [_asked_for(row) if row.way == MAP_ASYNC else row for row in found]
    return found + [absent(figure, name, "bench") for name in MAPPED if name not in there]


def _asked_for(row: Row) -> Row:
    assert row.ratio is not None
    return replace(row, wanted=f"< 1/{TIMES}", held=row.ratio.median < 1 / TIMES)


def _run(
    way: Callable[[Asynchronous, int], Awaitable[int]], function: Asynchronous, count: int
) -> int:
    async def run() -> int:
        return await way(function, count)

    return asyncio.run(run())

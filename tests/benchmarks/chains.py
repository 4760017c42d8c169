"""Ten operators over ints and over dicts: the engine, `subscribe`, plain reactivex, a loop written by hand.

The loop calls the same functions in the same order: what nobody can go below without taking the functions
apart. The engine is measured twice, because publishing is another job than computing: once it publishes the
last element only, once every one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import reactivex
from reactivex import operators as rx

import rxstream as rxs
from rxstream import operators as ops
from tests.benchmarks.harness import Row, cpu, interleave, rows
from tests.benchmarks.parts import engine_on

Function = Callable[..., Any]


@dataclass(frozen=True)
class Chain:
    """The same ten operators in every form."""

    name: str
    items: Sequence[Any]
    operators: Sequence[tuple[str, Function]]
    loop: Callable[[Sequence[Any], Sequence[Function]], Any]

    @property
    def functions(self) -> list[Function]:
        return [function for _, function in self.operators]

    def pipeable(self, module: Any) -> list[Any]:
        """The operators of `rxstream.operators` or of `reactivex.operators`."""
        return [getattr(module, name)(function) for name, function in self.operators]


def loop_of_maps(items: Sequence[Any], functions: Sequence[Function]) -> Any:
    f0, f1, f2, f3, f4, f5, f6, f7, f8, f9 = functions
    out = None
    for x in items:
        out = f9(f8(f7(f6(f5(f4(f3(f2(f1(f0(x))))))))))
    return out


def loop_of_mix(items: Sequence[Any], functions: Sequence[Function]) -> Any:
    m0, p1, m2, s3, m4, p5, m6, s7, p8, m9 = functions
    out = a3 = a7 = None
    for x in items:
        x = m0(x)
        if not p1(x):
            continue
        a3 = x = m2(x) if a3 is None else s3(a3, m2(x))
        x = m4(x)
        if not p5(x):
            continue
        x = m6(x)
        a7 = x = x if a7 is None else s7(a7, x)
        if not p8(x):
            continue
        out = m9(x)
    return out


def maps(count: int) -> Chain:
    return Chain(
        "ten maps, ints",
        range(count),
        [("map", lambda x, n=n: x + n) for n in range(10)],
        loop_of_maps,
    )


def mix(count: int) -> Chain:
    return Chain(
        "5 maps, 3 filters, 2 scans, ints",
        range(count),
        [
            ("map", lambda x: x + 1),
            ("filter", lambda x: x % 10),
            ("map", lambda x: x * 3),
            ("scan", lambda a, x: (a + x) & 0xFFFF),
            ("map", lambda x: x ^ 5),
            ("filter", lambda x: x % 16),
            ("map", lambda x: x - 7),
            ("scan", lambda a, x: max(a - 1, x)),
            ("filter", lambda x: x != 11),
            ("map", lambda x: x & 0xFF),
        ],
        loop_of_mix,
    )


def events(count: int) -> Chain:
    levels = ("info", "info", "info", "error", "debug")
    return Chain(
        "5 maps, 3 filters, 2 scans, dicts",
        [
            {"id": i, "level": levels[i % 5], "host": f"node-{i % 7}", "ms": i % 250}
            for i in range(count)
        ],
        [
            ("map", lambda e: {**e, "seconds": e["ms"] / 1000}),
            ("filter", lambda e: e["level"] != "debug"),
            ("map", lambda e: {**e, "slow": e["ms"] > 200}),
            ("scan", lambda a, e: {**e, "seen": a.get("seen", 0) + 1}),
            ("map", lambda e: {**e, "key": e["host"] + "/" + e["level"]}),
            ("filter", lambda e: e["ms"] != 13),
            ("map", lambda e: {**e, "even": not e["id"] & 1}),
            ("scan", lambda a, e: {**e, "worst": max(a.get("worst", 0), e["ms"])}),
            ("filter", lambda e: e["host"] != "node-9"),
            ("map", lambda e: {"id": e["id"], "key": e["key"], "worst": e.get("worst", 0)}),
        ],
        loop_of_mix,
    )


def by_hand(chain: Chain) -> float:
    return cpu(lambda: chain.loop(chain.items, chain.functions))


def by_reactivex(chain: Chain) -> float:
    stream = reactivex.from_iterable(chain.items).pipe(*chain.pipeable(rx))
    return cpu(lambda: stream.subscribe(lambda _: None))


def by_subscribe(chain: Chain) -> float:
    stream = rxs.source(chain.items).pipe(*chain.pipeable(ops))
    return cpu(lambda: stream.subscribe(lambda _: None))


def by_engine(chain: Chain, log: str, every: bool) -> float:
    @rxs.graph
    def ten() -> rxs.Stream[Any]:
        stream: rxs.Stream[Any] = rxs.source(chain.items).pipe(*chain.pipeable(ops))
        return (stream if every else stream.pipe(ops.last())).named("ten")

    async def run() -> float:
        async with engine_on(log) as engine:
            begun = time.process_time()
            execution = await engine.start(ten)
            await execution.result()
            return time.process_time() - begun

    return asyncio.run(run())


def last_of_all(chain: Chain) -> list[Any]:
    """The last element in every form, which has to be the same, else unlike work is compared."""
    by_rx: list[Any] = []
    reactivex.from_iterable(chain.items).pipe(*chain.pipeable(rx)).subscribe(by_rx.append)
    by_us: list[Any] = []
    rxs.source(chain.items).pipe(*chain.pipeable(ops)).subscribe(by_us.append)
    assert len(by_rx) == len(by_us)
    return [by_rx[-1], by_us[-1], chain.loop(chain.items, chain.functions)]


def measure(short: bool = False) -> list[Row]:
    """CPU for each element that enters."""
    lines: list[Row] = []
    count, rounds = (3_000, 3) if short else (20_000, 9)
    for chain in (maps(count), mix(count), events(count)):
        forms = last_of_all(chain)
        assert forms[0] == forms[1] == forms[2], forms
        ways: dict[str, Callable[[], float]] = {
            "reactivex (base)": partial(by_reactivex, chain),
            "loop calling the functions (floor)": partial(by_hand, chain),
            "rxstream `subscribe`": partial(by_subscribe, chain),
            "engine, last one published, memory log": partial(by_engine, chain, "memory", False),
            "engine, last one published, SQLite log": partial(by_engine, chain, "sqlite", False),
            "engine, every one published, memory log": partial(by_engine, chain, "memory", True),
            "engine, every one published, SQLite log": partial(by_engine, chain, "sqlite", True),
        }
        samples = interleave(ways, rounds)
        lines += rows(chain.name, samples, "reactivex (base)", "µs/element", 1e6 / count)
    return lines

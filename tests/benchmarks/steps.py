"""A pipeline of 10 ms steps, streamed and not: the engine, a SQLite log and one WebSocket client, or a loop.

Streamed, every step is a node whose output is published, and the time is from `start` to `result`, with
everything recorded and sent on the way. Not streamed, the same functions are awaited one after another.
A step waits in a thread, as a blocking call does. Steps that wait on a timer of the event loop are measured
too, and stand alone: the loop rounds a wait up to a millisecond each time something else wakes it, so any
second activity, also one that is not ours, makes every such step about half a millisecond longer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import rxstream as rxs
from rxstream import operators as ops
from tests.benchmarks.harness import Row, interleave, ratios, spread
from tests.benchmarks.parts import clients, engine_on, served

STEP_S = 0.01

Step = Callable[[int], Awaitable[int]]


async def blocking(value: int) -> int:
    await asyncio.to_thread(time.sleep, STEP_S)
    return value + 1


async def timed(value: int) -> int:
    await asyncio.sleep(STEP_S)
    return value + 1


def plain(step: Step, count: int) -> float:
    async def run() -> float:
        await asyncio.to_thread(lambda: None)  # the thread is there in both ways
        begun = time.perf_counter()
        value = 0
        for _ in range(count):
            value = await step(value)
        return time.perf_counter() - begun

    return asyncio.run(run())


def chain_of(step: Step, count: int) -> rxs.Graph[..., Any]:
    """One element through so many steps, each a node of its own that publishes."""

    @rxs.graph
    def steps() -> dict[str, rxs.Stream[Any]]:
        stream: rxs.Stream[Any] = rxs.source([0]).named("input")
        made = {}
        for number in range(count):
            stream = stream.pipe(ops.map_async(step)).named(f"step_{number}")
            made[f"step_{number}"] = stream
        return made

    return steps


def elements_through(step: Step, count: int) -> rxs.Graph[..., Any]:
    """So many elements through one step, one at a time."""

    @rxs.graph
    def one_step() -> rxs.Stream[Any]:
        stream: rxs.Stream[Any] = rxs.source(range(count)).pipe(ops.map_async(step, 1))
        return stream.named("step")

    return one_step


def streamed(graph: rxs.Graph[..., Any]) -> float:
    async def run() -> float:
        async with (
            clients() as to,
            engine_on("sqlite", [graph]) as engine,
            served(engine) as address,
        ):
            await asyncio.to_thread(lambda: None)
            begun = time.perf_counter()
            execution = await engine.start(graph)
            connecting = asyncio.create_task(to.connect(address, f"/ws/pipeline/{execution.id}"))
            await execution.result()
            took = time.perf_counter() - begun
            await connecting
            await to.latencies()
            return took

    return asyncio.run(run())


def measure(short: bool = False) -> list[Row]:
    """Wall time, streamed over not streamed."""
    # what starting costs is a share of the whole, so a shorter pipeline is another figure
    count, rounds = 50, 3 if short else 9
    lines: list[Row] = []
    for kind, step, wanted in (
        ("blocking steps", blocking, True),
        ("steps on the loop's timer", timed, False),
    ):
        base = f"{count} steps awaited (base)"
        samples = interleave(
            {
                base: partial(plain, step, count),
                f"{count} steps streamed, start to result": partial(
                    streamed, chain_of(step, count)
                ),
                f"{count} elements through one step": partial(
                    streamed, elements_through(step, count)
                ),
            },
            rounds,
        )
        for name, costs in samples.items():
            ratio = ratios(samples, name, base)
            asked = "< 1.05" if wanted and name != base else ""
            held = not asked or ratio.median < 1.05
            cost = spread(costs).scaled(1e3)
            lines.append(Row(f"10 ms {kind}", name, cost, "ms", ratio, asked, held))
    return lines

"""From a source's element to a WebSocket client in another process: 100 elements a second, SQLite log.

Ours goes through the graph, a commit that waits for the disk, the log's ring, the server and a real socket.
Beside it, an aiohttp handler that sends the same element at once: no graph, no log, nothing kept. Times
are from the generator's `yield` to the client's `recv`; with 50 clients, to each of the 50, all of which one
process reads.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import orjson
from aiohttp import web

import rxstream as rxs
from rxstream import operators as ops
from tests.benchmarks.harness import Row, Samples, interleave, percentile, ratios, spread
from tests.benchmarks.parts import Clients, clients, engine_on, served

INTERVAL_S = 0.01


async def ticks(count: int, go: asyncio.Event) -> AsyncIterator[dict[str, Any]]:
    """Elements at a steady pace once `go` is set, each with the time at which it was made."""
    await go.wait()
    loop = asyncio.get_running_loop()
    due = loop.time()
    for number in range(count):
        due += INTERVAL_S
        await asyncio.sleep(max(0.0, due - loop.time()))
        yield {"type": "tick", "number": number, "at": time.monotonic_ns()}
    # the last element is told again as the result, where its `at` would be taken for an arrival
    yield {"type": "end", "number": count}


async def through_the_engine(count: int, connected: int, to: Clients) -> list[float]:
    go = asyncio.Event()

    @rxs.graph
    def ticking() -> rxs.Stream[Any]:
        source = rxs.source(lambda: ticks(count, go), name="ticks")
        stream: rxs.Stream[Any] = source.pipe(
            ops.map(lambda tick: {**tick, "even": tick["number"] % 2 == 0})
        )
        return stream

    async with engine_on("sqlite", [ticking]) as engine, served(engine) as address:
        execution = await engine.start(ticking)
        await to.connect(address, f"/ws/pipeline/{execution.id}", count=connected)
        go.set()
        return await to.latencies()


async def sent_at_once(count: int, to: Clients) -> list[float]:
    go = asyncio.Event()

    async def handle(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse(compress=False)
        await response.prepare(request)
        async for tick in ticks(count, go):
            await response.send_str(
                orjson.dumps({**tick, "even": tick["number"] % 2 == 0}).decode()
            )
        await response.close()
        return response

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        await to.connect(f"127.0.0.1:{runner.addresses[0][1]}", "/")
        go.set()
        return await to.latencies()
    finally:
        await runner.cleanup()


def measure(short: bool = False) -> list[Row]:
    """p50 and p99, of each round's elements."""
    count, rounds = (100, 2) if short else (300, 9)
    tails: Samples = {}

    def once(name: str, of: Callable[[Clients], Any], expected: int) -> float:
        async def run() -> list[float]:
            async with clients() as to:
                found: list[float] = await of(to)
                return found

        latencies = asyncio.run(run())
        assert len(latencies) == expected, f"{len(latencies)} arrived of {expected}"
        tails.setdefault(name, []).append(percentile(latencies, 0.99))
        return percentile(latencies, 0.5)

    ours = "element → WebSocket client, 1 client"
    many = "element → WebSocket client, 50 clients"
    bare = "aiohttp alone, 1 client: no graph, no log (floor, base)"
    medians = interleave(
        {
            bare: partial(once, bare, partial(sent_at_once, count), count),
            ours: partial(once, ours, partial(through_the_engine, count, 1), count),
            many: partial(once, many, partial(through_the_engine, count, 50), count * 50),
        },
        rounds,
    )
    # the round that only warms up is not counted here either
    tails = {name: costs[1:] for name, costs in tails.items()}
    lines = []
    for share, samples, allowed in (("p50", medians, 0.0), ("p99", tails, 50.0)):
        for name in medians:
            cost = spread(samples[name]).scaled(1e3)
            wanted = f"< {allowed:.0f} ms" if allowed and name != bare else ""
            held = not wanted or cost.median < allowed
            ratio = ratios(samples, name, bare)
            lines.append(Row(f"latency {share}", name, cost, "ms", ratio, wanted, held))
    return lines

"""One execution to 100 WebSocket clients in another process: the server's CPU for each message sent.

The floor is the shortest there is: a blocking `sendall` of the ready frame to each of 100 sockets. The rival
is aiohttp's own `send_str` to each. At a pace of 200 a second every event is a write of its own to every
client; at full speed events share a write.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

from aiohttp import web

import rxstream as rxs
from rxstream.adapters.web import frames
from tests.benchmarks.harness import Row, interleave, rows
from tests.benchmarks.parts import Clients, clients, engine_on, served

CLIENTS = 100
PACE_S = 0.005
TEXT = "x" * 150
EVENT = 342
"""Bytes of JSON of an event around that text, which all ways send; checked below."""


def through_the_engine(count: int, pace: float) -> float:
    go = asyncio.Event()

    async def elements() -> AsyncIterator[str]:
        await go.wait()
        for _ in range(count):
            yield TEXT
            if pace:
                await asyncio.sleep(pace)

    @rxs.graph
    def talking() -> rxs.Stream[str]:
        return rxs.source(elements)

    async def run(to: Clients) -> float:
        async with engine_on("sqlite", [talking]) as engine, served(engine) as address:
            execution = await engine.start(talking)
            await to.connect(address, f"/ws/pipeline/{execution.id}", count=CLIENTS)
            begun = time.process_time()
            go.set()
            await to.latencies()
            took = time.process_time() - begun
            size = len((await engine.log.read(execution.id, 3, 1))[0].json)
            assert abs(size - EVENT) < 8, (
                f"an event is {size} bytes: the others have to send as many"
            )
            return took

    return asyncio.run(_with_clients(run)) / (count * CLIENTS)


def by_aiohttp(count: int, pace: float) -> float:
    message = "x" * EVENT

    async def run(to: Clients) -> float:
        responses: list[web.WebSocketResponse] = []
        over = asyncio.Event()

        async def handle(request: web.Request) -> web.WebSocketResponse:
            response = web.WebSocketResponse(compress=False)
            await response.prepare(request)
            responses.append(response)
            await over.wait()
            await response.close()
            return response

        app = web.Application()
        app.router.add_get("/", handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            await to.connect(f"127.0.0.1:{runner.addresses[0][1]}", "/", count=CLIENTS)
            begun = time.process_time()
            for _ in range(count):
                for response in responses:
                    await response.send_str(message)
                if pace:
                    await asyncio.sleep(pace)
            over.set()
            await to.latencies()
            return time.process_time() - begun
        finally:
            await runner.cleanup()

    return asyncio.run(_with_clients(run)) / (count * CLIENTS)


def by_sendall(count: int, pace: float) -> float:
    frame = frames.frame(b"x" * EVENT)
    accepted: list[socket.socket] = []

    async def run(to: Clients) -> float:
        with socket.create_server(("127.0.0.1", 0), backlog=CLIENTS) as server:
            port = server.getsockname()[1]
            accepting = asyncio.create_task(asyncio.to_thread(accept, server))
            await to.connect(f"127.0.0.1:{port}", "/", count=CLIENTS)
            await accepting
            begun = time.process_time()
            await asyncio.to_thread(send)
            took = time.process_time() - begun
            await to.latencies()
            return took

    def accept(server: socket.socket) -> None:
        for _ in range(CLIENTS):
            client = server.accept()[0]
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while not client.recv(4096).endswith(b"\r\n\r\n"):
                pass
            client.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            accepted.append(client)

    def send() -> None:
        for _ in range(count):
            for client in accepted:
                client.sendall(frame)
            if pace:
                time.sleep(pace)
        for client in accepted:
            client.close()

    return asyncio.run(_with_clients(run)) / (count * CLIENTS)


async def _with_clients(run: Callable[[Clients], Any]) -> float:
    async with clients() as to:
        return float(await run(to))


def measure(short: bool = False) -> list[Row]:
    """CPU of the serving process for each message to each client."""
    lines: list[Row] = []
    base = "`sendall` of a ready frame (floor, base)"
    paces = (("200 events/s", 40 if short else 200, PACE_S), ("full speed", 400, 0.0))
    for name, count, pace in paces:
        ways = {
            base: partial(by_sendall, count, pace),
            "aiohttp `send_str`": partial(by_aiohttp, count, pace),
            "rxstream, source to socket": partial(through_the_engine, count, pace),
        }
        samples = interleave(ways, 2 if short else 5)
        lines += rows(f"fan-out to 100 clients, {name}", samples, base, "µs/message", 1e6)
    return lines

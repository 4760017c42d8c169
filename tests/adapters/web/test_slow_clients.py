"""A client that stops reading is given up in bounded time and memory, and can come back."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest

from rxstream import Engine
from rxstream.adapters.web import Settings, serve
from tests.adapters.web import parts
from tests.adapters.web.parts import Client

PATHS = {
    "sse": "/stream/pipeline/e",
    "websocket": "/ws/pipeline/e",
    "poll": "/api/executions/e/events?limit=1000",
}
UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


async def unread(url: str, path: str, upgrade: bool) -> socket.socket:
    """A connection that asks for a path and then never reads."""
    host, port = url.removeprefix("http://").split(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, (host, int(port)))
    headers = UPGRADE if upgrade else ""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
    await loop.sock_sendall(connection, request.encode())
    return connection


@pytest.mark.parametrize("transport", PATHS)
async def test_a_client_that_stops_reading_is_dropped_and_comes_back(
    engine: Engine, http: aiohttp.ClientSession, transport: str
) -> None:
    settings = Settings(
        write_timeout=0.2, close_timeout=0.1, heartbeat=5, max_poll_bytes=64 * 1024 * 1024
    )
    # more than the buffers of a loopback connection hold
    await parts.recorded(engine.log, "e", [*parts.outputs(40, 400_000), parts.ENDING], "completed")
    server = await serve(engine, port=0, settings=settings)
    try:
        stalled = await unread(server.url, PATHS[transport], transport == "websocket")
        with stalled:
            await parts.until(lambda: server.connections == 1)
            await parts.until(lambda: server.connections == 0)
        client = Client("e", "2")
        assert await parts.TRANSPORTS[transport](http, server.url, client)
        assert client.sequences == list(range(3, 43))
    finally:
        await server.close()


async def test_a_stalled_client_costs_its_neighbours_nothing(
    engine: Engine, http: aiohttp.ClientSession
) -> None:
    settings = Settings(write_timeout=30, close_timeout=0.1)
    await parts.recorded(engine.log, "e", [*parts.outputs(40, 400_000), parts.ENDING], "completed")
    async with parts.served(engine, settings) as url:
        with await unread(url, PATHS["websocket"], upgrade=True):
            for transport in parts.TRANSPORTS.values():
                client = Client("e")
                assert await transport(http, url, client)
                assert len(client.texts) == 42


async def test_a_websocket_that_reads_again_in_time_is_told_that_it_was_too_slow(
    engine: Engine,
) -> None:
    settings = Settings(write_timeout=0.2, close_timeout=5)
    queue = parts.feed()
    execution = await engine.start("fed", {"feed": "feed"}, on_last_listener="cancel")
    async with parts.served(engine, settings) as url:
        loop = asyncio.get_running_loop()
        with await unread(url, f"/ws/pipeline/{execution.id}", upgrade=True) as stalled:
            for _ in range(40):
                queue.put_nowait("x" * 400_000)
            # given up, it no longer listens; the close frame then waits 5 s for its reader
            await parts.until(lambda: execution.ended)
            end = b""
            while data := await loop.sock_recv(stalled, 1 << 20):
                end = (end + data)[-200:]
                if b"too slow" in end:
                    break
    assert b"\x88" in end
    assert (4408).to_bytes(2, "big") + b"too slow" in end


async def test_what_a_stalled_client_holds_is_bounded(engine: Engine) -> None:
    settings = Settings(write_timeout=30, close_timeout=0.1)
    await parts.recorded(engine.log, "e", parts.outputs(200, 100_000))
    server = await serve(engine, port=0, settings=settings)
    try:
        stalled = [await unread(server.url, PATHS["websocket"], upgrade=True) for _ in range(5)]
        await parts.until(lambda: len(parts.buffered(server)) == 5 and all(parts.buffered(server)))
        assert max(parts.buffered(server)) < 300_000
        for connection in stalled:
            connection.close()
    finally:
        await server.close()

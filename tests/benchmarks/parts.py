"""What several benchmarks need: an engine on a log of its own, a server, clients in another process."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import orjson

from rxstream import Engine
from rxstream.adapters.web import serve
from rxstream.graph import Graph


@asynccontextmanager
async def engine_on(log: str, graphs: Sequence[Graph[..., Any]] = ()) -> AsyncIterator[Engine]:
    """An open engine; `log` is `memory` or `sqlite`, a new file that goes with it."""
    if log == "memory":
        async with Engine(graphs=graphs) as engine:
            yield engine
        return
    with tempfile.TemporaryDirectory(prefix="rxstream-benchmark-") as folder:
        async with Engine(Path(folder) / "events.db", graphs=graphs) as engine:
            yield engine


@asynccontextmanager
async def served(engine: Engine) -> AsyncIterator[str]:
    """A server of that engine on a free port; the value is `host:port`."""
    server = await serve(engine, "127.0.0.1", 0)
    try:
        yield server.url.removeprefix("http://")
    finally:
        await server.close()


class Clients:
    """WebSocket clients, all in one other process (`client.py`)."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def connect(self, address: str, *paths: str, count: int = 1) -> None:
        """Connect so many to each path; returns when all are upgraded."""
        host, port = address.split(":")
        await self._say({"host": host, "port": int(port), "paths": paths, "count": count})
        assert await self._answer() == "connected"

    async def latencies(self) -> list[float]:
        """Seconds from each element's `at` to its arrival, of all clients; when all were closed."""
        return cast("list[float]", await self._answer())

    async def _say(self, message: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(orjson.dumps(message) + b"\n")
        await self._process.stdin.drain()

    async def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "the clients' process has ended"
        return orjson.loads(line)


@asynccontextmanager
async def clients() -> AsyncIterator[Clients]:
    """The other process; it ends when this leaves."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("client.py")),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=64 * 1024 * 1024,
    )
    try:
        yield Clients(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()

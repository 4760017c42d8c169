"""A model server on a raw socket that breaks off where a script says, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, NamedTuple


class Said(NamedTuple):
    """What one request gets: so much of an answer, then an ending; or a refusal."""

    body: bytes = b""
    ending: Literal["close", "abort", "hang"] = "close"
    status: int = 200
    headers: str = ""


class Faulty:
    """Answers each request with the next of its script, the last for ever."""

    def __init__(self, script: Sequence[Said]) -> None:
        self.url = ""
        self.asked: list[dict[str, Any]] = []
        self.left = asyncio.Event()
        """Somebody went away while the server hung."""
        self._script = list(script)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        self.asked.append(json.loads(await reader.readexactly(length)))
        said = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        writer.write(
            f"HTTP/1.1 {said.status} X\r\nContent-Type: text/event-stream\r\nConnection: close\r\n"
            f"{said.headers}\r\n".encode()
        )
        writer.write(said.body)
        await writer.drain()
        if said.ending == "hang":
            await reader.read()
            self.left.set()
        elif said.ending == "abort":
            await asyncio.sleep(0.01)  # what was written has to be on its way
            writer.transport.abort()
        writer.close()


@asynccontextmanager
async def faulty(*script: Said) -> AsyncIterator[Faulty]:
    """Serve a script on loopback."""
    serving = Faulty(script)
    server = await asyncio.start_server(serving.answer, "127.0.0.1", 0)
    async with server:
        serving.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        yield serving

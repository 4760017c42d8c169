"""Writing to a client that may be slow, dead or gone, in bounded time and memory.

A client that does not take what was written within the deadline is given up: `SlowClient`, and whoever
holds the connection drops it. The log is read a page at a time, so nothing is queued for anybody.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from rxstream.adapters.web.settings import Settings
from rxstream.events import StreamEvent
from rxstream.log import Reader
from rxstream.replay import Replay

_LEAST: Final = 64 * 1024
"""Bytes of a long answer a client takes within the deadline, or it is given up."""


class SlowClient(Exception):
    """The client did not take what was written in time."""


class Outlet:
    """The way out of one WebSocket, for any number of writers.

    They write in turn, a write each, which is what shares a connection fairly among its streams. A
    writer may be cancelled at any time: only whole frames are written.
    """

    def __init__(
        self,
        request: web.Request,
        response: web.WebSocketResponse,
        writer: AbstractStreamWriter,
        timeout: float,
    ) -> None:
        self._request = request
        self._response = response
        self._writer = writer
        self._timeout = timeout
        self._turn = asyncio.Lock()
        self._slow = False

    async def write(self, data: bytes) -> None:
        """Write whole frames. Raises `SlowClient`, or `ConnectionError` when the client is gone."""
        async with self._turn:
            transport = self._request.transport
            # a close frame is the last frame, so nothing may follow one
            if transport is None or transport.is_closing() or self._response.closed:
                raise ConnectionResetError("the client is gone")
            if self._slow:
                raise SlowClient
            transport.write(data)
            if _over_the_mark(transport):
                await self._drain()

    def put(self, data: bytes) -> bool:
        """Write whole frames now; False, and nothing is, where the client is gone or others wait to write."""
        transport = self._request.transport
        if transport is None or transport.is_closing() or self._response.closed:
            return False
        if self._slow or self._turn.locked():
            return False
        transport.write(data)
        return True

    @property
    def full(self) -> bool:
        """Whether more waits to be sent than should."""
        transport = self._request.transport
        return transport is not None and _over_the_mark(transport)

    async def drain(self) -> None:
        """Wait until the client has taken enough. Raises as `write` does."""
        await self.write(b"")

    async def _drain(self) -> None:
        # in a task of its own: aiohttp shares one future among all who drain a connection, and a
        # writer that is cancelled while it waits for that future would cancel it for all
        draining = asyncio.create_task(self._writer.drain())
        draining.add_done_callback(_retrieve)
        done, _ = await asyncio.wait({draining}, timeout=self._timeout)
        if not done:
            self._slow = True
            raise SlowClient
        draining.result()


def _over_the_mark(transport: asyncio.WriteTransport) -> bool:
    return transport.get_write_buffer_size() > transport.get_write_buffer_limits()[1]


def _retrieve(task: asyncio.Task[None]) -> None:
    """Look at an error that may have nobody else: the writer may be cancelled."""
    if not task.cancelled():
        task.exception()


async def write_body(
    response: web.StreamResponse, writer: AbstractStreamWriter, data: bytes, timeout: float
) -> None:
    """Write a part of a body. Raises `SlowClient`, or `ConnectionError` when the client is gone."""
    try:
        async with asyncio.timeout(timeout):
            await response.write(data)
            await writer.drain()
    except TimeoutError:
        raise SlowClient from None


async def send(request: web.Request, response: web.Response, timeout: float) -> web.Response:
    """Send a whole answer; a client that takes less than `_LEAST` of it in `timeout` seconds is dropped."""
    writing = asyncio.create_task(_write(request, response))
    unsent = len(response.body) if isinstance(response.body, bytes) else 0
    try:
        while not (await asyncio.wait({writing}, timeout=timeout))[0]:
            transport = request.transport
            left = 0 if transport is None else transport.get_write_buffer_size()
            if transport is None or left > unsent - _LEAST:
                if transport is not None:
                    transport.abort()
                return response
            unsent = left
        writing.result()
    finally:
        writing.cancel()
        await asyncio.wait({writing})
        _retrieve(writing)
    return response


async def _write(request: web.Request, response: web.Response) -> None:
    await response.prepare(request)
    await response.write_eof()


async def pages(
    reader: Reader | Replay, settings: Settings, idle: float | None = None
) -> AsyncGenerator[list[StreamEvent], None]:
    """Pages of the log to its end, of about `page_bytes` each; an empty one after `idle` seconds."""
    limit = 16
    while not reader.ended:
        events = await reader.next(timeout=idle, limit=limit)
        if events or not reader.ended:
            yield events
        if events:
            average = sum(len(event.json) for event in events) // len(events) + 1
            limit = max(1, min(settings.page_bytes // average, limit * 2, 1_024))

"""Writing to a client that may be slow, dead or gone, in bounded time and memory.

One write is under way for a connection at any time; writers wait for each other in turn, which is what
shares a connection fairly among its streams. A client that does not take what was written within the
deadline is given up: `SlowClient`, and whoever holds the connection aborts it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from rxstream.adapters.web.settings import Settings
from rxstream.events import StreamEvent
from rxstream.log import Reader


class SlowClient(Exception):
    """The client did not take what was written in time."""


class Outlet:
    """The way out to one client.

    `put` hands bytes to the transport; None writes them as they are. After `closed` says so nothing
    more is written.
    """

    def __init__(
        self,
        request: web.Request,
        writer: AbstractStreamWriter,
        timeout: float,
        put: Callable[[bytes], Awaitable[None]] | None = None,
        closed: Callable[[], bool] | None = None,
    ) -> None:
        self._request = request
        self._writer = writer
        self._timeout = timeout
        self._put = put
        self._closed = closed
        self._turn = asyncio.Lock()
        self._slow = False

    async def write(self, data: bytes) -> None:
        """Write whole frames. Raises `SlowClient`, or `ConnectionError` when the client is gone."""
        async with self._turn:
            if self._slow:
                raise SlowClient
            transport = self._request.transport
            if transport is None or transport.is_closing() or (self._closed and self._closed()):
                raise ConnectionResetError("the client is gone")
            if self._put is None:
                transport.write(data)
                if not transport.get_write_buffer_size():
                    return
            try:
                async with asyncio.timeout(self._timeout):
                    if self._put is not None:
                        await self._put(data)
                    await self._writer.drain()
            except TimeoutError:
                self._slow = True
                raise SlowClient from None


async def send(request: web.Request, response: web.Response, timeout: float) -> web.Response:
    """Send a whole answer; a client that does not take it within `timeout` seconds is dropped."""
    try:
        async with asyncio.timeout(timeout):
            await response.prepare(request)
            await response.write_eof()
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
    return response


async def pages(
    reader: Reader, settings: Settings, idle: float | None = None
) -> AsyncIterator[list[StreamEvent]]:
    """Pages of the log to its end, of about `page_bytes` each; an empty one after `idle` seconds."""
    limit = 16
    while not reader.ended:
        events = await reader.next(timeout=idle, limit=limit)
        if events or not reader.ended:
            yield events
        if events:
            average = sum(len(event.json) for event in events) // len(events) + 1
            limit = max(1, min(settings.page_bytes // average, limit * 2, 1_024))

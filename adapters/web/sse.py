"""Events as a `text/event-stream` (the HTML standard, "Server-sent events").

`id` is the cursor, so a browser that reconnects goes on where it was; `Last-Event-ID` wins over `after`
because it is the newer of the two. The body ends well only after the terminal event. Everything else
drops the connection, which a client cannot take for an end; where the server goes away, `retry` says when to
come back.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aiohttp import web

from rxstream.adapters.web import frames, replaying
from rxstream.adapters.web.commands import listening
from rxstream.adapters.web.connections import Connections
from rxstream.adapters.web.errors import COME_BACK_S
from rxstream.adapters.web.outlet import SlowClient, pages, write_body
from rxstream.adapters.web.settings import Settings
from rxstream.errors import RxStreamError
from rxstream.log import Reader
from rxstream.replay import Replay

if TYPE_CHECKING:
    from rxstream.engine import Engine

_COME_BACK: Final = b"retry: %d\n\n" % (COME_BACK_S * 1_000)


class ServerSentEvents:
    """Handler of `/stream/pipeline/{id}`."""

    def __init__(self, engine: Engine, settings: Settings, connections: Connections) -> None:
        self._engine = engine
        self._settings = settings
        self._connections = connections

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Every event after the cursor, to the terminal one; 204 when that was read already."""
        log, execution_id = self._engine.log, request.match_info["id"]
        after = request.headers.get("Last-Event-ID") or request.query.get("after")
        position = await log.locate(execution_id, after)
        head = await log.head(execution_id)
        if head.ended and position.gap is None and position.after >= head.last:
            return web.Response(status=204, headers={"Cache-Control": "no-store"})
        reader = replaying.asked(request, log, after) or Reader(log, execution_id, position)
        with self._connections.enter(), listening(self._engine, execution_id):
            return await self._send(request, reader)

    async def _say_when(self, response: web.StreamResponse) -> None:
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(self._settings.close_timeout):
                await response.write(_COME_BACK)

    async def _send(self, request: web.Request, reader: Reader | Replay) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-cache",
                "X-Accel-Buffering": "no",
                "X-Content-Type-Options": "nosniff",
            }
        )
        settings = self._settings
        ended = False
        try:
            writer = await response.prepare(request)
            assert writer is not None  # None is for requests whose answer was sent already
            # headers leave with the first bytes
            await write_body(response, writer, frames.HEARTBEAT, settings.write_timeout)
            async for page in pages(reader, settings, settings.heartbeat):
                for data in frames.joined(page, frames.sse, settings.write_bytes):
                    await write_body(response, writer, data, settings.write_timeout)
                if not page:
                    await write_body(response, writer, frames.HEARTBEAT, settings.write_timeout)
            async with asyncio.timeout(settings.write_timeout):
                await response.write_eof()
            ended = True
        except asyncio.CancelledError:
            if self._connections.closing:
                await self._say_when(response)
            raise
        except RxStreamError:  # the execution was suspended, or the log went away
            await self._say_when(response)
        except (SlowClient, TimeoutError, ConnectionError):
            pass  # the connection is dropped below, which is all a client can be told now
        finally:
            if not ended and request.transport is not None:
                request.transport.abort()
        return response

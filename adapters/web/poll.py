"""Events by asking again: a page after a cursor, at once or as soon as there is something to say.

A cursor that cannot be served is not an error: `recovered` is false, and the events go on from what is
available. The answer is put together from the events' own bytes.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from rxstream.adapters.web import frames
from rxstream.adapters.web.body import query_integer, query_seconds
from rxstream.adapters.web.commands import listening
from rxstream.adapters.web.connections import Connections
from rxstream.adapters.web.errors import COME_BACK_S
from rxstream.adapters.web.outlet import send
from rxstream.adapters.web.settings import Settings
from rxstream.errors import LogError
from rxstream.events import EventType, StreamEvent
from rxstream.log import Position, Reader

if TYPE_CHECKING:
    from rxstream.engine import Engine


class Poll:
    """Handler of `/api/executions/{id}/events`."""

    def __init__(self, engine: Engine, settings: Settings, connections: Connections) -> None:
        self._engine = engine
        self._settings = settings
        self._connections = connections

    async def events(self, request: web.Request) -> web.Response:
        """One page; waits up to `wait` seconds for its first event."""
        settings, log = self._settings, self._engine.log
        execution_id = request.match_info["id"]
        headers = {"Cache-Control": "no-store"}
        limit = query_integer(request.query, "limit", settings.default_limit, 1, settings.max_limit)
        wait = query_seconds(request.query, "wait", settings.max_wait)
        position = await log.locate(execution_id, request.query.get("after"))
        reader = Reader(log, execution_id, Position(position.after, None))
        recovered = position.gap is None
        page: list[StreamEvent] = []
        size = 0
        while len(page) < limit and size < settings.max_poll_bytes and not reader.ended:
            # a few at a time, so that large events cannot pile up before they are measured
            more = min(16, limit - len(page))
            events = await self._next(reader, execution_id, 0.0 if page else wait, more)
            if not events:
                if not page and not reader.ended and not log.is_open:
                    raise LogError("the event log was closed", code="log_closed")
                break
            if events[0].event_type == EventType.GAP:
                if page:
                    break  # what was read stays whole; the next poll is told
                recovered = False
                continue
            for event in events:
                if page and size + len(event.json) > settings.max_poll_bytes:
                    size = settings.max_poll_bytes
                    break
                page.append(event)
                size += len(event.json)
        head = await log.head(execution_id)
        cursor = frames.cursor(page[-1]).decode() if page else reader.cursor
        told = {"cursor": cursor, "recovered": recovered, "first_available": head.first}
        body = b'{"events":[%b],%b' % (
            b",".join([event.json for event in page]),
            orjson.dumps(told)[1:],
        )
        if self._connections.closing:
            headers["Retry-After"] = str(COME_BACK_S)
        response = web.Response(body=body, content_type="application/json", headers=headers)
        return await send(request, response, settings.write_timeout)

    async def _next(
        self, reader: Reader, execution_id: str, wait: float, limit: int
    ) -> list[StreamEvent]:
        if not wait:
            return await reader.next(timeout=0, limit=limit)
        with self._connections.enter(), listening(self._engine, execution_id):
            try:
                return await reader.next(timeout=wait, limit=limit)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if not self._connections.closing or task is None:
                    raise
                # the server closes: an empty page is true, and its cursor is as good as before
                task.uncancel()
                return []

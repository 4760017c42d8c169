"""One client's connection as a sink: each element, or each event of a log, is one message on it.

The connection stays its owner's: it is neither prepared nor closed here, so several streams can share it. A
client that does not read makes a write wait; how long, a `Delivery` says. The bytes of a `Binary` are not
sent, only what describes it. Endpoints where many clients come and go by themselves are
`rxstream.adapters.web`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from aiohttp import ClientWebSocketResponse, web

from rxstream.codec import Encoder
from rxstream.errors import WorldError
from rxstream.events import StreamEvent
from rxstream.sink import Sink, Write
from rxstream.source import Port


class WebSocketSink(Sink[Any]):
    """See `websocket`."""

    name: ClassVar[str] = "websocket"

    def __init__(self, socket: web.WebSocketResponse | ClientWebSocketResponse) -> None:
        self._socket = socket

    @asynccontextmanager
    async def open(self, port: Port) -> AsyncIterator[Write[Any]]:
        encoder = Encoder()

        async def write(batch: Sequence[Any]) -> None:
            for element in batch:
                if self._socket.closed:
                    raise WorldError("the client left", code="client_left")
                await self._socket.send_str(_json(encoder, element).decode())

        yield write


class ServerSentEventsSink(Sink[Any]):
    """See `sse`."""

    name: ClassVar[str] = "sse"

    def __init__(self, response: web.StreamResponse) -> None:
        self._response = response

    @asynccontextmanager
    async def open(self, port: Port) -> AsyncIterator[Write[Any]]:
        encoder = Encoder()

        async def write(batch: Sequence[Any]) -> None:
            parts = []
            for element in batch:
                if isinstance(element, StreamEvent):
                    head = f"id: {element.cursor}\nevent: {element.event_type}\n"
                    parts.append(head.encode())
                parts.append(b"data: %b\n\n" % _json(encoder, element))
            await self._response.write(b"".join(parts))

        yield write


def websocket(socket: web.WebSocketResponse | ClientWebSocketResponse) -> Sink[Any]:
    """One text message of JSON for each element or event, over a WebSocket of aiohttp's, either end.

    It has to be open, and is not closed. When the other side has gone, writing fails.
    """
    return WebSocketSink(socket)


def sse(response: web.StreamResponse) -> Sink[Any]:
    """Server-sent events over a response that was prepared with `Content-Type: text/event-stream`.

    Events have their cursor as `id` and their type as `event`; elements are only `data`. The body is not
    ended. When the other side has gone, writing fails.
    """
    return ServerSentEventsSink(response)


def _json(encoder: Encoder, element: Any) -> bytes:
    if isinstance(element, StreamEvent):
        return element.json
    encoded = encoder.encode(element)
    encoder.take_blobs()  # nobody will ask for them
    return encoded

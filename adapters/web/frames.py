"""The bytes of an event in each protocol: its JSON, which all share, between a head and a tail.

A head is made once for an event and kept in `event.wire`; the JSON itself is never copied before the
write that sends it. Readers of the same events write the same bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import orjson

from rxstream.events import StreamEvent

Encode = Callable[[StreamEvent], tuple[bytes, ...]]
"""The pieces of one event's frame."""

HEARTBEAT: Final = b":\n\n"
"""An SSE comment: nothing to a reader, a sign of life to whatever is between."""

TEXT: Final = 0x81
PING: Final = 0x89
PONG: Final = 0x8A


def sse(event: StreamEvent) -> tuple[bytes, ...]:
    """The event as one SSE message: `id` is its cursor, `event` its type, `data` its JSON."""
    wire = event.wire
    if wire is None:
        wire = event.wire = {}
    head = wire.get("sse")
    if head is None:
        head = wire["sse"] = b"id: %b\nevent: %b\ndata: " % (
            cursor(event),
            event.event_type.encode(),
        )
    return head, event.json, b"\n\n"


def websocket(event: StreamEvent) -> tuple[bytes, ...]:
    """The event as one WebSocket text message."""
    wire = event.wire
    if wire is None:
        wire = event.wire = {}
    head = wire.get("ws")
    if head is None:
        head = wire["ws"] = frame_head(len(event.json))
    return head, event.json


def update(stream_id: str) -> Encode:
    """Frames events as `stream_update` messages of one stream of a multiplexed WebSocket."""
    before = b'{"type":"stream_update","stream_id":%b,"data":' % orjson.dumps(stream_id)

    def encode(event: StreamEvent) -> tuple[bytes, ...]:
        return frame_head(len(before) + len(event.json) + 1), before, event.json, b"}"

    return encode


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """A whole unmasked WebSocket frame (RFC 6455, section 5.2)."""
    return frame_head(len(payload), opcode) + payload


def frame_head(size: int, opcode: int = TEXT) -> bytes:
    """What stands before `size` bytes of payload in a final, unmasked WebSocket frame."""
    if size < 126:
        return struct.pack("!BB", opcode, size)
    if size < 65_536:
        return struct.pack("!BBH", opcode, 126, size)
    return struct.pack("!BBQ", opcode, 127, size)


def joined(events: Iterable[StreamEvent], encode: Encode, limit: int) -> Iterator[bytes]:
    """Frames joined into writes of at most `limit` bytes; a larger frame is a write of its own."""
    pieces: list[bytes] = []
    size = 0
    for event in events:
        made = encode(event)
        length = sum(map(len, made))
        if size and size + length > limit:
            yield b"".join(pieces)
            pieces, size = [], 0
        pieces += made
        size += length
    if pieces:
        yield b"".join(pieces)


def cursor(event: StreamEvent) -> bytes:
    """The event's cursor, without parsing the event."""
    return _between(event.json, b'"cursor":"', b'"')


def step_id(event: StreamEvent) -> bytes:
    """The event's step id as JSON (`null` or quoted), without parsing the event."""
    return _between(event.json, b'"step_id":', b',"data":')


def _between(json: bytes, before: bytes, after: bytes) -> bytes:
    # both fields stand before the data, so what is found first is the event's own
    start = json.index(before) + len(before)
    return json[start : json.index(after, start)]

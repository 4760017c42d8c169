"""Server-sent events as the clients here read them: bytes in, whole events out.

The rule is `rxstream.operators.sse`'s. Here a line that is not UTF-8 is skipped and counted, because half a
character replaced in a JSON text would change what was said. Must not know what the data mean.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from rxstream.errors import WorldError
from rxstream.operators.sse import EventStreamDecoder, ServerSentEvent

MAX_LINE_BYTES: Final = 1024 * 1024
"""A longer line or event is refused: nothing a model says in one event is larger."""


class ServerEvent(NamedTuple):
    """One event; `event` is `message` unless the server named it."""

    event: str
    data: str
    id: str | None = None


class SSEDecoder:
    """Turns chunks of bytes into events."""

    def __init__(self) -> None:
        self._decoder = EventStreamDecoder(MAX_LINE_BYTES, undecodable="skip")

    @property
    def malformed(self) -> int:
        """Lines that were skipped: not UTF-8, or a field the standard does not know."""
        return self._decoder.ignored

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """The events that this chunk completes. Raises ValueError when a line has no end."""
        found: deque[ServerSentEvent] = deque()
        try:
            self._decoder.feed(chunk, found)
        except WorldError as error:
            raise ValueError(str(error)) from None
        return [ServerEvent(event.event, event.data, event.id) for event in found]

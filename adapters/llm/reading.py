"""The bytes of an answer as JSON objects: by server-sent events, or one a line.

Made of the library's own decoders (`operators.decode_sse`, `operators.decode_ndjson`), so the rule is the
one a user has for any other body. What is not a JSON object is skipped, counted and warned of. Sans-I/O. Must
not know what an object means.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final, Protocol

import orjson

from rxstream.errors import WorldError
from rxstream.operators._decoding import JsonLines
from rxstream.operators._skipping import Skipping
from rxstream.operators.sse import EventStreamDecoder

MAX_LENGTH: Final = 4 * 1024 * 1024
"""Bytes of one line or event; nothing a model says in one is larger."""

END: Final = "[DONE]"
"""The name of the event that OpenAI's format ends with, which has no object."""

Said = tuple[str, dict[str, Any]]
"""The name of an event (empty in JSON lines) and its object."""


class Reader(Protocol):
    """Turns chunks into objects."""

    @property
    def malformed(self) -> int:
        """How many lines and events were skipped."""
        ...

    def skip(self, why: Exception) -> None:
        """Count one more, whose object is not what it should be."""
        ...

    def feed(self, chunk: bytes) -> list[Said]:
        """The objects this chunk completes. Raises `WorldError` for a line without an end."""
        ...

    def finish(self) -> list[Said]:
        """No chunk follows."""
        ...


class EventReader:
    """Server-sent events whose data are JSON objects."""

    def __init__(self) -> None:
        self._events = EventStreamDecoder(MAX_LENGTH, undecodable="skip")
        self._skipping = Skipping("answer", "skip")

    @property
    def malformed(self) -> int:
        return self._skipping.count + self._events.ignored

    def skip(self, why: Exception) -> None:
        self._skipping(None, why)

    def feed(self, chunk: bytes) -> list[Said]:
        events: deque[Any] = deque()
        self._events.feed(chunk, events)
        said: list[Said] = []
        for event in events:
            if event.data.startswith(END):
                said.append((END, {}))
                continue
            try:
                value = orjson.loads(event.data)
            except orjson.JSONDecodeError as error:
                self.skip(WorldError(f"an event is not JSON: {error}", code="malformed_json"))
                continue
            if isinstance(value, dict):
                said.append((event.event, value))
            else:
                self.skip(not_an_object(value))
        return said

    def finish(self) -> list[Said]:
        self._skipping.close()
        return []  # an event without its blank line is not whole


class LineReader:
    """JSON objects, one a line."""

    def __init__(self) -> None:
        self._lines = JsonLines("skip", MAX_LENGTH)

    @property
    def malformed(self) -> int:
        return self._lines.skipping.count

    def skip(self, why: Exception) -> None:
        self._lines.skipping(None, why)

    def feed(self, chunk: bytes) -> list[Said]:
        values: deque[Any] = deque()
        self._lines.feed(chunk, values)
        return self._objects(values)

    def finish(self) -> list[Said]:
        values: deque[Any] = deque()
        self._lines.finish(values)
        self._lines.close()
        return self._objects(values)

    def _objects(self, values: deque[Any]) -> list[Said]:
        said: list[Said] = []
        for value in values:
            if isinstance(value, dict):
                said.append(("", value))
            else:
                self.skip(not_an_object(value))
        return said


def not_an_object(value: Any) -> WorldError:
    """What a value is that should have been an object."""
    return WorldError(f"an object was due, not {type(value).__name__}", code="malformed_json")

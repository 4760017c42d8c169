"""The bytes of an answer as JSON objects: by server-sent events, or one a line.

Made of the library's own decoders (`operators.decode_sse`, `operators.decode_ndjson`), so the rule is the
one a user has for any other body. What is not a JSON object is skipped, counted and warned of. Sans-I/O. Must
not know what an object means.
"""

from __future__ import annotations

import json
from collections import deque
from typing import Any, Final, Protocol

import orjson

from rxstream.errors import WorldError
from rxstream.operators._decoding import JsonLines
from rxstream.operators._skipping import Skipping
from rxstream.operators.sse import EventStreamDecoder, ServerSentEvent

MAX_LENGTH: Final = 4 * 1024 * 1024
"""Bytes of one line or event; nothing a model says in one is larger."""

EVENTS: Final = "text/event-stream"
LINES: Final = "application/x-ndjson"
"""What the two are called in HTTP."""

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

    def feed(self, chunk: bytes, said: list[Said]) -> None:
        """Append the objects this chunk completes. Raises `WorldError` for a line without an end."""
        ...

    def finish(self, said: list[Said]) -> None:
        """No chunk follows: append what is left."""
        ...


class EventReader:
    """Server-sent events whose data are JSON objects."""

    def __init__(self) -> None:
        self._events = EventStreamDecoder(MAX_LENGTH, undecodable="skip")
        self._skipping = Skipping("answer", "skip")

    @property
    def malformed(self) -> int:
        return self._skipping.count

    def skip(self, why: Exception) -> None:
        self._skipping(None, why)

    def feed(self, chunk: bytes, said: list[Said]) -> None:
        events: deque[Any] = deque()
        ignored = self._events.ignored
        try:
            self._events.feed(chunk, events)
        finally:
            for _ in range(self._events.ignored - ignored):
                self.skip(WorldError("a line is not UTF-8, or no field of an event"))
            # also those before a line that is too long
            for event in events:
                self._event(event, said)

    def finish(self, said: list[Said]) -> None:
        self._skipping.close()  # an event without its blank line is not whole

    def _event(self, event: ServerSentEvent, said: list[Said]) -> None:
        if event.data.startswith(END):
            said.append((END, {}))
            return
        try:
            value = loads(event.data)
        except ValueError as error:
            self.skip(WorldError(f"an event is not JSON: {error}", code="malformed_json"))
            return
        if isinstance(value, dict):
            said.append((event.event, value))
        else:
            self.skip(not_an_object(value))


class LineReader:
    """JSON objects, one a line."""

    def __init__(self) -> None:
        self._skipping = Skipping("answer", "skip")
        self._values: deque[Any] = deque()
        self._lines = JsonLines(self._again, MAX_LENGTH)

    @property
    def malformed(self) -> int:
        return self._skipping.count

    def skip(self, why: Exception) -> None:
        self._skipping(None, why)

    def feed(self, chunk: bytes, said: list[Said]) -> None:
        self._lines.feed(chunk, self._values)
        self._objects(said)

    def finish(self, said: list[Said]) -> None:
        self._lines.finish(self._values)
        self._skipping.close()
        self._objects(said)

    def _again(self, line: Any, error: Exception) -> None:
        """A line that is not JSON, or only to the strict."""
        try:
            self._values.append(loads(line or b""))
        except ValueError:
            self.skip(error)

    def _objects(self, said: list[Said]) -> None:
        while self._values:
            value = self._values.popleft()
            if isinstance(value, dict):
                said.append(("", value))
            else:
                self.skip(not_an_object(value))


def loads(text: str | bytes) -> Any:
    """The value, also of JSON with half a character as an escape. Raises ValueError."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        escape = "\\u" if isinstance(text, str) else b"\\u"
        if escape not in text:  # type: ignore[operator]  # of one kind with the text
            raise
        try:
            return json.loads(text)
        except RecursionError:
            raise ValueError("it is nested too deep") from None


def not_an_object(value: Any) -> WorldError:
    """What a value is that should have been an object."""
    return WorldError(f"an object was due, not {type(value).__name__}", code="malformed_json")

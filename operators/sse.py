"""Server-sent events out of chunks: the one copy of the rule, for the operator and for clients of servers.

Sans-I/O, by the WHATWG HTML standard, "Interpreting an event stream": lines end in CR, LF or CRLF, a blank
line ends an event, and what follows the last blank line is never an event. Lines are cut before they are
decoded, so a character split between two chunks is never seen in halves. Must not know what the data mean.
"""

from __future__ import annotations

import codecs
from collections import deque
from dataclasses import astuple, dataclass
from typing import Any, Final, Literal

from rxstream.errors import WorldError
from rxstream.operators._draining import Decoder
from rxstream.operators._lines import MAX_LENGTH, Lines

__all__ = ["EventStreamDecoder", "ServerSentEvent"]

_MAX_DIGITS: Final = 15
"""Digits of a reconnection time; more would be beyond thirty thousand years."""


@dataclass(frozen=True)
class ServerSentEvent:
    """One event; `event` is `message` unless the server named it.

    `id` is the last one the server gave, which stays until it gives another, or None before the first.
    `retry` is the reconnection time in milliseconds, if the server gave one since the event before, else
    None.
    """

    event: str
    data: str
    id: str | None = None
    retry: int | None = None


class EventStreamDecoder(Decoder):
    """Takes chunks, gives events.

    `undecodable` says what becomes of bytes that are not UTF-8: replaced by U+FFFD as the standard has it, or
    their line skipped. `max_length` bounds a line and the data of an event (characters of text, or bytes).
    Longer ones raise `WorldError`.
    """

    def __init__(
        self, max_length: int = MAX_LENGTH, *, undecodable: Literal["replace", "skip"] = "replace"
    ) -> None:
        self.max_length = max_length
        self.undecodable = undecodable
        self.ignored = 0
        """Lines that were neither a comment nor a field the standard knows, or were skipped."""
        self._lines = Lines("decode_sse", max_length)
        self._first = True
        self._data: list[str] = []
        self._size = 0
        self._event = ""
        self._id: str | None = None
        self._retry: int | None = None

    def feed(self, chunk: Any, out: deque[Any]) -> None:
        lines: deque[Any] = deque()
        try:
            self._lines.feed(chunk, lines)
        finally:
            # also those before a line that is too long
            for line in lines:
                self._line(line, out)

    def _line(self, line: str | bytes, out: deque[Any]) -> None:
        size = len(line)
        if isinstance(line, bytes):
            if self._first:
                line = line.removeprefix(codecs.BOM_UTF8)
            try:
                line = line.decode(errors="replace" if self.undecodable == "replace" else "strict")
            except UnicodeDecodeError:
                self._first = False
                self.ignored += 1
                return
        elif self._first:
            line = line.removeprefix("\ufeff")
        self._first = False
        if not line:
            self._dispatch(out)
            return
        name, _, value = line.partition(":")
        if name:
            self._field(name, value.removeprefix(" "), size)

    def _field(self, name: str, value: str, size: int) -> None:
        if name == "data":
            self._size += size
            if self._size > self.max_length:
                raise WorldError(
                    f"an event is larger than {self.max_length}: raise max_length, or see whether the "
                    "input is an event stream at all",
                    code="event_too_large",
                )
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id":
            if "\0" not in value:
                self._id = value
        elif name == "retry":
            if value.isascii() and value.isdigit() and len(value.lstrip("0")) <= _MAX_DIGITS:
                self._retry = int(value.lstrip("0") or "0")
        else:
            self.ignored += 1

    def _dispatch(self, out: deque[Any]) -> None:
        data, event = self._data, self._event
        self._data, self._event, self._size = [], "", 0
        if data:
            out.append(ServerSentEvent(event or "message", "\n".join(data), self._id, self._retry))
            self._retry = None

    # -- its state -----------------------------------------------------------------------------

    def pack(self, item: Any) -> Any:
        return astuple(item)

    def unpack(self, item: Any) -> Any:
        return ServerSentEvent(*item)

    def snapshot(self) -> Any:
        held = (self._first, tuple(self._data), self._size, self._event, self._id, self._retry)
        return (self._lines.snapshot(), self.ignored, *held)

    def restore(self, state: Any) -> None:
        lines, self.ignored, self._first, data, self._size, self._event, self._id, self._retry = (
            state
        )
        self._lines.restore(lines)
        self._data = list(data)

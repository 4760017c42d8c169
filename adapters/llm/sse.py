"""Server-sent events as bytes come in: any chunking gives the same events.

Sans-I/O: `feed` takes what the network gave and returns the events that are whole. The rules are
those of the WHATWG HTML standard, "Interpreting an event stream": lines end in CR, LF or CRLF, a
blank line ends an event, and what follows the last blank line is never an event. Lines are cut
before they are decoded, so a character split between two chunks is never seen in halves. Must not
know what the data mean.
"""

from __future__ import annotations

import codecs
from typing import Final, NamedTuple

MAX_LINE_BYTES: Final = 1024 * 1024
"""A longer line or event is refused: nothing a model says in one event is larger."""

_FIELDS: Final = frozenset({"data", "event", "id", "retry"})


class ServerEvent(NamedTuple):
    """One event; `event` is `message` unless the server named it."""

    event: str
    data: str
    id: str | None = None


class SSEDecoder:
    """Turns chunks of bytes into events."""

    def __init__(self) -> None:
        self.malformed = 0
        """Lines that were skipped: not UTF-8, or a field the standard does not know."""
        self._rest = b""
        self._after_cr = False
        self._first = True
        self._data: list[str] = []
        self._size = 0
        self._event = ""
        self._id: str | None = None

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """The events that this chunk completes. Raises ValueError when a line has no end."""
        if self._after_cr and chunk:
            # the LF of a CRLF that was cut in two belongs to the line before
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        if not chunk:
            return []
        self._after_cr = chunk.endswith(b"\r")
        # str.splitlines knows more line ends than the standard; bytes.splitlines knows just these
        lines = (self._rest + chunk).splitlines(keepends=True)
        self._rest = b"" if lines[-1].endswith((b"\r", b"\n")) else lines.pop()
        if len(self._rest) > MAX_LINE_BYTES:
            raise ValueError(f"a line is longer than {MAX_LINE_BYTES} bytes")
        found: list[ServerEvent] = []
        for line in lines:
            event = self._line(line.rstrip(b"\r\n"))
            if event is not None:
                found.append(event)
        return found

    def _line(self, line: bytes) -> ServerEvent | None:
        if self._first:
            self._first = False
            line = line.removeprefix(codecs.BOM_UTF8)
        if not line:
            return self._dispatch()
        if line.startswith(b":"):
            return None
        try:
            name, _, value = line.decode().partition(":")
        except UnicodeDecodeError:
            self.malformed += 1
            return None
        if name not in _FIELDS:
            self.malformed += 1
            return None
        value = value.removeprefix(" ")
        if name == "data":
            self._size += len(line)
            if self._size > MAX_LINE_BYTES:
                raise ValueError(f"an event is larger than {MAX_LINE_BYTES} bytes")
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value
        return None

    def _dispatch(self) -> ServerEvent | None:
        data, event = self._data, self._event
        self._data, self._event, self._size = [], "", 0
        if not data:
            return None
        return ServerEvent(event or "message", "\n".join(data), self._id)

"""Work that reads files: what it puts out live, how far it is, and when it has to stop.

Such work is a plain generator of `Output` and at last one `ToolResult`, which whoever calls the tool runs in
a thread. It looks at its `Watch` every so many bytes: that tells how far it is, ends it soon after the call
is cancelled, and says when its time is up. Must not know files.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from rxstream.tools import Output, ToolContext, ToolResult

TELL_SECONDS: Final = 0.05
"""How often work says how far it is, and puts out what it has."""

OUTPUT_CHARS: Final = 4_096
"""What is put out at once, at least."""


@dataclass(frozen=True)
class Limits:
    """What one call may take."""

    output: int = 48 * 1024
    """Characters it puts out, so that neither a model nor an event has more to take."""
    seconds: float = 30.0
    entries: int = 200_000
    """Names of files and folders it looks at."""


Work: TypeAlias = Generator[Output | ToolResult, None, None]


class Watch:
    """Looked at while working; `seconds` is how long the work may take."""

    def __init__(self, context: ToolContext, seconds: float) -> None:
        self._context = context
        self._until = time.monotonic() + seconds
        self._next = 0.0

    @property
    def left(self) -> float:
        """Seconds that may still be worked."""
        return max(0.0, self._until - time.monotonic())

    @property
    def late(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._until

    def look(self) -> bool:
        """Whether something should be told again. Raises `ExecutionCancelled` when cancelled."""
        self._context.token.check()
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + TELL_SECONDS
        return True

    def tell(self, done: float, total: float | None, message: str | None = None) -> None:
        """Say how much of the total is done, in bytes or shares; of None nobody knows."""
        if total is None:
            self._context.progress(None, message)
        else:
            self._context.progress(min(100.0, 100.0 * done / total) if total else 100.0, message)


class Page:
    """The lines one call puts out, up to its limit: each live once, and all of them for the model."""

    def __init__(self, limit: int) -> None:
        self._lines: list[str] = []
        self._room = limit
        self._told = 0
        self._waiting = 0

    def add(self, line: str) -> bool:
        """Whether there was room for the line."""
        if len(line) + 1 > self._room:
            return False
        self._room -= len(line) + 1
        self._waiting += len(line) + 1
        self._lines.append(line)
        return True

    @property
    def ripe(self) -> bool:
        """Whether enough waits to be put out."""
        return self._waiting >= OUTPUT_CHARS

    def output(self) -> Iterator[Output]:
        """What was not put out yet."""
        if self._told < len(self._lines):
            text = "\n".join(self._lines[self._told :]) + "\n"
            self._told, self._waiting = len(self._lines), 0
            yield Output(text)

    def text(self, *notes: str) -> str:
        """All lines, and each note in brackets on a line of its own."""
        return "\n".join([*self._lines, *(f"[{note}]" for note in notes)])


def counted(count: int, noun: str) -> str:
    """`1 line`, `1,234 lines`."""
    return f"{count:,} {noun if count == 1 else noun + 's'}"


def sized(size: int) -> str:
    """Bytes as people say them."""
    amount, unit = float(size), "bytes"
    for larger in ("KB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return counted(size, "byte") if unit == "bytes" else f"{amount:.3g} {unit}"

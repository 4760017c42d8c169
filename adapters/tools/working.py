"""Work that reads files, in a thread: what it puts out live, how far it is, and when it has to stop.

Such work is a plain generator of `Told` (how far it is), `Output` and at last one `ToolResult`. It looks at
its `Watch` every so many bytes, which ends it soon after the call is cancelled and says when its time is up.
Must not know files.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeAlias

from rxstream.plugins.running import CancellationToken
from rxstream.tools import Output, ToolContext, ToolResult

TELL_SECONDS: Final = 0.05
"""How often work says how far it is, and puts out what it has."""

OUTPUT_CHARS: Final = 4_096
"""What is put out at once, at least."""


@dataclass(frozen=True)
class Told:
    """How far the work is: what is done of the total, in bytes or shares; None when nobody knows."""

    done: float
    total: float | None
    message: str | None = None

    @property
    def percentage(self) -> float | None:
        """0 to 100."""
        if self.total is None:
            return None
        return min(100.0, 100.0 * self.done / self.total) if self.total > 0 else 100.0


@dataclass(frozen=True)
class Limits:
    """What one call may take."""

    output: int = 48 * 1024
    """Characters it puts out, so that neither a model nor an event has more to take."""
    seconds: float = 30.0
    entries: int = 200_000
    """Names of files and folders it looks at."""


Step: TypeAlias = Told | Output | ToolResult

Work: TypeAlias = Generator[Step, None, None]


class Watch:
    """Looked at while working."""

    def __init__(self, token: CancellationToken, seconds: float) -> None:
        self.token = token
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

    def due(self) -> bool:
        """Whether it is time to tell something. Raises `ExecutionCancelled` when cancelled."""
        self.token.check()
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + TELL_SECONDS
        return True


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
    return f"{size} bytes" if unit == "bytes" else f"{amount:.3g} {unit}"


async def in_thread(
    work: Callable[[Watch], Work], context: ToolContext, limits: Limits
) -> AsyncGenerator[Output | ToolResult, None]:
    """Run it step by step in a thread. When it is closed or cancelled, waits until the thread has let go."""
    token = CancellationToken()
    forget = context.token.when_cancelled(lambda: token.cancel(context.token.reason or "cancelled"))
    steps = work(Watch(token, limits.seconds))
    try:
        while True:
            pulling = asyncio.ensure_future(asyncio.to_thread(next, steps, None))
            try:
                step = await asyncio.shield(pulling)
            except asyncio.CancelledError:
                token.cancel()  # so that the thread ends soon
                await _let_go(pulling)
                raise
            if step is None:
                return
            if isinstance(step, Told):
                context.progress(step.percentage, step.message)
            else:
                yield step
    finally:
        forget()
        token.cancel("the call is over")
        steps.close()


async def _let_go(pulling: asyncio.Future[Step | None]) -> None:
    """A file closed under a running read could be another file by the time the read happens."""
    while not pulling.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([pulling])
    if not pulling.cancelled():
        pulling.exception()  # nobody else will look at it

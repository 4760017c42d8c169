"""What one call has said and nobody has taken: live output in pieces, and how far it is.

At most 64 pieces wait; then whoever says more does. Pieces of one channel that wait together are put
together. Of progress only the latest waits: ten a second are given on, the last always. Must not know where
it comes from.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import Any, Final

import orjson

from rxstream.codec import Encoder
from rxstream.errors import CodecError
from rxstream.models.contract import Element
from rxstream.tools.running import Output
from rxstream.tools.telling import PIECE, Limits, clean, output, progress, shortened

MOST: Final = 64
"""Pieces that wait."""

PROGRESS_S: Final = 0.1
"""Least time between two reports of progress, in seconds."""

_MESSAGE: Final = 2_000
"""Characters of a message of progress."""


class Inbox:
    """Elements of one call that wait to be taken."""

    def __init__(self, call_id: str, limits: Limits, silent: bool) -> None:
        self._call_id = call_id
        self._left = limits.output
        self._limit = limits.output
        self._silent = silent
        """Live output is only kept, and not shown."""
        self._pieces: deque[Output] = deque()
        self._said: list[str] = []
        self._kept = self._length = 0
        self._keep = limits.result // 2
        self._progress: tuple[float | None, str | None] | None = None
        self._told_at: float | None = None
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._timer: asyncio.TimerHandle | None = None
        self._news = asyncio.Event()
        self._room = asyncio.Event()

    @property
    def text(self) -> str:
        """All live output, as much of it as a result may hold."""
        left = self._length - self._kept
        return "".join(self._said) + (f"\n… {left} characters left out …" if left else "")

    # -- saying --------------------------------------------------------------------------------

    async def put(self, item: Any) -> None:
        """Take a piece of output; waits while too many wait."""
        said = item if isinstance(item, Output) else Output(as_text(item))
        text = clean(said.text)
        self._keep_text(text)
        if self._silent or not text:
            return
        if len(text) > self._left:
            if self._left < 0:
                return
            text, self._left = text[: self._left], -1
            await self._put(Output(text, said.channel))
            await self._put(
                Output(f"output beyond {self._limit} characters is not shown", "notice")
            )
            return
        self._left -= len(text)
        await self._put(Output(text, said.channel))

    async def _put(self, said: Output) -> None:
        for start in range(0, len(said.text), PIECE):
            while len(self._pieces) >= MOST:
                self._room.clear()
                await self._room.wait()
            self._pieces.append(Output(said.text[start : start + PIECE], said.channel))
            self._news.set()

    def _keep_text(self, text: str) -> None:
        self._length += len(text)
        if self._kept < self._keep:
            kept = text[: self._keep - self._kept]
            self._said.append(kept)
            self._kept += len(kept)

    def report(self, percentage: float | None, message: str | None) -> None:
        """Take how far it is; any thread may say it."""
        said = None if message is None else shortened(clean(str(message)), _MESSAGE)
        percentage = None if percentage is None else float(percentage)
        if threading.get_ident() == self._thread:
            self._take_report(percentage, said)
            return
        try:
            self._loop.call_soon_threadsafe(self._take_report, percentage, said)
        except RuntimeError:  # the loop is closed, so nobody listens
            return

    def _take_report(self, percentage: float | None, message: str | None) -> None:
        self._progress = (percentage, message)
        self._news.set()

    # -- taking --------------------------------------------------------------------------------

    def take(self, last: bool = False) -> list[Element]:
        """What can be shown now; at the last all of it."""
        found: list[Element] = []
        parts: list[str] = []
        size, channel = 0, ""
        while self._pieces:
            piece = self._pieces.popleft()
            if parts and (piece.channel != channel or size + len(piece.text) > PIECE):
                found.append(output(self._call_id, "".join(parts), channel))
                parts, size = [], 0
            parts.append(piece.text)
            size, channel = size + len(piece.text), piece.channel
        if parts:
            found.append(output(self._call_id, "".join(parts), channel))
        self._room.set()
        if self._progress is not None and (last or self._may_tell()):
            found.append(progress(self._call_id, *self._progress))
            self._progress = None
            self._told_at = self._loop.time()
        return found

    def _may_tell(self) -> bool:
        due = 0.0 if self._told_at is None else self._told_at + PROGRESS_S - self._loop.time()
        if due > 0 and self._timer is None:
            self._timer = self._loop.call_later(due, self._ring)
        return due <= 0

    def _ring(self) -> None:
        self._timer = None
        self._news.set()

    def wake(self) -> None:
        """Let who waits look."""
        self._news.set()

    async def wait(self) -> None:
        """Wait until there may be something."""
        self._news.clear()
        await self._news.wait()

    def close(self) -> None:
        """Nobody takes any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def as_text(item: Any) -> str:
    """A text as it is, anything else as JSON where it has one."""
    if isinstance(item, str):
        return item
    try:
        return orjson.dumps(orjson.loads(Encoder().encode(item))).decode()
    except CodecError:
        return shortened(repr(item), PIECE)

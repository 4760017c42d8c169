"""Reads one execution's events in order, from a cursor to the terminal one, and tells what is missing.

A reader holds a number and no events, so a slow one costs nothing. Must not know where events are kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from rxstream.errors import LogError
from rxstream.events import Cursor, StreamEvent, gap
from rxstream.log.values import Position

if TYPE_CHECKING:
    from rxstream.log.contract import EventLog


class Reader:
    """A cursor over one execution's events; it holds no events, so a slow one costs nothing."""

    def __init__(self, log: EventLog, execution_id: str, position: Position) -> None:
        self.execution_id = execution_id
        self._log = log
        self._after = position.after
        self._gap = position.gap
        self.ended = False
        """Whether the terminal event was read: nothing follows."""

    @property
    def cursor(self) -> str:
        """Where another reader would have to start to go on after what `next` gave last."""
        return str(Cursor(self._log.epoch, self._after))

    @property
    def after(self) -> int:
        """The sequence number of what `next` gave last."""
        return self._after

    def passed(self, events: Sequence[StreamEvent]) -> None:
        """Somebody else has read the next events for this reader: go on after them."""
        self._after = events[-1].sequence or self._after
        self.ended = events[-1].terminal

    async def next(self, *, timeout: float | None = None, limit: int = 256) -> list[StreamEvent]:
        """The next events, at once if there are any; none after `timeout` seconds or at the end.

        They are at most `limit`, and about 1 MiB. A reader that was overtaken by what the log forgets
        gets an explicit gap. Raises `LogError` when the log was closed before the execution ended: what
        was read is then not the whole.
        """
        if self.ended:
            return []
        if self._gap is not None:
            told, self._gap = self._gap, None
            return [told]
        events = await self._await_events(timeout, limit)
        if not events:
            return []
        first = events[0].sequence or 0
        if first != self._after + 1:
            requested, missed = str(self._after), first - 1 - self._after
            self._after = first - 1
            return [gap(self.execution_id, self._log.epoch, requested, first, missed)]
        self._after = events[-1].sequence or 0
        self.ended = events[-1].terminal
        return events

    async def _await_events(self, timeout: float | None, limit: int) -> list[StreamEvent]:
        now = asyncio.get_running_loop().time
        deadline = None if timeout is None else now() + timeout
        lost = False
        while True:
            events = await self._log.read(self.execution_id, self._after, limit)
            if events:
                return events
            head = await self._log.head(self.execution_id)
            if head.last > self._after:
                # once is a commit between the two questions
                if lost:
                    raise LogError(
                        f"events of {self.execution_id} after {self._after} are missing in the log",
                        code="log_corrupt",
                    )
                lost = True
                continue
            lost = False
            if head.ended:
                self.ended = True
                return []
            if not self._log.is_open:
                raise LogError(
                    "the event log was closed before the execution ended", code="log_closed"
                )
            abandoned = self._log.abandoned(self.execution_id)
            if abandoned is not None:
                raise LogError(
                    f"the rest of this execution could not be recorded: {abandoned.message}",
                    code="log_abandoned",
                )
            left = None if deadline is None else max(0.0, deadline - now())
            if not await self._log.wait(self.execution_id, self._after, left):
                return []

    async def __aiter__(self) -> AsyncIterator[StreamEvent]:
        while not self.ended:
            for event in await self.next():
                yield event

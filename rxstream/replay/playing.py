"""Replay: what an execution recorded, told again at any speed, from any cursor, all or a part of it.

The events keep their numbers and cursors, so whoever has seen a replay goes on live from its last cursor. An
execution that still runs is followed when the record is used up. The pace is the difference of the recorded
timestamps, on the loop's clock; a reader that is slow makes the replay late and nothing else. Must not know
who reads.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Collection
from datetime import datetime
from typing import Final

import orjson

from rxstream.errors import BadRequest
from rxstream.events import EventType, StreamEvent, replayed, step_json, time_of
from rxstream.log import EventLog, Reader

_PAGE: Final = 256


class Replay:
    """One telling of one execution: iterate it, or ask for batches with `next`, as of a log's `Reader`."""

    def __init__(
        self,
        log: EventLog,
        execution_id: str,
        *,
        speed: float | None = None,
        after: str | int | None = None,
        types: Collection[str] | None = None,
        steps: Collection[str] | None = None,
        max_pause_s: float | None = None,
    ) -> None:
        if speed is not None and not speed > 0:  # also nan
            raise BadRequest(
                f"speed is {speed}: it must be more than 0, or none for no pauses at all"
            )
        if max_pause_s is not None and not max_pause_s >= 0:
            raise BadRequest(f"max_pause_s is {max_pause_s}: it must be at least 0 seconds")
        self.execution_id = execution_id
        self._log = log
        self._speed = None if speed is None or math.isinf(speed) else speed
        self._after = after
        self._types = None if types is None else frozenset(types)
        self._steps = None if steps is None else frozenset(map(orjson.dumps, steps))
        self._max_pause = math.inf if max_pause_s is None else max_pause_s
        self._reader: Reader | None = None
        self._recorded = 0
        """The last event that was recorded when this began."""
        self._page: deque[StreamEvent] = deque()
        self._at: datetime | None = None
        self._silence = 0.0
        """Recorded seconds since the event that was told last."""
        self._due: float | None = None
        """When the event that was told last was due, on the loop's clock."""
        self._held = False
        """Whether the next event had to wait for its time."""
        self.ended = False
        """Whether the terminal event was told: nothing follows."""

    async def next(self, *, timeout: float | None = None, limit: int = _PAGE) -> list[StreamEvent]:
        """The events that are due, at least one; none after `timeout` seconds or at the end.

        Raises `UnknownExecution`, `InvalidCursor`, and `LogError` as a log's reader does.
        """
        now = asyncio.get_running_loop().time
        deadline = math.inf if timeout is None else now() + timeout
        told: list[StreamEvent] = []
        searched = False
        while not self.ended and len(told) < limit:
            if not self._page:
                if told or (searched and now() >= deadline):
                    break
                searched = True
                if not await self._turn_page(None if timeout is None else deadline - now()):
                    break
            event = self._page[0]
            wait = self._pause(event)
            if wait > 0:
                if told:
                    break
                await asyncio.sleep(min(wait, max(0.0, deadline - now())))
                if now() >= deadline and self._pause(event) > 0:
                    break
                continue
            self._page.popleft()
            self.ended = event.terminal
            if self._wanted(event):
                told.append(self._tell(event))
        return told

    async def _turn_page(self, left: float | None) -> bool:
        """Read on; False when nothing came in the seconds that are left."""
        if self._reader is None:
            self._reader = await self._log.follow(self.execution_id, self._after)
            self._recorded = (await self._log.head(self.execution_id)).last
        # a page of which nothing is wanted must not keep others from running
        await asyncio.sleep(0)
        self._page.extend(
            await self._reader.next(timeout=None if left is None else max(0.0, left), limit=_PAGE)
        )
        self.ended = self._reader.ended and not self._page
        return bool(self._page)

    def _pause(self, event: StreamEvent) -> float:
        """Seconds until the event is due; its silence counts once, however often this is asked."""
        if self._speed is None or event.sequence is None:
            return 0.0
        at = time_of(event)
        if self._at is not None:
            # a clock that was set back makes no silence
            self._silence += max(0.0, (at - self._at).total_seconds())
        self._at = at
        if self._due is None or not self._wanted(event):
            return 0.0
        pause = min(self._silence / self._speed, self._max_pause)
        wait = self._due + pause - asyncio.get_running_loop().time()
        self._held = self._held or wait > 0
        return wait

    def _wanted(self, event: StreamEvent) -> bool:
        # without its ending or a gap, a part of a stream would look whole
        if event.terminal or event.event_type == EventType.GAP:
            return True
        if self._types is not None and event.event_type not in self._types:
            return False
        return self._steps is None or step_json(event) in self._steps

    def _tell(self, event: StreamEvent) -> StreamEvent:
        if event.sequence is None:
            return event
        if self._speed is not None:
            now = asyncio.get_running_loop().time()
            pause = min(self._silence / self._speed, self._max_pause)
            self._due = now if self._due is None else self._due + pause
        past = event.sequence <= self._recorded or self._held
        self._silence, self._held = 0.0, False
        return replayed(event) if past else event

    async def __aiter__(self) -> AsyncIterator[StreamEvent]:
        while not self.ended:
            for event in await self.next():
                yield event


def replay(
    log: EventLog,
    execution_id: str,
    *,
    speed: float | None = None,
    after: str | int | None = None,
    types: Collection[str] | None = None,
    steps: Collection[str] | None = None,
    max_pause_s: float | None = None,
) -> Replay:
    """Tell an execution again: `async for event in rxstream.replay(engine.log, execution_id, speed=1)`.

    `speed` 1 is the original pace, 2 twice as fast, None without any pause. `types` and `steps` (event types
    and node ids) choose what is told; the terminal event and a gap always are. `max_pause_s` shortens long
    silences. What was recorded before the replay began, or had to wait for its pace, has
    `metadata.replayed`; what a running execution says after that is live and has not.
    """
    return Replay(
        log,
        execution_id,
        speed=speed,
        after=after,
        types=types,
        steps=steps,
        max_pause_s=max_pause_s,
    )

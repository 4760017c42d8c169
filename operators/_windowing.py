"""Machines that cut a stream into windows: by the time its elements say, or by the time of day.

Which window an element belongs to is the business of `panes`; here it gets its time and its key.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from datetime import UTC, datetime
from numbers import Real
from typing import Any, ClassVar

from rxstream.engine.op import Changes
from rxstream.errors import AuthorError
from rxstream.operators._clock import wall_now
from rxstream.operators._clocked import ClockedDecoder
from rxstream.operators._draining import Decoder
from rxstream.operators._keys import tell
from rxstream.operators.panes import Panes, Window

Key = Callable[[Any], Hashable]


class EventWindows(Decoder):
    """Windows by the time that elements say.

    With `tells_late` it gives pairs: true and a window, or false and a late element.
    """

    incremental: ClassVar[bool] = True

    def __init__(
        self,
        panes: Panes,
        timestamp: Callable[[Any], float | datetime],
        key: Key | None,
        out_of_orderness: float,
        tells_late: bool,
    ) -> None:
        self.panes = panes
        self.timestamp = timestamp
        self.key = key
        self.out_of_orderness = out_of_orderness
        self.tells_late = tells_late
        self.watermark = -math.inf
        self.late = 0

    def feed(self, chunk: Any, out: deque[Any]) -> None:
        time = moment(self.timestamp(chunk))
        key = None if self.key is None else self.key(chunk)
        found: list[Window[Any]] = []
        try:
            if not self.panes.add(key, chunk, time, self.watermark, found):
                self._too_late(chunk, out)
            self.watermark = max(self.watermark, time - self.out_of_orderness)
            self.panes.advance(self.watermark, found)
        finally:
            self._put(found, out)

    def finish(self, out: deque[Any]) -> None:
        found: list[Window[Any]] = []
        self.panes.finish(found)
        self._put(found, out)

    def _put(self, found: list[Window[Any]], out: deque[Any]) -> None:
        out.extend([(True, window) for window in found] if self.tells_late else found)

    def _too_late(self, item: Any, out: deque[Any]) -> None:
        self.late += 1
        tell(f"{self.late} late")
        if self.tells_late:
            out.append((False, item))

    def pack(self, item: Any) -> Any:
        if not self.tells_late:
            return packed(item)
        in_time, held = item
        return (in_time, packed(held) if in_time else held)

    def unpack(self, item: Any) -> Any:
        if not self.tells_late:
            return Window(*item)
        in_time, held = item
        return (in_time, Window(*held) if in_time else held)

    def snapshot(self) -> Any:
        return (self.watermark, self.late, self.panes.snapshot())

    def restore(self, state: Any) -> None:
        self.watermark, self.late, panes = state
        self.panes.restore(panes)

    def changes(self) -> Changes | None:
        return self.panes.changes((self.watermark, self.late))

    def restore_changes(self, stored: Mapping[str, Any]) -> None:
        self.watermark, self.late = self.panes.restore_changes(stored) or (-math.inf, 0)


class ClockWindows(ClockedDecoder):
    """Windows by the time at which an element is taken, in seconds since 1970."""

    incremental: ClassVar[bool] = True

    def __init__(self, panes: Panes, key: Key | None) -> None:
        self.panes = panes
        self.key = key
        self.latest = -math.inf

    def clock(self) -> float:
        # a clock that is set back must not open what was closed
        self.latest = max(self.latest, wall_now().timestamp())
        return self.latest

    def feed(self, chunk: Any, out: deque[Any]) -> None:
        key = None if self.key is None else self.key(chunk)
        found: list[Window[Any]] = []
        now = self.clock()
        try:
            self.panes.advance(now, found)
            self.panes.add(key, chunk, now, now, found)
        finally:
            out.extend(found)

    def due(self) -> float | None:
        return self.panes.due()

    def advance(self, out: deque[Any]) -> None:
        found: list[Window[Any]] = []
        self.panes.advance(self.clock(), found)
        out.extend(found)

    def finish(self, out: deque[Any]) -> None:
        found: list[Window[Any]] = []
        self.panes.finish(found)
        out.extend(found)

    def pack(self, item: Any) -> Any:
        return packed(item)

    def unpack(self, item: Any) -> Any:
        return Window(*item)

    def snapshot(self) -> Any:
        return (self.latest, self.panes.snapshot())

    def restore(self, state: Any) -> None:
        self.latest, panes = state
        self.panes.restore(panes)

    def changes(self) -> Changes | None:
        return self.panes.changes(self.latest)

    def restore_changes(self, stored: Mapping[str, Any]) -> None:
        latest = self.panes.restore_changes(stored)
        self.latest = -math.inf if latest is None else latest


def packed(window: Window[Any]) -> tuple[Any, ...]:
    """A window as plain data."""
    return (window.start, window.end, window.key, window.value, window.revision)


def moment(timestamp: Any) -> Any:
    """A timestamp as a number; a `datetime` in seconds since 1970. Raises `AuthorError`."""
    if isinstance(timestamp, datetime):
        aware = timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)
        return aware.timestamp()
    if isinstance(timestamp, Real) and math.isfinite(timestamp):
        return timestamp  # an int stays one, so that its windows begin at whole numbers
    raise AuthorError(
        f"timestamp gave {timestamp!r}: it must give a finite number or a datetime",
        code="wrong_timestamp",
    )

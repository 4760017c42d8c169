"""The recent events of each execution, held once for all readers and bounded for all executions together.

Readers keep a number, not a queue, so any count of them costs nothing here. When the bytes of all rings
pass the limit, ended executions lose theirs first, longest unread first; then the oldest events of the
largest ring go. Must not know where older events are kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from rxstream.events import TERMINAL, StreamEvent

_OVERHEAD = 320
"""Bytes an event object costs beside its JSON, measured with sys.getsizeof on 64-bit CPython 3.11."""


def weight(event: StreamEvent) -> int:
    """Bytes an event holds in memory, about."""
    return len(event.json) + _OVERHEAD


class Ring:
    """Events `first` to `last` of one execution."""

    __slots__ = ("_events", "_start", "bytes", "ended", "first", "last")

    def __init__(self, first: int) -> None:
        self._events: list[StreamEvent] = []
        self._start = 0
        self.first = first
        self.last = first - 1
        self.bytes = 0
        self.ended = False

    def extend(self, events: Sequence[StreamEvent]) -> int:
        """Add the events that follow; returns the bytes added."""
        added = sum(map(weight, events))
        self._events += events
        self.last += len(events)
        self.bytes += added
        self.ended = self.ended or events[-1].event_type in TERMINAL
        return added

    def trim(self, count: int) -> int:
        """Forget the oldest `count` events; returns the bytes freed."""
        end = self._start + count
        freed = sum(map(weight, self._events[self._start : end]))
        self._events[self._start : end] = [_FORGOTTEN] * (end - self._start)
        self._start = end
        self.first += count
        self.bytes -= freed
        if self._start * 2 > len(self._events):
            del self._events[: self._start]
            self._start = 0
        return freed

    def slice(self, after: int, limit: int) -> list[StreamEvent]:
        """Events past `after`; the caller has checked that they are here."""
        begin = self._start + after + 1 - self.first
        return self._events[begin : begin + limit]

    def __len__(self) -> int:
        return self.last - self.first + 1


_FORGOTTEN = StreamEvent("", "", 0, b"")


class Rings:
    """The rings of all executions; `max_events` is for each, `max_bytes` for all together."""

    def __init__(self, max_events: int, max_bytes: int) -> None:
        self.max_events = max_events
        self.max_bytes = max_bytes
        self.bytes = 0
        self._rings: OrderedDict[str, Ring] = OrderedDict()

    def get(self, execution_id: str) -> Ring | None:
        """The ring, if this execution has one."""
        return self._rings.get(execution_id)

    def append(self, execution_id: str, first: int, events: Sequence[StreamEvent]) -> None:
        """Add committed events, the first of which has the number `first`."""
        ring = self._rings.get(execution_id)
        if ring is None:
            ring = self._rings[execution_id] = Ring(first)
        if events:
            self.bytes += ring.extend(events)
        # a quarter at a time, so that trimming costs little for each event
        if len(ring) > self.max_events:
            self.bytes -= ring.trim(len(ring) - self.max_events * 3 // 4)
        while self.bytes > self.max_bytes and self._shrink():
            pass

    def read(self, execution_id: str, after: int, limit: int) -> list[StreamEvent] | None:
        """Events past `after`, or None when they are no longer (or never were) in memory."""
        ring = self._rings.get(execution_id)
        if ring is None or after + 1 < ring.first:
            return None
        if ring.ended:
            self._rings.move_to_end(execution_id)
        return ring.slice(after, limit) if after < ring.last else []

    def drop(self, execution_id: str) -> None:
        """Forget an execution."""
        ring = self._rings.pop(execution_id, None)
        if ring is not None:
            self.bytes -= ring.bytes

    def _shrink(self) -> bool:
        for execution_id, ring in self._rings.items():
            if ring.ended and len(ring):
                self.bytes -= ring.trim(len(ring))
                return True
        largest = max(self._rings.values(), key=lambda ring: ring.bytes)
        if len(largest) <= 1:
            return False
        self.bytes -= largest.trim((len(largest) + 3) // 4)
        return True

"""The recent events of each execution, held once for all readers and bounded for all executions together.

What is kept is JSON; the `StreamEvent` around it is made for the first reader and shared with the others.
Readers keep a number, not a queue, so any count of them costs nothing here. When the bytes of all rings
pass the limit, ended executions give theirs up first, longest unread first; then the oldest events of the
largest ring go. The last event of an execution stays, so that its ending can be said, until such last events
fill half of what is allowed: then the oldest is forgotten whole. Must not know where older events are kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, islice, takewhile
from typing import Final, cast

from rxstream.events import TERMINAL, StreamEvent, type_of, unseal_all

READ_BYTES: Final = 1024 * 1024
"""One read gives about this many bytes of JSON at most, and always at least one event."""

_EVENT_OVERHEAD: Final = 320
"""Bytes an event costs beside its JSON: the object, its bytes' header and its place in the ring."""

_RING_OVERHEAD: Final = 640
"""Bytes an execution costs beside its events."""


def weight(lines: Sequence[bytes]) -> int:
    """Bytes that events of this JSON hold in memory, about."""
    return sum(map(len, lines)) + len(lines) * _EVENT_OVERHEAD


class Ring:
    """Events `first` to `last` of one execution."""

    __slots__ = (
        "_events", "_execution_id", "_lines", "_start", "_widest", "bytes", "ended", "first", "last",
        "oldest",
    )  # fmt: skip

    def __init__(self, execution_id: str, first: int) -> None:
        self._execution_id = execution_id
        self._lines: list[bytes] = []
        self._events: list[StreamEvent | None] = []
        """Those of `_lines` that were read."""
        self._start = 0
        self._widest = 1
        self.first = first
        self.oldest = 1
        """The first event that can be read at all, from here or from elsewhere."""
        self.last = first - 1
        self.bytes = _RING_OVERHEAD
        self.ended = False

    def extend(self, lines: Sequence[bytes]) -> int:
        """Add the events that follow; returns the bytes added."""
        added = weight(lines)
        self._lines += lines
        self._events += [None] * len(lines)
        self.last += len(lines)
        self.bytes += added
        self._widest = max(self._widest, *map(len, lines))
        self.ended = self.ended or type_of(lines[-1]) in TERMINAL
        return added

    def trim(self, count: int) -> int:
        """Forget the oldest `count` events; returns the bytes freed."""
        end = self._start + count
        freed = weight(self._lines[self._start : end])
        self._lines[self._start : end] = [b""] * count
        self._events[self._start : end] = [None] * count
        self._start = end
        self.first += count
        self.bytes -= freed
        if self._start * 2 > len(self._lines):
            del self._lines[: self._start], self._events[: self._start]
            self._start = 0
        return freed

    def slice(self, after: int, limit: int) -> list[StreamEvent]:
        """Events past `after`, about `READ_BYTES` at most; the caller knows that they are here."""
        begin = self._start + after + 1 - self.first
        end = min(begin + limit, len(self._lines))
        if self._widest * (end - begin) > READ_BYTES:
            sizes = accumulate(map(len, self._lines[begin:end]))
            end = begin + max(1, sum(1 for size in sizes if size <= READ_BYTES))
        if not all(self._events[begin:end]):
            self._make(begin, end)
        return cast("list[StreamEvent]", self._events[begin:end])

    def _make(self, begin: int, end: int) -> None:
        """Make the events that nobody has read yet; those that somebody has stay the same."""
        begin += sum(1 for _ in takewhile(bool, self._events[begin:end]))
        first = self.first + begin - self._start
        made = unseal_all(self._lines[begin:end], self._execution_id, first)
        known = self._events[begin:end]
        self._events[begin:end] = [old or new for old, new in zip(known, made, strict=True)]

    def __len__(self) -> int:
        return self.last - self.first + 1

    def __iter__(self) -> Iterator[bytes]:
        return islice(self._lines, self._start, None)


class Rings:
    """The rings of all executions; `max_events` is for each, `max_bytes` for all together.

    `elsewhere` says that what is forgotten here can still be read: then an ended execution is given up
    whole at once.
    """

    def __init__(self, max_events: int, max_bytes: int, *, elsewhere: bool = False) -> None:
        self.max_events = max_events
        self.max_bytes = max_bytes
        self.elsewhere = elsewhere
        self.bytes = 0
        self.on_forgotten: Callable[[str], None] = lambda execution_id: None
        """Told of every execution that was given up whole."""
        self._rings: dict[str, Ring] = {}
        self._ended: OrderedDict[str, Ring] = OrderedDict()
        """Those of `_rings` that have ended and are whole, longest unread first."""
        self._last_words: OrderedDict[str, Ring] = OrderedDict()
        """Those of `_rings` that have ended and are down to their last event."""
        self._last_words_bytes = 0

    def get(self, execution_id: str) -> Ring | None:
        """The ring, if this execution has one."""
        return self._rings.get(execution_id)

    def append(self, execution_id: str, first: int, lines: Sequence[bytes]) -> None:
        """Add committed events as JSON, the first of which has the number `first`."""
        if not lines:
            return
        ring = self._rings.get(execution_id)
        if ring is None:
            ring = self._rings[execution_id] = Ring(execution_id, first)
            self.bytes += ring.bytes
        self.bytes += ring.extend(lines)
        if ring.ended:
            self._ended[execution_id] = ring
        # a quarter at a time, so that trimming costs little for each event
        if len(ring) > self.max_events:
            self.bytes -= ring.trim(len(ring) - max(1, self.max_events * 3 // 4))
        while self.bytes > self.max_bytes and self._shrink():
            pass

    def read(self, execution_id: str, after: int, limit: int) -> list[StreamEvent] | None:
        """Events past `after`, or None when they are no longer (or never were) in memory."""
        ring = self._rings.get(execution_id)
        if ring is None or after + 1 < ring.first:
            return None
        if execution_id in self._ended:
            self._ended.move_to_end(execution_id)
        return ring.slice(after, limit) if after < ring.last else []

    def trim(self, execution_id: str, oldest: int) -> None:
        """Nothing before `oldest` can be read any more; the last event stays."""
        ring = self._rings.get(execution_id)
        if ring is None:
            return
        ring.oldest = min(max(ring.oldest, oldest), ring.last)
        if ring.oldest > ring.first:
            self.bytes -= ring.trim(ring.oldest - ring.first)

    def drop(self, execution_id: str) -> None:
        """Forget an execution."""
        ring = self._rings.pop(execution_id, None)
        if ring is not None:
            self.bytes -= ring.bytes
            self._ended.pop(execution_id, None)
            if self._last_words.pop(execution_id, None) is not None:
                self._last_words_bytes -= ring.bytes

    def clear(self) -> None:
        """Forget all executions."""
        self._rings.clear()
        self._ended.clear()
        self._last_words.clear()
        self.bytes = self._last_words_bytes = 0

    def _shrink(self) -> bool:
        """Give something up; False when nothing is left to give."""
        if self._ended:
            execution_id, ring = next(iter(self._ended.items()))
            if self.elsewhere:
                self._forget(execution_id)
                return True
            del self._ended[execution_id]
            self.bytes -= ring.trim(len(ring) - 1)
            self._last_words[execution_id] = ring
            self._last_words_bytes += ring.bytes
            return True
        if self._last_words_bytes * 2 > self.max_bytes:
            self._forget(next(iter(self._last_words)))
            return True
        longer = [ring for ring in self._rings.values() if len(ring) > 1]
        if not longer:
            return False
        largest = max(longer, key=lambda ring: ring.bytes)
        self.bytes -= largest.trim(max(1, len(largest) // 4))
        return True

    def _forget(self, execution_id: str) -> None:
        self.drop(execution_id)
        self.on_forgotten(execution_id)

"""Edges: the bounded queue in front of a unit, and what it does when it is full.

`block` gives no credit when full, so nothing is lost and the feeder waits. The lossy policies always have
room: what they give up is counted. `spill` always has room and gives nothing up. An edge that its unit does
not read yet (`concat`'s second) gives no credit either, so what feeds it is not even started, unless its
policy always has room.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from rxstream.engine.op import ALL
from rxstream.engine.spill import SpillQueue
from rxstream.engine.statistics import EdgeStatistics
from rxstream.engine.stored_error import restore_error, store_error
from rxstream.errors import BufferOverflow, blame
from rxstream.operator import Buffer
from rxstream.statecodec import NotStorable

if TYPE_CHECKING:
    from rxstream.engine.unit import Unit


class Edge:
    """One bounded queue with one reader."""

    __slots__ = (
        "_blocked_s",
        "_blocked_since",
        "_first",
        "_items",
        "_told",
        "buffer",
        "closed",
        "dropped",
        "elements",
        "ended",
        "error",
        "feeders",
        "id",
        "is_open",
        "reader",
    )

    def __init__(self, id: str, buffer: Buffer, reader: Unit, *, is_open: bool = True) -> None:
        self.id = id
        self.buffer = buffer
        self.reader = reader
        self.feeders: list[Unit] = []
        self.is_open = is_open
        """Whether the unit reads it yet."""
        self.closed = False
        self.ended = False
        """Nothing follows what is queued."""
        self.error: BaseException | None = None
        """Why, if not because all was well."""
        self.elements = 0
        self.dropped = 0
        self._items: deque[Any] | SpillQueue = deque()
        self._first = 0
        """The number of the oldest element that waits; those that left have the ones before."""
        self._told = (0, 0)
        """From which number to which what waits is known to whoever asks for changes."""
        if buffer.policy == "spill":
            self._items = SpillQueue(buffer.capacity, buffer.max_bytes, buffer.folder)
        self._blocked_since: float | None = None
        self._blocked_s = 0.0

    # -- the feeder's side ---------------------------------------------------------------------

    def room(self) -> int:
        if self.buffer.policy != "block":
            return ALL
        room = self.buffer.capacity - len(self._items) if self.is_open else 0
        # one that waits for its turn is not held back by anybody's slowness
        if room <= 0 and self._blocked_since is None and self.is_open:
            self._blocked_since = self.reader.runtime.now()
        return room

    def push(self, items: Sequence[Any]) -> None:
        self.elements += len(items)
        queue, buffer = self._items, self.buffer
        if isinstance(queue, SpillQueue):
            try:
                queue.extend(items)
            except Exception as error:
                self._break(error)
            self.reader.ready()
            return
        free = buffer.capacity - len(queue)
        if buffer.policy == "block" or len(items) <= free:
            queue.extend(items)
        elif buffer.policy in ("drop_oldest", "latest"):
            queue.extend(items)
            surplus = len(queue) - buffer.capacity
            self.dropped += surplus
            self._first += surplus
            for _ in range(surplus):
                queue.popleft()
        elif buffer.policy == "drop_newest":
            queue.extend(items[:free])
            self.dropped += len(items) - free
        elif buffer.policy == "coalesce" and buffer.reducer is not None:
            for item in items:
                if len(queue) < buffer.capacity:
                    queue.append(item)
                    continue
                try:
                    queue[-1] = buffer.reducer(queue[-1], item)
                except Exception as error:
                    self._break(error)
                    break
                self.dropped += 1
        else:
            queue.extend(items[:free])
            self._break(
                BufferOverflow(
                    f"the buffer before {self.reader.node.id!r} holds {buffer.capacity} elements and "
                    "was full: give it another policy (block, latest, drop_oldest, drop_newest, "
                    "coalesce, spill) or a larger capacity"
                )
            )
        self.reader.ready()

    def _break(self, error: Exception) -> None:
        """It is the queue itself that failed: what waits goes on first, its sisters know nothing of it."""
        reader = self.reader
        blame(error, reader.node.id, reader.node.where)
        reader.out.counters.errors += 1
        reader.runtime.node_failed(reader.node, error)
        self.ended = True
        self.closed = True
        self.error = error

    def finish(self) -> None:
        self.ended = True
        self.closed = True
        self.reader.ready()

    def fail(self, error: BaseException) -> None:
        self.ended = True
        self.closed = True
        self.error = error
        self.reader.ready()

    def abandon(self) -> None:
        pass

    def demand(self) -> int:
        return ALL

    def exits(self) -> Iterator[Edge]:
        yield self

    # -- the reader's side ---------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._items)

    def take(self, count: int) -> list[Any]:
        """Up to `count` elements, oldest first; wakes the feeder."""
        queue = self._items
        if isinstance(queue, SpillQueue):
            taken = queue.take(count)
        elif count >= len(queue):
            taken = list(queue)
            queue.clear()
        else:
            taken = [queue.popleft() for _ in range(count)]
        if taken:
            self._first += len(taken)
            self.reader.touch()
            self._freed()
        return taken

    @property
    def exhausted(self) -> bool:
        """Whether nothing is queued and nothing follows."""
        return self.ended and not self._items

    def open(self) -> None:
        """The unit reads it from now on."""
        if not self.is_open:
            self.is_open = True
            self._freed()

    def close(self) -> None:
        """The unit wants nothing more of it."""
        self._items.clear()
        self.closed = True
        self.ended = True
        self._freed()

    def _freed(self) -> None:
        if self._blocked_since is not None:
            self._blocked_s += self.reader.runtime.now() - self._blocked_since
            self._blocked_since = None
        for feeder in self.feeders:
            feeder.ready()

    # -- its state as plain data ---------------------------------------------------------------

    def snapshot(self) -> tuple[Any, ...]:
        """How it stands, without what waits: the oldest's number, how it ended, what was counted."""
        error = store_error(self.error)
        return (
            self._first,
            self.is_open,
            self.ended,
            error,
            self.closed,
            self.elements,
            self.dropped,
        )

    def changes(self) -> tuple[bool, dict[str, Any], list[str]] | None:
        """What waits by number, as it changed since this was asked last: whether nothing of what was known
        still waits, what is new, and what is gone. Raises `NotStorable` for a queue in a file.
        """
        if isinstance(self._items, SpillQueue):
            raise NotStorable(
                f"what waits before {self.reader.node.id!r} may be in a file (spill), which is not stored "
                "with the state: use another policy"
            )
        known, until = self._told
        first, last = self._first, self._first + len(self._items)
        self._told = (first, last)
        if self.buffer.policy == "coalesce":
            until = min(until, max(first, last - 1))  # the newest may have become another
        fresh = last - max(first, until)
        new = list(islice(reversed(self._items), fresh))[::-1] if fresh > 0 else []
        added = {str(number): item for number, item in enumerate(new, last - len(new))}
        if known < until <= first:
            return True, added, []
        gone = [str(number) for number in range(known, min(first, until))]
        return (False, added, gone) if added or gone else None

    def restore(self, state: tuple[Any, ...], waiting: Mapping[str, Any]) -> None:
        """Go on from a snapshot and all changes; called before its reader starts.

        An error comes back as one of ours.
        """
        self._first, self.is_open, self.ended, error, self.closed, self.elements, self.dropped = (
            state
        )
        self.error = restore_error(error)
        self._items = deque(waiting[number] for number in sorted(waiting, key=int))
        self._told = (self._first, self._first + len(self._items))

    def statistics(self, rate: float = 0.0) -> EdgeStatistics:
        blocked = self._blocked_s
        if self._blocked_since is not None:
            blocked += self.reader.runtime.now() - self._blocked_since
        return EdgeStatistics(
            self.id,
            self.buffer.policy,
            len(self._items),
            self.buffer.capacity,
            self.elements,
            self.dropped,
            blocked,
            self._items.bytes if isinstance(self._items, SpillQueue) else 0,
            rate,
        )

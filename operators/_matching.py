"""Units of two inputs that look up, by key, what came on the other: joins with bounds.

An element is taken only while there is room for what it makes, so beside the bounded state at most the
matches of one element wait. What a key function raises comes after what was made before it.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from typing import Any, ClassVar, Literal

from rxstream.engine.edge import Edge
from rxstream.engine.island import CURRENT
from rxstream.engine.op import Changes
from rxstream.engine.unit import BATCH
from rxstream.errors import BufferOverflow
from rxstream.operators._clock import loop_time
from rxstream.operators._combining import Combining
from rxstream.operators._keys import SAME_S, Keys, tell
from rxstream.operators._mapping import MISSING
from rxstream.operators._rows import Beside, Rows

Key = Callable[[Any], Hashable]
OnFull = Literal["fail", "drop_oldest"]


class Matching(Combining, ABC):
    """What the units below share."""

    def __init__(self) -> None:
        self.pending: deque[Any] = deque()

    @abstractmethod
    def read(self) -> bool:
        """Take elements, append to `pending` what they make; whether any was taken."""

    @abstractmethod
    def over(self) -> bool:
        """Whether nothing can come out any more."""

    def step(self) -> bool:
        moved = self._flush()
        if self.closed or self.pending:
            return moved
        # a callback of the user's may ask which node it runs in
        token = CURRENT.set(self.runtime.port(self.node))
        try:
            moved = self.read() or moved
        except Exception as error:
            self._flush()
            self.fail(error)
            return False
        finally:
            CURRENT.reset(token)
        moved = self._flush() or moved
        if self.closed or self.pending or self.broken(self.inputs):
            return moved and not self.closed
        if self.over():
            self.finish()
            return False
        return moved

    def _flush(self) -> bool:
        count = min(len(self.pending), self.room())
        if count <= 0:
            return False
        self.emit([self.pending.popleft() for _ in range(count)])
        return True

    def dispose(self) -> None:
        self.pending.clear()


class Side:
    """What came on one input and is within reach."""

    def __init__(self, index: int, key: Key, rows: Rows) -> None:
        self.index = index
        self.key = key
        self.rows = rows
        """Rows of both sides, by index and number."""
        self.first = 0
        """The number of the oldest."""
        self.held: deque[tuple[float, Any, Any]] = deque()
        self.by_key: dict[Any, deque[Any]] = {}

    def put(self, time: float, key: Hashable, item: Any) -> None:
        """Keep one."""
        self.by_key.setdefault(key, deque()).append(item)
        self.rows.put((self.index, self.first + len(self.held)))
        self.held.append((time, key, item))

    def drop(self) -> None:
        """Forget the oldest."""
        _, key, _ = self.held.popleft()
        self.rows.drop((self.index, self.first))
        self.first += 1
        items = self.by_key[key]
        items.popleft()
        if not items:
            del self.by_key[key]

    def forget(self, before: float) -> None:
        """Forget what is older."""
        while self.held and self.held[0][0] < before:
            self.drop()

    def clear(self) -> None:
        """Forget all."""
        self.held.clear()
        self.by_key.clear()


class JoinBy(Matching):
    """Pairs of elements of both inputs with equal keys that were taken within a span of each other."""

    incremental: ClassVar[bool] = True

    def __init__(
        self, left_key: Key, right_key: Key, within: float, max_items: int, on_full: OnFull
    ) -> None:
        super().__init__()
        self.within = within
        self.max_items = max_items
        self.on_full = on_full
        self.rows = Rows()
        self.sides = (Side(0, left_key, self.rows), Side(1, right_key, self.rows))
        self.turn = 0
        self.dropped = 0
        self._handle: asyncio.TimerHandle | None = None

    def read(self) -> bool:
        room = self.room()
        taken = False
        self._forget()
        while len(self.pending) < room and any(len(edge) for edge in self.inputs):
            turn = self.turn if len(self.inputs[self.turn]) else 1 - self.turn
            self.turn = 1 - turn
            taken = True
            self._arrived(turn, self.take(self.inputs[turn], 1)[0])
        return taken

    def _arrived(self, index: int, item: Any) -> None:
        mine, other = self.sides[index], self.sides[1 - index]
        key = mine.key(item)
        matches = other.by_key.get(key, ())
        if not self.inputs[1 - index].exhausted:
            if len(mine.held) >= self.max_items:
                self._make_room(mine)
            mine.put(loop_time(), key, item)
        self.pending.extend((item, match) if index == 0 else (match, item) for match in matches)

    def _make_room(self, side: Side) -> None:
        if self.on_full == "fail":
            raise BufferOverflow(
                f"join_by holds {self.max_items} elements of one stream and one more came: give a larger "
                "max_items, a shorter within, or on_full='drop_oldest'"
            )
        side.drop()
        self.dropped += 1
        tell(f"{self.dropped} dropped")

    def _forget(self) -> None:
        before = loop_time() - self.within - SAME_S
        for side in self.sides:
            side.forget(before)

    def over(self) -> bool:
        ended = [edge.exhausted for edge in self.inputs]
        if all(ended):
            return True
        for done, side in zip(ended, self.sides, strict=True):
            if done and not side.held:
                return True
            if done:
                self._wait(side)
        return False

    def _wait(self, side: Side) -> None:
        """Look again when what came on an input that has ended is out of reach."""
        if self._handle is None and self.runtime.loop is not None:
            delay = side.held[0][0] + self.within + 2 * SAME_S - loop_time()
            self._handle = self.runtime.call_later(self, delay, self._ring)

    def _ring(self) -> None:
        self._handle = None
        self.ready()

    def external(self) -> bool:
        return self._handle is not None

    def dispose(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        super().dispose()
        for side in self.sides:
            side.clear()

    def snapshot(self) -> tuple[Any, ...]:
        """What waits and what is held, with its age in seconds; plain data if elements and keys are."""
        now = loop_time()
        held = tuple(
            tuple((now - time, key, item) for time, key, item in side.held) for side in self.sides
        )
        return (tuple(self.pending), self.turn, self.dropped, held)

    def restore(self, state: Any) -> None:
        """Go on from a snapshot; ages are counted on from now."""
        pending, self.turn, self.dropped, held = state
        self.pending = deque(pending)
        now = loop_time()
        for side, found in zip(self.sides, held, strict=True):
            side.clear()
            for age, key, item in found:
                side.put(now - age, key, item)

    def changes(self) -> Changes | None:
        def kept(name: tuple[int, int]) -> Any:
            index, number = name
            side = self.sides[index]
            return side.held[number - side.first]

        names = (
            (side.index, side.first + number)
            for side in self.sides
            for number in range(len(side.held))
        )
        at = loop_time() if any(side.held for side in self.sides) else 0.0
        rest = (at, self.turn, self.dropped, tuple(self.pending))
        return self.rows.changes(names, kept, rest)

    def restore_changes(self, stored: Mapping[str, Any]) -> None:
        found, rest = self.rows.restored(stored)
        at, self.turn, self.dropped, pending = rest or (0.0, 0, 0, ())
        self.pending = deque(pending)
        ahead = loop_time() - at
        for (index, _), (time, key, item) in found:
            self.sides[index].put(time + ahead, key, item)


class Enrich(Matching):
    """Each element with the latest row of a table that has its key, or None."""

    incremental: ClassVar[bool] = True

    def __init__(self, key: Key, table_key: Key, rows: Keys[Any], table_first: bool) -> None:
        super().__init__()
        self.key = key
        self.table_key = table_key
        self.rows = rows
        self.table_first = table_first
        self._beside = Beside()

    def read(self) -> bool:
        source, table = self.inputs
        rows = self.take(table, BATCH)
        for row in rows:
            self.rows.put(self.table_key(row), row, 0.0)
            for _ in self.rows.surplus():
                continue
        if self.table_first and not table.exhausted:
            return bool(rows)
        return self._look_up(source) or bool(rows)

    def _look_up(self, source: Edge) -> bool:
        room = self.room()
        taken = 0
        while len(source) and len(self.pending) < room:
            item = self.take(source, 1)[0]
            taken += 1
            key = self.key(item)
            row = self.rows.get(key)
            if row is MISSING:
                row = None
            else:
                self.rows.put(key, row, 0.0)
            self.pending.append((item, row))
        return taken > 0

    def over(self) -> bool:
        return self.inputs[0].exhausted

    def dispose(self) -> None:
        super().dispose()
        self.rows.clear()

    def snapshot(self) -> tuple[Any, ...]:
        """What waits, and the rows, the one longest unused first; plain data if they are."""
        return (tuple(self.pending), self.rows.snapshot(0.0))

    def restore(self, state: Any) -> None:
        """Go on from a snapshot."""
        pending, rows = state
        self.pending = deque(pending)
        self.rows.restore(rows, 0.0)

    def changes(self) -> Changes | None:
        return self._beside.added(self.rows.changes(0.0), tuple(self.pending))

    def restore_changes(self, stored: Mapping[str, Any]) -> None:
        rows, pending = self._beside.parted(stored)
        self.pending = deque(pending or ())
        self.rows.restore_changes(rows, 0.0)

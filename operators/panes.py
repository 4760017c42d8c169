"""Windows of time while they are open: which elements go into which, what they hold, when they close.

Time is whatever the caller says it is, the time of events or of the clock; the watermark is the time before
which nothing more is expected. A window closes when the watermark has reached its end; it is kept for
`lateness` longer, and given again when a late element changes it. Everything is bounded. Must not know where
elements and times come from.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any, Generic, Literal, TypeVar

from rxstream.engine.op import Changes
from rxstream.errors import BufferOverflow
from rxstream.operators._mapping import MISSING
from rxstream.operators._rows import Rows

__all__ = ["AlignedPanes", "Fold", "OnFull", "Panes", "SessionPanes", "Window", "collecting"]

V_co = TypeVar("V_co", covariant=True)

OnFull = Literal["fail", "close"]
"""What becomes of more than is allowed: an error, or the window that is to close first closes early."""


@dataclass(frozen=True)
class Window(Generic[V_co]):
    """A closed window: what had a time from `start` to before `end`, and this key.

    `value` is the tuple of the elements, or what they were reduced to. `revision` is 0 when the window
    closes and one more each time a late element changed it.
    """

    start: float
    end: float
    key: Any
    value: V_co
    revision: int = 0


@dataclass(frozen=True)
class Fold:
    """What a window makes of its elements; `freeze` and `thaw` turn that into plain data and back."""

    begin: Callable[[Any], Any]
    add: Callable[[Any, Any], Any]
    merge: Callable[[Any, Any], Any]
    freeze: Callable[[Any], Any]
    thaw: Callable[[Any], Any]
    holds_items: bool = False


def collecting() -> Fold:
    """The elements themselves, in the order in which they came."""

    def add(found: list[Any], item: Any) -> list[Any]:
        found.append(item)
        return found

    return Fold(lambda item: [item], add, lambda a, b: a + b, tuple, list, holds_items=True)


def reducing(
    reduce: Callable[[Any, Any], Any], init: Any, merge: Callable[[Any, Any], Any] | None
) -> Fold:
    """One value; without `init` it begins with the first element."""

    def begin(item: Any) -> Any:
        return item if init is MISSING else reduce(init, item)

    return Fold(begin, reduce, merge or reduce, lambda value: value, lambda value: value)


@dataclass(slots=True, eq=False)
class Pane:
    """A window that is not forgotten yet."""

    key: Any
    start: float
    end: float
    value: Any
    count: int
    serial: int
    revision: int = -1
    """How often it was given, less one."""
    is_open: bool = True
    """Whether it is to be given when the watermark reaches its end."""
    entry: float = 0.0
    """When it will be looked at again, at or before the time at which that is due."""


class Panes(ABC):
    """The windows of all keys."""

    def __init__(
        self, fold: Fold, lateness: float, max_windows: int, max_items: int, on_full: OnFull
    ) -> None:
        self.fold = fold
        self.lateness = lateness
        self.max_windows = max_windows
        self.max_items = max_items
        self.on_full = on_full
        self._kept: dict[int, Pane] = {}
        self._rows = Rows()
        self._agenda: list[tuple[float, int]] = []
        self._serial = 0

    @abstractmethod
    def add(
        self, key: Hashable, item: Any, time: float, watermark: float, out: list[Window[Any]]
    ) -> bool:
        """Put an element where it belongs; False if it is too late for all of its windows."""

    def advance(self, watermark: float, out: list[Window[Any]]) -> None:
        """Append what closes, the one that ended first before the others, and forget what is too old."""
        closing: list[Pane] = []
        while (pane := self._next(watermark)) is not None:
            if pane.is_open:
                closing.append(pane)
                pane.is_open = False
            if self._due(pane) <= watermark:
                self._forget(pane)
            else:
                self._plan(pane)
        self._give(closing, out)

    def due(self) -> float | None:
        """The time before which nothing closes."""
        return self._agenda[0][0] if self._agenda else None

    def finish(self, out: list[Window[Any]]) -> None:
        """Append all that is open."""
        self._give((pane for pane in self._kept.values() if pane.is_open), out)
        for pane in list(self._kept.values()):
            self._forget(pane)

    # -- what the kinds of windows use ---------------------------------------------------------

    @abstractmethod
    def _index(self, pane: Pane) -> None:
        """Have it found by its key."""

    @abstractmethod
    def _unindex(self, pane: Pane) -> None:
        """Have it found no more."""

    def _begin(self, key: Any, start: float, end: float, item: Any, out: list[Window[Any]]) -> Pane:
        value = self.fold.begin(item)
        if len(self._kept) >= self.max_windows:
            self._make_room(out)
        pane = Pane(key, start, end, value, 1, self._serial)
        self._serial += 1
        self._keep(pane)
        self._plan(pane)
        return pane

    def _fits(self, count: int) -> bool:
        """Whether a window may hold so many elements; raises where that is an error."""
        if not self.fold.holds_items or count <= self.max_items:
            return True
        if self.on_full == "fail":
            raise BufferOverflow(
                f"a window holds {self.max_items} elements and one more came: give a larger max_items, "
                "reduce them while they come (reduce=), or give it in parts (on_full='close')"
            )
        return False

    def _close(self, panes: Iterable[Pane], out: list[Window[Any]]) -> None:
        """Give what is open among them before its time, and forget them."""
        found = list(panes)
        self._give([pane for pane in found if pane.is_open], out)
        for pane in found:
            self._forget(pane)

    def _changed(self, pane: Pane, watermark: float, out: list[Window[Any]]) -> None:
        """An element was added: give it again if it has ended, else when it ends."""
        self._rows.put(pane.serial)
        if pane.end <= watermark:
            self._give((pane,), out)
        elif not pane.is_open:
            pane.is_open = True
            self._plan(pane)

    def _forget(self, pane: Pane) -> None:
        del self._kept[pane.serial]
        self._rows.drop(pane.serial)
        self._unindex(pane)

    # -- the machinery -------------------------------------------------------------------------

    def _keep(self, pane: Pane) -> None:
        self._kept[pane.serial] = pane
        self._rows.put(pane.serial)
        self._index(pane)

    def _due(self, pane: Pane) -> float:
        return pane.end if pane.is_open else pane.end + self.lateness

    def _plan(self, pane: Pane) -> None:
        pane.entry = self._due(pane)
        heappush(self._agenda, (pane.entry, pane.serial))
        if len(self._agenda) > 2 * len(self._kept) + 64:
            self._agenda = [(kept.entry, kept.serial) for kept in self._kept.values()]
            heapify(self._agenda)

    def _next(self, limit: float) -> Pane | None:
        """The window that is due before the others, if that is by then; it is off the agenda."""
        while self._agenda and self._agenda[0][0] <= limit:
            at, serial = heappop(self._agenda)
            pane = self._kept.get(serial)
            if pane is None or pane.entry != at:
                continue
            if self._due(pane) <= at:
                return pane
            self._plan(pane)
        return None

    def _make_room(self, out: list[Window[Any]]) -> None:
        if self.on_full == "fail":
            raise BufferOverflow(
                f"{self.max_windows} windows are open and one more was to be: give a larger max_windows, "
                "fewer keys, or have the one that ends first closed early (on_full='close')"
            )
        pane = self._next(math.inf)
        assert pane is not None, "something is kept, so it is on the agenda"
        self._close((pane,), out)

    def _give(self, panes: Iterable[Pane], out: list[Window[Any]]) -> None:
        for pane in sorted(panes, key=_order):
            pane.revision += 1
            pane.is_open = False
            if pane.serial in self._kept:
                self._rows.put(pane.serial)
            value = self.fold.freeze(pane.value)
            out.append(Window(pane.start, pane.end, pane.key, value, pane.revision))

    # -- its state -----------------------------------------------------------------------------

    def snapshot(self) -> tuple[Any, ...]:
        """The windows, as plain data if their elements, keys and values are."""
        return (self._serial, tuple((serial, self._row(serial)) for serial in self._kept))

    def restore(self, state: Any) -> None:
        """Go on from a snapshot."""
        self._serial, kept = state
        for serial, row in kept:
            self._restore(serial, *row)

    def changes(self, rest: Any) -> Changes | None:
        """What changed since the last call, and the rest of what whoever uses this holds."""
        return self._rows.changes(self._kept, self._row, (self._serial, rest))

    def restore_changes(self, stored: Mapping[str, Any]) -> Any:
        """Go on from all changes; returns the rest, None if nothing was stored."""
        kept, rest = self._rows.restored(stored)
        for serial, row in sorted(kept, key=lambda each: each[0]):
            self._restore(serial, *row)
        self._serial, held = rest or (0, None)
        return held

    def _row(self, serial: int) -> tuple[Any, ...]:
        p = self._kept[serial]
        return (p.key, p.start, p.end, self.fold.freeze(p.value), p.count, p.revision, p.is_open)

    def _restore(self, serial: int, key: Any, start: float, end: float, *held: Any) -> None:
        value, count, revision, is_open = held
        value = self.fold.thaw(value)
        pane = Pane(key, start, end, value, count, serial, revision, is_open)
        self._keep(pane)
        self._plan(pane)


def _order(pane: Pane) -> tuple[float, float, int]:
    return (pane.end, pane.start, pane.serial)


class AlignedPanes(Panes):
    """Windows of one size that begin at the multiples of `every`."""

    def __init__(self, size: float, every: float, *rest: Any) -> None:
        super().__init__(*rest)
        self.size = size
        self.every = every
        self._most = math.ceil(size / every - 1e-9)
        """How many windows share a time."""
        self._found: dict[tuple[Any, float], Pane] = {}

    def add(
        self, key: Hashable, item: Any, time: float, watermark: float, out: list[Window[Any]]
    ) -> bool:
        starts = self.starts(time)
        in_time = [s for s in starts if s + self.size + self.lateness > watermark]
        for start in in_time:
            pane = self._found.get((key, start))
            if pane is not None and not self._fits(pane.count + 1):
                self._close((pane,), out)
                pane = None
            if pane is None:
                pane = self._begin(key, start, start + self.size, item, out)
            else:
                pane.value = self.fold.add(pane.value, item)
                pane.count += 1
            self._changed(pane, watermark, out)
        return bool(in_time) or not starts

    def starts(self, time: float) -> list[float]:
        """Where the windows of a time begin, the earliest first."""
        last = time // self.every
        if self.every > self.size and last * self.every + self.size <= time:
            return []
        found = [last * self.every]
        # sums of fractions are not exact: a time is in its last window, and never in one too many
        while len(found) < self._most:
            start = (last - len(found)) * self.every
            if start + self.size <= time:
                break
            found.append(start)
        return found[::-1]

    def _index(self, pane: Pane) -> None:
        self._found[pane.key, pane.start] = pane

    def _unindex(self, pane: Pane) -> None:
        del self._found[pane.key, pane.start]


class SessionPanes(Panes):
    """Windows that last until nothing came for `gap`; an element between two makes one of them."""

    def __init__(self, gap: float, *rest: Any) -> None:
        super().__init__(*rest)
        self.gap = gap
        self._found: dict[Any, list[Pane]] = {}

    def add(
        self, key: Hashable, item: Any, time: float, watermark: float, out: list[Window[Any]]
    ) -> bool:
        start, end = time, time + self.gap
        touched = sorted(
            (p for p in self._found.get(key, ()) if p.start < end and start < p.end), key=_order
        )
        if max([end, *(p.end for p in touched)]) + self.lateness <= watermark:
            return False
        if touched and not self._fits(sum(p.count for p in touched) + 1):
            self._close(touched, out)
            touched = []
        if touched:
            pane = self._joined(touched)
            pane.value = self.fold.add(pane.value, item)
            pane.count += 1
            pane.start, pane.end = min(start, pane.start), max(end, pane.end)
        else:
            pane = self._begin(key, start, end, item, out)
        self._changed(pane, watermark, out)
        return True

    def _joined(self, panes: list[Pane]) -> Pane:
        first, *others = panes
        for other in others:
            first.value = self.fold.merge(first.value, other.value)
            first.count += other.count
            first.end = max(first.end, other.end)
            first.revision = max(first.revision, other.revision)
            self._forget(other)
        return first

    def _index(self, pane: Pane) -> None:
        self._found.setdefault(pane.key, []).append(pane)

    def _unindex(self, pane: Pane) -> None:
        panes = self._found[pane.key]
        panes.remove(pane)
        if not panes:
            del self._found[pane.key]

"""The base of units of one input: what is to come out waits here until there is credit.

A subclass turns batches into outputs; while outputs wait, nothing more is taken, so what is held is bounded
by one batch and what the subclass keeps. An error of the input goes on after what came before it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rxstream.engine.edge import Edge
from rxstream.engine.op import ALL
from rxstream.engine.unit import BATCH, Unit


class Passing(Unit):
    """One input, any number of outputs for one element."""

    def __init__(self) -> None:
        self.pending: deque[Any] = deque()
        self.over = False
        """Nothing more comes in; what is pending still goes out."""

    # -- what a subclass does ------------------------------------------------------------------

    def take(self, items: Sequence[Any]) -> None:
        """Take a batch; append to `pending` what comes out."""
        self.pending.extend(items)

    def end(self) -> None:
        """The input ended well; append to `pending` what is left. May leave `over` unset."""
        self.over = True

    def wants(self) -> int:
        """How many elements it takes now; by default no more than can go on."""
        return self.credit()

    # -- the machinery -------------------------------------------------------------------------

    @property
    def edge(self) -> Edge:
        """The input."""
        return self.inputs[0]

    def flush(self) -> bool:
        """Emit what is pending within credit; whether anything went."""
        count = min(len(self.pending), BATCH, self.credit()) if self.pending else 0
        if count <= 0:
            return False
        self.emit([self.pending.popleft() for _ in range(count)])
        return True

    def step(self) -> bool:
        moved = self.flush()
        if self.closed or self.pending:
            return moved
        if not self.over:
            moved = self._read() or moved
            moved = self.flush() or moved
        if self.over and not self.pending and not self.closed:
            self.finish()
        return moved and not self.closed

    def _read(self) -> bool:
        edge = self.edge
        count = min(BATCH, self.wants()) if len(edge) else 0
        items = edge.take(count) if count > 0 else []
        if items:
            self.out.counters.elements_in += len(items)
            self.take(items)
        if edge.exhausted and not self.pending and not self.over:
            if edge.error is not None:
                self.pass_on(edge.error)
            else:
                self.end()
        return bool(items)

    def dispose(self) -> None:
        self.pending.clear()

    # -- its state as plain data ---------------------------------------------------------------

    def pack(self, item: Any) -> Any:
        """A pending element as plain data."""
        return item

    def unpack(self, item: Any) -> Any:
        """What `pack` was given."""
        return item

    def state(self) -> Any:
        """What the subclass holds besides what is pending."""
        return None

    def go_on(self, state: Any) -> None:
        """Take back what `state` gave."""

    def snapshot(self) -> tuple[Any, ...]:
        """Everything it would need to go on, as plain data if its elements are."""
        return (tuple(map(self.pack, self.pending)), self.over, self.state())

    def restore(self, state: tuple[Any, ...]) -> None:
        """Go on from a snapshot; called before `start`."""
        pending, self.over, held = state
        self.pending = deque(map(self.unpack, pending))
        self.go_on(held)


class Same(Passing):
    """Elements pass; the queue before it is what it is for."""


class StartWith(Passing):
    """Some elements before those of the input."""

    def __init__(self, first: Iterable[Any]) -> None:
        super().__init__()
        self.pending.extend(first)


class Nothing(Passing):
    """Ends at once, without reading."""

    def start(self) -> None:
        self.over = True
        self.edge.is_open = False


class TakeLast(Passing):
    """Of the last `count` elements those `choose(elements, number of those before them)` gives."""

    def __init__(self, count: int, choose: Callable[[list[Any], int], Iterable[Any]]) -> None:
        super().__init__()
        self.last: deque[Any] = deque(maxlen=count)
        self.count = 0
        self.choose = choose

    def wants(self) -> int:
        return ALL

    def take(self, items: Sequence[Any]) -> None:
        self.last.extend(items)
        self.count += len(items)

    def end(self) -> None:
        self.over = True
        self.pending.extend(self.choose(list(self.last), self.count - len(self.last)))

    def dispose(self) -> None:
        super().dispose()
        self.last.clear()

    def state(self) -> Any:
        return (tuple(self.last), self.count)

    def go_on(self, state: Any) -> None:
        last, self.count = state
        self.last.extend(last)


class Overlapping(Passing):
    """Lists of `count` elements, a new one begun every `skip`, which is less than `count`."""

    def __init__(self, count: int, skip: int) -> None:
        super().__init__()
        self.count = count
        self.skip = skip
        self.index = 0
        self.found: deque[list[Any]] = deque()

    def wants(self) -> int:
        credit = self.credit()
        if credit <= 0:
            return 0
        until_full = self.count - (len(self.found[0]) if self.found else 0)
        return until_full + (credit - 1) * self.skip

    def take(self, items: Sequence[Any]) -> None:
        for item in items:
            if self.index % self.skip == 0:
                self.found.append([])
            self.index += 1
            for buffer in self.found:
                buffer.append(item)
            if len(self.found[0]) == self.count:
                self.pending.append(self.found.popleft())

    def end(self) -> None:
        self.over = True
        self.pending.extend(self.found)
        self.found.clear()

    def state(self) -> Any:
        return (self.index, tuple(map(tuple, self.found)))

    def go_on(self, state: Any) -> None:
        self.index, found = state
        self.found = deque(map(list, found))

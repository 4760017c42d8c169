"""Units that make lists of what came in a span of time. What they wait for is in `_timing`."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from reactivex.typing import AbsoluteOrRelativeTime

from rxstream.engine.op import ALL
from rxstream.operators._clock import seconds
from rxstream.operators._timing import Ringing

_LATE_S: Final = 1e-6
"""Times closer than this are one time: sums of seconds are not exact."""


class Windowed(Ringing):
    """Lists of what came in a while. A window whose reader is slow stays open until it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.overdue = False

    def rang(self) -> None:
        if self.pending:
            self.overdue = True
        else:
            self.turn()

    def turn(self) -> None:
        """Close what has lasted long enough and wait for the next time."""
        raise NotImplementedError

    def step(self) -> bool:
        moved = super().step()
        if self.overdue and not (self.pending or self.closed or self.over):
            self.overdue = False
            self.turn()
            return True
        return moved


class Windows(Windowed):
    """Lists of what came in each span of time, a new one begun every shift; empty ones too."""

    def __init__(self, span: AbsoluteOrRelativeTime, shift: AbsoluteOrRelativeTime | None) -> None:
        super().__init__()
        self.span = seconds(span)
        self.shift = seconds(shift) if shift else self.span
        self.next_open = 0.0
        self.next_close = 0.0
        self.found: deque[list[Any]] = deque([[]])

    def start(self) -> None:
        super().start()
        # they are seconds from the start, or from the restore, until here; a second look at the clock would
        # part what falls together, and windows that follow each other would overlap
        now = self.runtime.now()
        self.next_open += now
        self.next_close += now

    def begin(self) -> None:
        self.next_open, self.next_close = self.shift, self.span
        self.alarm(min(self.shift, self.span))

    def wants(self) -> int:
        return ALL

    def take(self, items: Sequence[Any]) -> None:
        for window in self.found:
            window.extend(items)

    def turn(self) -> None:
        now = self.runtime.now()
        due = min(self.next_open, self.next_close)
        if now - due > _LATE_S:
            self.next_open += now - due
            self.next_close += now - due
            due = now
        closes = self.next_close - due < _LATE_S
        if self.next_open - due < _LATE_S:
            self.found.append([])
            self.next_open += self.shift
        if closes:
            self.pending.append(self.found.popleft())
            self.next_close += self.shift
        self.alarm(min(self.next_open, self.next_close) - now)

    def end(self) -> None:
        self.over = True
        self.quiet()
        self.pending.extend(self.found)
        self.found.clear()

    def held(self) -> Any:
        now = self.runtime.now()
        found = tuple(map(tuple, self.found))
        return (self.overdue, self.next_open - now, self.next_close - now, found)

    def hold(self, held: Any) -> None:
        self.overdue, self.next_open, self.next_close, found = held
        self.found = deque(map(list, found))


class CountedWindows(Windowed):
    """Lists of what came in a span of time, or of `count` elements if they come sooner."""

    def __init__(self, span: AbsoluteOrRelativeTime, count: int) -> None:
        super().__init__()
        self.span = seconds(span)
        self.count = count
        self.found: list[Any] = []

    def begin(self) -> None:
        self.alarm(self.span)

    def wants(self) -> int:
        return self.count - len(self.found)

    def take(self, items: Sequence[Any]) -> None:
        self.found.extend(items)
        if len(self.found) == self.count:
            self.turn()

    def turn(self) -> None:
        self.pending.append(self.found)
        self.found = []
        self.alarm(self.span)

    def end(self) -> None:
        self.over = True
        self.quiet()
        self.pending.append(self.found)

    def held(self) -> Any:
        return (self.overdue, tuple(self.found))

    def hold(self, held: Any) -> None:
        self.overdue, found = held
        self.found = list(found)

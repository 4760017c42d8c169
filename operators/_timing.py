"""Units that wait for time, on the engine's clock.

A timer only notes that it went off; the next step emits. While something waits to be emitted nothing more
is taken, so a slow reader makes times late instead of growing a queue.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from reactivex.typing import AbsoluteOrRelativeTime

from rxstream.engine.op import ALL
from rxstream.operators._clock import loop_time, seconds
from rxstream.operators._combining import Combining
from rxstream.operators._mapping import MISSING
from rxstream.operators._passing import Passing
from rxstream.operators._state import Machine

HELD: Final = 1_024
"""Elements `delay` holds at most; more wait before it."""

_LATE_S: Final = 1e-6
"""Times closer than this are one time: sums of seconds are not exact."""


class Timed(Passing):
    """One input and one timer."""

    def __init__(self) -> None:
        super().__init__()
        self._handle: asyncio.TimerHandle | None = None

    def alarm(self, after: float) -> None:
        """Have `rang` called after so many seconds, and not when it was to be called before."""
        self.quiet()
        self._handle = self.runtime.call_later(self, after, self._ring)

    def quiet(self) -> None:
        """Have it not called."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _ring(self) -> None:
        self._handle = None
        self.rang()
        self.ready()

    def rang(self) -> None:
        """The time has come; may append to `pending`."""

    def external(self) -> bool:
        return self._handle is not None

    def dispose(self) -> None:
        self.quiet()
        super().dispose()


class Debounce(Timed):
    """The latest element, when none has followed it for a while."""

    def __init__(self, duetime: AbsoluteOrRelativeTime) -> None:
        super().__init__()
        self.span = seconds(duetime)
        self.value: Any = MISSING

    def wants(self) -> int:
        return ALL

    def take(self, items: Sequence[Any]) -> None:
        self.value = items[-1]
        self.alarm(self.span)

    def rang(self) -> None:
        if self.value is not MISSING:
            self.pending.append(self.value)
            self.value = MISSING

    def end(self) -> None:
        self.over = True
        self.quiet()
        self.rang()


class ThrottleFirst(Machine):
    """An element, and none of those that follow it within a while."""

    def __init__(self, span: float) -> None:
        self.span = span
        self.last: float | None = None

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        now = loop_time()
        for item in items:
            if self.last is None or now - self.last >= self.span:
                self.last = now
                out.append(item)


class Delay(Timed):
    """Each element, and the end, a while later; an error at once."""

    def __init__(self, duetime: AbsoluteOrRelativeTime) -> None:
        super().__init__()
        self.duetime = duetime
        self.span = 0.0
        self.held: deque[tuple[float, Any]] = deque()
        self.ending = False

    def start(self) -> None:
        self.span = seconds(self.duetime)

    def wants(self) -> int:
        return 0 if self.ending else HELD - len(self.held)

    def take(self, items: Sequence[Any]) -> None:
        due = self.runtime.now() + self.span
        self.held.extend((due, item) for item in items)

    def end(self) -> None:
        if not self.ending:
            self.ending = True
            self.held.append((self.runtime.now() + self.span, MISSING))

    def step(self) -> bool:
        error = self.edge.error
        if error is not None and not len(self.edge):
            self.pass_on(error)
            return False
        moved = super().step()
        if self.closed:
            return False
        now = self.runtime.now()
        while self.held and self.held[0][0] <= now:
            _, item = self.held.popleft()
            if item is MISSING:
                self.over = True
            else:
                self.pending.append(item)
            moved = True
        if self.held and self._handle is None and not self.pending:
            self.alarm(self.held[0][0] - now)
        return moved

    def dispose(self) -> None:
        super().dispose()
        self.held.clear()


class LateStart(Timed):
    """The input, read only after a while."""

    def __init__(self, duetime: AbsoluteOrRelativeTime) -> None:
        super().__init__()
        self.duetime = duetime

    def start(self) -> None:
        self.edge.is_open = False
        self.alarm(seconds(self.duetime))

    def rang(self) -> None:
        self.edge.open()


class Until(Timed):
    """Elements until a time has passed."""

    def __init__(self, duetime: AbsoluteOrRelativeTime) -> None:
        super().__init__()
        self.duetime = duetime

    def start(self) -> None:
        self.alarm(seconds(self.duetime))

    def rang(self) -> None:
        # what had arrived by then goes on
        self.pending.extend(self.edge.take(len(self.edge)))
        self.over = True


class From(Timed):
    """Elements after a time has passed."""

    def __init__(self, duetime: AbsoluteOrRelativeTime) -> None:
        super().__init__()
        self.duetime = duetime
        self.is_open = False

    def start(self) -> None:
        self.alarm(seconds(self.duetime))

    def rang(self) -> None:
        self.is_open = True

    def wants(self) -> int:
        return self.credit() if self.is_open else ALL

    def take(self, items: Sequence[Any]) -> None:
        if self.is_open:
            self.pending.extend(items)


class Every(Timed):
    """The latest element once a period, if there is a new one; ends with a period."""

    def __init__(self, period: AbsoluteOrRelativeTime) -> None:
        super().__init__()
        self.period = seconds(period)
        self.value: Any = MISSING
        self.ending = False

    def start(self) -> None:
        self.alarm(self.period)

    def wants(self) -> int:
        return ALL

    def take(self, items: Sequence[Any]) -> None:
        self.value = items[-1]

    def rang(self) -> None:
        if self.value is not MISSING:
            self.pending.append(self.value)
            self.value = MISSING
        if self.ending:
            self.over = True
        else:
            self.alarm(self.period)

    def end(self) -> None:
        self.ending = True


class Windowed(Timed):
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
        now = self.runtime.now()
        self.next_open, self.next_close = now + self.shift, now + self.span
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


class CountedWindows(Windowed):
    """Lists of what came in a span of time, or of `count` elements if they come sooner."""

    def __init__(self, span: AbsoluteOrRelativeTime, count: int) -> None:
        super().__init__()
        self.span = seconds(span)
        self.count = count
        self.found: list[Any] = []

    def start(self) -> None:
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


class Timeout(Combining):
    """The input as long as it says something often enough; else another, or an error.

    A time at which elements wait here for room is not the input's silence.
    """

    def __init__(
        self, duetime: AbsoluteOrRelativeTime, once: bool, silent: Callable[[], Exception]
    ) -> None:
        self.duetime = duetime
        self.once = once
        self.silent = silent
        self.span = 0.0
        self.due = 0.0
        self.late = False
        self.switched = False
        self.handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self.span = seconds(self.duetime)
        self.due = self.runtime.now() + self.span
        self._wait()

    def _wait(self) -> None:
        self.handle = self.runtime.call_later(self, self.due - self.runtime.now(), self._ring)

    def _ring(self) -> None:
        self.handle = None
        source = self.inputs[0]
        if not self.once and (len(source) or self.runtime.now() < self.due):
            self.due = max(self.due, self.runtime.now() + (self.span if len(source) else 0.0))
            self._wait()
            return
        self.late = not source.exhausted
        self.ready()

    def step(self) -> bool:
        if self.late and not self.switched:
            self.switched = True
            if len(self.inputs) < 2:
                self.fail(self.silent())
                return False
            self.inputs[0].close()
            self.inputs[1].open()
        edge = self.inputs[1 if self.switched else 0]
        room = self.room()
        items = self.take(edge, room) if room > 0 else []
        if items:
            self.due = self.runtime.now() + self.span
            self.emit(items)
        if self.closed or self.broken((edge,)):
            return False
        if edge.exhausted:
            self.finish()
            return False
        return bool(items)

    def external(self) -> bool:
        return self.handle is not None

    def dispose(self) -> None:
        if self.handle is not None:
            self.handle.cancel()
            self.handle = None

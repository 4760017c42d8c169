"""Units that wait for time, on the engine's clock.

A timer only notes that it went off; the next step emits. While something waits to be emitted nothing more
is taken, so a slow reader makes times late instead of growing a queue. A snapshot has the seconds that are
left of a time; only where a point in time was given, the time in which nothing ran counts too.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from reactivex.typing import AbsoluteOrRelativeTime

from rxstream.engine.op import ALL
from rxstream.operators._boxes import boxed, unboxed
from rxstream.operators._clock import loop_time, seconds
from rxstream.operators._combining import Combining
from rxstream.operators._mapping import MISSING
from rxstream.operators._passing import Passing
from rxstream.operators._state import Machine

HELD: Final = 1_024
"""Elements `delay` holds at most; more wait before it."""


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


class Ringing(Timed):
    """A timer that goes on after a restore with the time that was left."""

    def __init__(self) -> None:
        super().__init__()
        self._due = 0.0
        """When the timer rings, if it is to ring."""
        self._left: float | None = None
        self._restored = False

    def start(self) -> None:
        if not self._restored:
            self.begin()
        elif self._left is not None:
            self.alarm(self.again(self._left))

    def begin(self) -> None:
        """Start for the first time."""

    def again(self, left: float) -> float:
        """In how many seconds a timer rings of which so many were left."""
        return left

    def alarm(self, after: float) -> None:
        self._due = self.runtime.now() + after
        super().alarm(after)

    def held(self) -> Any:
        """What the subclass holds besides what is pending and the timer, as plain data."""
        return None

    def hold(self, held: Any) -> None:
        """Take back what `held` gave."""

    def state(self) -> Any:
        left = None if self._handle is None else max(0.0, self._due - self.runtime.now())
        return (left, self.held())

    def go_on(self, state: Any) -> None:
        self._left, held = state
        self._restored = True
        self.hold(held)


class Debounce(Ringing):
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

    def held(self) -> Any:
        return boxed(self.value)

    def hold(self, held: Any) -> None:
        self.value = unboxed(held)


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

    def snapshot(self) -> Any:
        """Seconds since the last element that passed, None before the first."""
        return None if self.last is None else loop_time() - self.last

    def restore(self, state: Any) -> None:
        """Go on from a snapshot; the seconds are counted on from now."""
        self.last = None if state is None else loop_time() - state


class Delay(Timed):
    """Each element, and the end, a while later; an error at once."""

    def __init__(self, duetime: AbsoluteOrRelativeTime) -> None:
        super().__init__()
        self.duetime = duetime
        self.span = 0.0
        self.held: deque[tuple[float, Any]] = deque()
        """Elements and when they are due; restored and not started yet, in how many seconds."""
        self.ending = False
        self._restored = False

    def start(self) -> None:
        if not self._restored:
            self.span = seconds(self.duetime)
            return
        now = self.runtime.now()
        self.held = deque((now + left, item) for left, item in self.held)

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

    def state(self) -> Any:
        now = self.runtime.now()
        return (self.span, self.ending, tuple((due - now, boxed(item)) for due, item in self.held))

    def go_on(self, state: Any) -> None:
        self.span, self.ending, held = state
        self._restored = True
        self.held = deque((left, unboxed(box)) for left, box in held)


class Appointed(Ringing):
    """A timer that rings once: after a while, or at a point in time."""

    def __init__(self, duetime: AbsoluteOrRelativeTime) -> None:
        super().__init__()
        self.duetime = duetime

    def begin(self) -> None:
        self.alarm(seconds(self.duetime))

    def again(self, left: float) -> float:
        return remaining(self.duetime, left)


class LateStart(Appointed):
    """The input, read only after a while."""

    def begin(self) -> None:
        self.edge.is_open = False
        super().begin()

    def rang(self) -> None:
        self.edge.open()


class Until(Appointed):
    """Elements until a time has passed."""

    def rang(self) -> None:
        # what had arrived by then goes on
        self.pending.extend(self.edge.take(len(self.edge)))
        self.over = True


class From(Appointed):
    """Elements after a time has passed."""

    def __init__(self, duetime: AbsoluteOrRelativeTime) -> None:
        super().__init__(duetime)
        self.is_open = False

    def rang(self) -> None:
        self.is_open = True

    def wants(self) -> int:
        return self.credit() if self.is_open else ALL

    def take(self, items: Sequence[Any]) -> None:
        if self.is_open:
            self.pending.extend(items)

    def held(self) -> Any:
        return self.is_open

    def hold(self, held: Any) -> None:
        self.is_open = held


class Every(Ringing):
    """The latest element once a period, if there is a new one; ends with a period."""

    def __init__(self, period: AbsoluteOrRelativeTime) -> None:
        super().__init__()
        self.period = seconds(period)
        self.value: Any = MISSING
        self.ending = False

    def begin(self) -> None:
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

    def held(self) -> Any:
        return (boxed(self.value), self.ending)

    def hold(self, held: Any) -> None:
        box, self.ending = held
        self.value = unboxed(box)


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
        """When it is late; restored and not started yet, in how many seconds."""
        self.late = False
        self.switched = False
        self.handle: asyncio.TimerHandle | None = None
        self._restored = False

    def start(self) -> None:
        if not self._restored:
            self.span = seconds(self.duetime)
            left = self.span
        else:
            left = remaining(self.duetime, self.due)
        self.due = self.runtime.now() + left
        if not (self.late or self.switched):
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
        moved = self.pass_from(edge)
        if moved and not self.once:
            self.due = self.runtime.now() + self.span
        return moved

    def external(self) -> bool:
        return self.handle is not None

    def dispose(self) -> None:
        if self.handle is not None:
            self.handle.cancel()
            self.handle = None

    def snapshot(self) -> Any:
        """The time it allows, what is left of it, whether it is over, and whether the other is read."""
        return (self.span, self.due - self.runtime.now(), self.late, self.switched)

    def restore(self, state: Any) -> None:
        """Go on from a snapshot; called before `start`."""
        self.span, self.due, self.late, self.switched = state
        self._restored = True


def remaining(duetime: AbsoluteOrRelativeTime, left: float) -> float:
    """Seconds until a time of which so many were left; a point in time has its own clock."""
    return seconds(duetime) if isinstance(duetime, datetime) else left

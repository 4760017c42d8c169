"""Sources of the creation functions that are more than a sequence, and go on after a crash.

An offset is the number of elements emitted, and for what ticks also the seconds that were left, so the time
in which nothing ran does not count.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, Generic

from reactivex.typing import AbsoluteOrRelativeTime, RelativeTime

from rxstream.operators._clock import loop_time, seconds
from rxstream.operators._types import A, S
from rxstream.source import Source, SourcePort


class Again(Generic[A]):
    """One value, `count` times or (None) without an end."""

    def __init__(self, value: A, count: int | None) -> None:
        self._value = value
        self._count = count

    def __call__(self) -> Iterator[A]:
        return self.from_offset(0)

    def from_offset(self, offset: int) -> Iterator[A]:
        """The times that are left."""
        if self._count is None:
            return itertools.repeat(self._value)
        return itertools.repeat(self._value, max(0, self._count - offset))


class Once(Generic[A]):
    """What a function gives, called when it is pulled; not called again once that was emitted."""

    def __init__(self, supplier: Callable[[], A]) -> None:
        self._supplier = supplier

    def __call__(self) -> Iterator[A]:
        yield self._supplier()

    def from_offset(self, offset: int) -> Iterable[A]:
        """Nothing, if it was emitted."""
        return () if offset else self()


class Awaited(Source[A]):
    """What a function gives, awaited; not called again once that was emitted."""

    seekable = True
    endless = False

    def __init__(self, supplier: Callable[[], Awaitable[A]]) -> None:
        self._supplier = supplier

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[A]]:
        """Call, wait, give."""
        if port.start is None:
            found = await self._supplier()
            port.seek_point(1)
            yield [found]


class Never(Source[Any]):
    """Nothing, and no end."""

    seekable = True

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[Any]]:
        """Wait."""
        yield [await asyncio.get_running_loop().create_future()]


class _Due:
    """An offset: how many elements were emitted, and the seconds left until the next when it is stored."""

    def __init__(self, count: int, due: float, late: float = 0.0) -> None:
        self.count = count
        self.due = due
        self.late = late
        """What is left when it is overdue."""

    def __call__(self) -> tuple[int, float]:
        left = self.due - loop_time()
        return self.count, left if left >= 0 else self.late


class Timer(Source[int]):
    """0 after a while, and with a period 1, 2, … after it."""

    seekable = True

    def __init__(self, duetime: AbsoluteOrRelativeTime, period: RelativeTime | None) -> None:
        self._duetime = duetime
        self._period = period
        self.endless = period is not None

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[int]]:
        """Tick."""
        count, left = port.start or (0, seconds(self._duetime))
        if count and self._period is None:
            return
        due = loop_time() + left
        port.seek_point(_Due(count, due))
        yield []
        while True:
            await asyncio.sleep(max(0.0, due - loop_time()))
            if self._period is None:
                port.seek_point((1, 0.0))
                yield [count]
                return
            period = seconds(self._period)
            follows = _Due(count + 1, due + period, late=period)
            port.seek_point(follows)
            yield [count]
            count += 1
            # no burst after a pause: what is late is followed a whole period later
            now = loop_time()
            due = due + period if due + period > now else now + period
            follows.due, follows.late = due, 0.0


class Timed(Source[S]):
    """A state and what a function makes of it, each after the time another function gives for it."""

    seekable = True

    def __init__(
        self,
        initial_state: S,
        condition: Callable[[S], bool],
        iterate: Callable[[S], S],
        time_mapper: Callable[[S], RelativeTime],
    ) -> None:
        self._initial_state = initial_state
        self._condition = condition
        self._iterate = iterate
        self._time_mapper = time_mapper

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[S]]:
        """Go through the states that were emitted, then give each in its time."""
        emitted, left = port.start or (0, None)
        state = self._initial_state
        for _ in range(emitted):
            state = self._iterate(state)
        while self._condition(state):
            due = loop_time() + (seconds(self._time_mapper(state)) if left is None else left)
            left = None
            port.seek_point(_Due(emitted, due))
            yield []
            await asyncio.sleep(max(0.0, due - loop_time()))
            emitted += 1
            port.seek_point((emitted, None))
            yield [state]
            state = self._iterate(state)

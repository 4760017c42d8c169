"""Sources of the creation functions that need a clock, or more than a sequence, to go on after a crash.

An offset is the number of elements emitted, and for what ticks the seconds that were left, so the time in
which nothing ran does not count.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, Generic

from reactivex.typing import AbsoluteOrRelativeTime, RelativeTime

from rxstream.operators._clock import seconds
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
    endless = True

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[Any]]:
        """Wait."""
        await asyncio.get_running_loop().create_future()
        yield []


class Timer(Source[int]):
    """0 after a while, and with a period 1, 2, … after it."""

    seekable = True

    def __init__(self, duetime: AbsoluteOrRelativeTime, period: RelativeTime | None) -> None:
        self._duetime = duetime
        self._period = period
        self.endless = period is not None

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[int]]:
        """Tick."""
        clock = asyncio.get_running_loop().time
        period = None if self._period is None else seconds(self._period)
        count, left = port.start or (0, seconds(self._duetime))
        if count and period is None:
            return
        due = clock() + left
        wait = _Wait(port, clock)
        yield wait.point(count, due)
        while True:
            await asyncio.sleep(max(0.0, due - clock()))
            yield wait.tick(count, [count], due + (period or 0.0), period)
            if period is None:
                return
            count += 1
            # no burst after a pause: what is late is followed a whole period later
            due = wait.taken(due + period, period)


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

"""Ticks on the loop's clock, so that a test's virtual time drives them too.

Each tick is due at the start plus a whole number of periods, so lateness never adds up. It must not know
what is done with a tick.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from rxstream.errors import AuthorError
from rxstream.source import Source, SourcePort
from rxstream.stream import Stream, source


class IntervalSource(Source[int]):
    """A count of periods; see `interval`."""

    name: ClassVar[str] = "interval"
    seekable = True
    endless = True

    def __init__(self, period: float) -> None:
        self._period = period

    @property
    def arguments(self) -> Mapping[str, Any]:
        return {"period": self._period}

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[int]]:
        clock = asyncio.get_running_loop().time
        first, left = port.start or (0, self._period)
        start = clock() + left - self._period
        count = 0

        def due() -> int:
            # ticks that were due before this one and found nobody are skipped
            return max(count, int((clock() - start) / self._period) - 1)

        def place() -> tuple[int, float]:
            coming = due()
            return first + coming, max(0.0, start + (coming + 1) * self._period - clock())

        port.seek_point(place)
        yield []
        while True:
            count = due()
            await asyncio.sleep(max(0.0, start + (count + 1) * self._period - clock()))
            ticked, count = count, count + 1
            port.seek_point(place)
            yield [first + ticked]


def interval(period: float | timedelta) -> Stream[int]:
    """0, 1, 2 … every `period` seconds, the first after one period; never ends.

    A tick's number is the count of periods, so it tells the time: when nobody takes ticks for a while, those
    that are overdue are skipped, except the latest, and its number shows how many.

    Resumed with the next number after the seconds that were left; the time between is not counted. Each
    number is emitted at most once.
    """
    seconds = period.total_seconds() if isinstance(period, timedelta) else period
    if not 0 < seconds < float("inf"):
        raise AuthorError(f"interval needs a period above 0 seconds, not {seconds}")
    return source(IntervalSource(seconds))

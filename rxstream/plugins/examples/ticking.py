"""Ticks at fixed times: what is done in between does not move the next one; a missed one is left out."""

from __future__ import annotations

import asyncio
import math


class Ticks:
    """0, 1, 2, …: the first at once, then every so many seconds from there, `count` of them or for ever.

    No generator, so there is nothing to close when whoever waits for a tick is cancelled.
    """

    def __init__(self, every: float, count: int | None = None) -> None:
        self._every = every
        self._count = count
        self._number = 0
        self._begun = 0.0

    def __aiter__(self) -> Ticks:
        return self

    async def __anext__(self) -> int:
        loop = asyncio.get_running_loop()
        if self._count is not None and self._number >= self._count:
            raise StopAsyncIteration
        if self._number == 0:
            self._begun = loop.time()
        else:
            passed = loop.time() - self._begun
            # a tick's own time may have passed but for a rounding error
            following = math.floor(passed / self._every + 1e-9) + 1
            await asyncio.sleep(self._begun + following * self._every - loop.time())
        self._number += 1
        return self._number - 1

"""Timers that belong to units: one rings at most once, and not after its unit has closed.

Must not know what they are for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rxstream.engine.unit import Unit


class Timers:
    """Of all units of one runtime."""

    def __init__(self) -> None:
        self._handles: dict[Unit, set[asyncio.TimerHandle]] = {}
        self._sweep_at: dict[Unit, int] = {}

    def set(
        self,
        loop: asyncio.AbstractEventLoop,
        unit: Unit,
        delay: float,
        ring: Callable[[], None],
    ) -> asyncio.TimerHandle:
        """Call a function after `delay` seconds."""
        mine = self._handles.setdefault(unit, set())

        def fire() -> None:
            mine.discard(handle)
            ring()

        if len(mine) > self._sweep_at.get(unit, 64):
            mine.difference_update([other for other in mine if other.cancelled()])
            self._sweep_at[unit] = 2 * len(mine) + 64
        handle = loop.call_later(max(0.0, delay), fire)
        mine.add(handle)
        return handle

    def ringing(self) -> list[Unit]:
        """Units that wait for one."""
        return [unit for unit, handles in self._handles.items() if handles]

    def cancel(self, unit: Unit) -> None:
        """The unit waits for none any more."""
        for handle in self._handles.pop(unit, ()):
            handle.cancel()
        self._sweep_at.pop(unit, None)

"""Finds out whether a running graph waits for ever: at once if nothing outside it works, else once a second.

What a stall is is in `stall`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from rxstream.engine.edge import Edge
from rxstream.engine.stall import find_stall
from rxstream.errors import StallError

if TYPE_CHECKING:
    from rxstream.engine.runtime import Runtime

_EVERY_S: Final = 1.0
"""How often a graph with a full queue is searched, in seconds."""


class Patrol:
    """Fails a graph in which somebody waits for ever."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._timer: asyncio.TimerHandle | None = None

    def look(self) -> None:
        """Nothing can be stepped now: whether something may come."""
        runtime = self._runtime
        outside = (
            runtime.watcher.busy()
            or runtime.tasks.awaiting
            or any(unit.external() for unit in runtime.units if not unit.closed)
        )
        if outside:
            if self._timer is None:
                self._again()
        elif not self._refused() and runtime.loop is not None:
            runtime.failed(
                StallError("nothing in this graph can ever move again, and it has not ended")
            )

    def end(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _again(self) -> None:
        runtime = self._runtime
        if runtime.loop is not None and any(map(_full, runtime.edges.values())):
            self._timer = runtime.loop.call_later(_EVERY_S, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if not self._runtime.ended and not self._refused():
            self._again()

    def _refused(self) -> bool:
        stall = find_stall(self._runtime.units, self._runtime.tasks.awaiting)
        if stall is not None:
            self._runtime.failed(stall.error())
        return stall is not None


def _full(edge: Edge) -> bool:
    return not edge.closed and edge.room() <= 0

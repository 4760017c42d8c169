"""A subscription of a line whose source is asynchronous: nothing is made before the loop's next turn.

No element can come before that, so subscribing what is disposed at once costs next to nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from reactivex import abc


class Later(abc.DisposableBase):
    """What is begun in the loop's next turn, unless it is disposed before."""

    __slots__ = ("_begin", "_handle", "_running")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, begin: Callable[[], abc.DisposableBase]
    ) -> None:
        self._begin = begin
        self._running: abc.DisposableBase | None = None
        self._handle = loop.call_soon(self._run)

    def _run(self) -> None:
        self._running = self._begin()

    def dispose(self) -> None:
        """End it, or never begin."""
        self._handle.cancel()
        if self._running is not None:
            self._running.dispose()

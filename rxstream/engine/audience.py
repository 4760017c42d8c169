"""Who listens to one execution, for those that end soon after the last has left.

A listener is a connection that shows the execution to somebody. Must not know what one is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager


class Audience:
    """Counts listeners; `gone` is called `grace_s` seconds after the last left, unless another came."""

    def __init__(self, wanted: bool, grace_s: float, gone: Callable[[], None]) -> None:
        self._wanted = wanted
        self._grace_s = grace_s
        self._gone = gone
        self.count = 0
        self._timer: asyncio.TimerHandle | None = None

    def never_mind(self) -> None:
        """Nobody has to listen any more."""
        self._wanted = False
        self._stay()

    @contextmanager
    def listening(self) -> Generator[None, None, None]:
        """Somebody listens meanwhile."""
        self.count += 1
        self._stay()
        try:
            yield
        finally:
            self.count -= 1
            if self._wanted and not self.count:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(self._grace_s, self._gone)

    def _stay(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

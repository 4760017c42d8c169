"""One virtual clock for everything: coroutines, timers, reactivex's schedulers.

An event loop whose time stands still while anything can run and jumps to the next timer when nothing can, so
hours pass in milliseconds and expectations can be exact. Only for code that waits for time: a real socket
or process is not waited for while a timer is due.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual seconds, beginning at `start`."""

    def __init__(self, start: float = 0.0) -> None:
        super().__init__()
        self._now = start

    def time(self) -> float:
        """Virtual seconds; they pass only while nothing can run."""
        return self._now

    def _run_once(self) -> None:
        # both attributes are asyncio's own, unchanged since Python 3.4
        scheduled = self._scheduled  # type: ignore[attr-defined]
        if not self._ready and scheduled:  # type: ignore[attr-defined]
            due = min((h._when for h in scheduled if not h._cancelled), default=None)
            if due is not None and due > self._now:
                self._now = due
        super()._run_once()  # type: ignore[misc]

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait for its threads, whose time is real; a `timeout` in virtual seconds would be over at once."""
        await super().shutdown_default_executor()


def run(coroutine: Coroutine[Any, Any, T], *, start: float = 0.0) -> T:
    """Run a coroutine to its end in virtual time, as `asyncio.run` does in real time."""
    with asyncio.Runner(loop_factory=lambda: VirtualClockLoop(start)) as runner:
        return runner.run(coroutine)


def virtual_time(test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Decorate a coroutine test so that it runs, as a plain one, in virtual time."""

    @functools.wraps(test)
    def in_virtual_time(*args: P.args, **kwargs: P.kwargs) -> T:
        return run(test(*args, **kwargs))

    return in_virtual_time

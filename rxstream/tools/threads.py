"""Blocking code of one call on a thread of its own, and what it gives as an asynchronous iterator.

A thread cannot be stopped: when nobody wants what it gives, the next thing it gives ends it, and its token
tells it to look. It is a daemon, so one that never returns does not keep the process. At most 64 items wait;
then the thread does. Must not know what a tool is.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextvars import copy_context
from typing import Any, Final

from rxstream.engine.island import ordinary

MOST: Final = 64
"""Items that wait for the loop."""


class _Unwanted(BaseException):
    """Ends a thread that gives something nobody wants; not for its code to catch."""


class _Worker:
    """One thread, and what it has given."""

    def __init__(self, work: Callable[[Callable[[Any], None]], Any], name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._space = threading.Condition()
        self._called = False
        """Whether the loop was asked to look."""
        self.items: deque[Any] = deque()
        self.unwanted = False
        self.woken = asyncio.Event()
        self.done = False
        self.result: Any = None
        self.error: Exception | None = None
        context = copy_context()
        threading.Thread(
            target=lambda: context.run(self._run, work), name=f"rxstream {name}", daemon=True
        ).start()

    # -- on the loop ---------------------------------------------------------------------------

    def take(self) -> list[Any]:
        """What was given since."""
        with self._space:
            taken, self.items = list(self.items), deque()
            self._called = False
            self._space.notify()
        return taken

    def leave(self) -> None:
        """Nobody wants more."""
        with self._space:
            self.unwanted = True
            self._space.notify()

    # -- in the thread -------------------------------------------------------------------------

    def _run(self, work: Callable[[Callable[[Any], None]], Any]) -> None:
        try:
            self.result = work(self._give)
        except _Unwanted:
            pass
        except BaseException as raised:
            self.error = ordinary(raised)
        self.done = True
        self._wake()

    def _give(self, item: Any) -> None:
        with self._space:
            self._space.wait_for(lambda: self.unwanted or len(self.items) < MOST)
            if self.unwanted:
                raise _Unwanted
            self.items.append(item)
            called, self._called = self._called, True
        if not called:
            self._wake()

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self.woken.set)
        except RuntimeError:  # the loop is closed, so nobody listens
            return


async def threaded(
    work: Callable[[Callable[[Any], None]], Any], name: str
) -> AsyncGenerator[tuple[bool, Any], None]:
    """Run `work` in a thread; gives `(False, item)` for what it gives and at last `(True, its result)`.

    Closing it or cancelling who waits ends the thread as soon as it gives something or returns, and waits
    for that. Raises what `work` raises.
    """
    worker = _Worker(work, name)
    try:
        while True:
            await worker.woken.wait()
            worker.woken.clear()
            ended = worker.done
            for item in worker.take():
                yield False, item
            if ended:
                break
    finally:
        worker.leave()
        while not worker.done:
            await worker.woken.wait()
            worker.woken.clear()
    if worker.error is not None:
        raise worker.error
    yield True, worker.result

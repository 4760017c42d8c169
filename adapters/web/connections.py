"""Who is connected for longer than a moment, and how all of them are sent away in bounded time.

Each SSE stream, WebSocket and waiting poll enters here in its own task. Closing cancels those tasks;
what they tell their client then is theirs (`closing` says why they were cancelled).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from rxstream.errors import Draining, Overloaded

T = TypeVar("T")


class Connections:
    """The long-lived connections of one mount, at most `limit` of them."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.closing = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._finishing: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Count the current task while it serves a client. Raises `Draining` and `Overloaded`."""
        if self.closing:
            raise Draining("the server is closing")
        if len(self._tasks) >= self.limit:
            raise Overloaded(f"{self.limit} streams are open, which is the limit")
        task = asyncio.current_task()
        assert task is not None  # a handler always runs in a task
        self._tasks.add(task)
        try:
            yield
        finally:
            self._tasks.discard(task)

    async def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something to its end, also when the client that asked for it leaves meanwhile."""
        task = asyncio.create_task(work)
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)
        task.add_done_callback(_retrieve)
        return await asyncio.shield(task)

    async def close(self, timeout: float) -> None:
        """Send every client away; returns after `timeout` seconds at the latest."""
        self.closing = True
        current = asyncio.current_task()
        tasks = {task for task in self._tasks | self._finishing if task is not current}
        for task in tasks & self._tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=timeout)


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Look at the error of work whose client left, which nobody else will."""
    if not task.cancelled():
        task.exception()

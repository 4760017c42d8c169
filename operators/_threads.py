"""Blocking functions over elements, on threads that belong to one node of one execution.

Elements are taken as by `_workers`: when a thread is free and there will be room for the result. Each call
runs in a copy of the context the node was started in, with the node as the current one, so what it sets there
reaches nobody else. A call cannot be stopped: when nobody wants its result any more it is waited for, as long
as the engine waits for anything that closes, then named and left behind. The threads are daemons: one that
never returns does not keep the process. Results come back in batches, through the runtime's door.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from queue import Empty, SimpleQueue
from time import perf_counter
from typing import Any, Final

from rxstream.engine.island import CURRENT, ordinary
from rxstream.engine.tasks import CLOSE_S
from rxstream.operators._mapping import MISSING
from rxstream.operators._workers import MapAsync, _Slot

PATIENCE_S: Final = 1.0
"""How long a call may go on by itself when nobody wants its result, in seconds."""


class MapThread(MapAsync):
    """The result of a blocking function for each element."""

    _context: Context

    def __init__(self, function: Callable[[Any], Any], concurrency: int, ordered: bool) -> None:
        super().__init__(function, concurrency, ordered)
        self._jobs: SimpleQueue[tuple[_Slot, Context] | None] = SimpleQueue()
        self._done: deque[tuple[_Slot, Any, Exception | None, float]] = deque()
        """Finished calls, from all threads: result, error and the seconds they took."""
        self._called = False
        """Whether the loop was asked to look at them."""
        self._started = 0
        self._ended = 0
        """Threads that were started, and that have ended."""
        self._watched = False
        """Whether there is a task that waits for them; before, none is started."""
        self._all_ended: asyncio.Future[None] | None = None

    # -- on the loop ---------------------------------------------------------------------------

    def start(self) -> None:
        self._context = copy_context()
        self._context.run(CURRENT.set, self.runtime.port(self.node))
        self.runtime.spawn(self, self._see_off())

    def step(self) -> bool:
        moved = self._release()
        if self.closed:
            return False
        self._begin()
        edge = self.inputs[0]
        if edge.exhausted and not self.under_way:
            if edge.error is not None:
                self.pass_on(edge.error)
            else:
                self.finish()
            return False
        return moved

    def _begin(self) -> None:
        """Give elements to threads that are free."""
        if not self._watched:
            return
        while self.working < self.concurrency and (slot := self._next()) is not None:
            self.working += 1
            self.running[slot] = None
            self._jobs.put((slot, self._context.copy()))
            if self._started < self.working:
                self.begin_thread(self._serve, self._started + 1)

    def begin_thread(self, function: Callable[[], None], name: object) -> None:
        """Call a function in a thread that is waited for when this closes."""

        def run() -> None:
            try:
                function()
            finally:
                self.runtime.door(self._left)

        named = f"rxstream {self.node.id} {name}"
        threading.Thread(target=run, name=named, daemon=True).start()
        self._started += 1

    def _collect(self) -> None:
        self._called = False
        while self._done:
            slot, result, error, seconds = self._done.popleft()
            self.working -= 1
            self.running.pop(slot, None)
            self.out.counters.busy_s += seconds
            if not self.closed:
                slot.result, slot.error = result, error
                if not self.ordered:
                    self.slots.append(slot)
            elif error is not None:
                self.runtime.tasks.close_failed(self, error)
        if not self.closed:
            self._begin()
            self.ready()

    async def _see_off(self) -> None:
        """Lives as long as the unit, then until its threads have ended, or take too long."""
        loop = asyncio.get_running_loop()
        self._watched = True
        self.ready()
        try:
            await loop.create_future()
        finally:
            self._all_ended = loop.create_future()
            if self._ended < self._started:
                await asyncio.wait([self._all_ended], timeout=PATIENCE_S + CLOSE_S)

    def _left(self) -> None:
        self._ended += 1
        waits = self._all_ended is not None and not self._all_ended.done()
        if waits and self._all_ended is not None and self._ended == self._started:
            self._all_ended.set_result(None)

    def external(self) -> bool:
        return self.working > 0 or not self._watched

    def dispose(self) -> None:
        super().dispose()
        with suppress(Empty):
            while True:  # what no thread has begun
                self._jobs.get_nowait()
        for _ in range(self._started):
            self._jobs.put(None)

    # -- in the threads ------------------------------------------------------------------------

    def call(self, item: Any) -> Any:
        """The result for one element."""
        return self.function(item)

    def leave(self) -> None:
        """The thread ends: let go of what belongs to it."""

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._done.append(self._served(*job))
            del job  # not held while it waits
            if not self._called:
                self._called = True
                self.runtime.door(self._collect)
        self.leave()

    def _served(self, slot: _Slot, context: Context) -> tuple[_Slot, Any, Exception | None, float]:
        begun = perf_counter()
        try:
            return slot, context.run(self.call, slot.item), None, perf_counter() - begun
        except BaseException as error:
            return slot, MISSING, ordinary(error), perf_counter() - begun

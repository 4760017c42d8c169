"""A line of a foreign Observable: subscribed at once, because a hot one may emit at any moment.

What it emits on the line's own thread without an event loop runs straight through to the observer; on a loop,
or from another thread, it waits for the loop's next turn in a queue with a bound, because what pushes cannot
be paused.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Any, Final

from reactivex import Observable, abc
from reactivex.scheduler import CurrentThreadScheduler

from rxstream.engine.clock import EngineScheduler
from rxstream.engine.line import Line
from rxstream.engine.pushing import Subscribed, overflow
from rxstream.engine.straight import SLICE_S, Came, Run
from rxstream.engine.unit import BATCH
from rxstream.errors import AuthorError
from rxstream.stream import Stream

_CAPACITY: Final = Subscribed.capacity


class Heard(Run):
    """One subscription of a line whose source pushes."""

    __slots__ = (
        "_asked",
        "_busy",
        "_error",
        "_inbox",
        "_lock",
        "_over",
        "_subscription",
        "_thread",
    )

    def __init__(self, stream: Stream[Any], line: Line, observer: abc.ObserverBase[Any]) -> None:
        super().__init__(stream, line, observer)
        self._thread = threading.get_ident()
        self._lock = threading.RLock()
        self._inbox: deque[Any] = deque()
        self._over = False
        self._error: BaseException | None = None
        self._asked = False
        """Whether the loop was asked for a turn that has not come."""
        self._busy = True
        """Whether it runs, or subscribes, so that what comes is looked at afterwards."""
        self._subscription: abc.DisposableBase | None = None

    def listen(self, observable: Observable[Any]) -> None:
        """Subscribe; what is heard before this returns is told before it returns."""
        clock: abc.SchedulerBase
        if self._turns is None:
            clock = CurrentThreadScheduler.singleton()
        else:
            clock = EngineScheduler(self._turns, self._fail)
        try:
            self._subscription = observable.subscribe(
                self._hear, self._fail, self._complete, scheduler=clock
            )
        except Exception as error:
            self._fail(error)
        self._busy = False
        if self._inbox or self._over:
            self.drive()

    # -- what the Observable tells, on any thread ----------------------------------------------

    def _hear(self, item: Any) -> None:
        with self._lock:
            if self._over or self.closed:
                return
            if len(self._inbox) < _CAPACITY:
                self._inbox.append(item)
            else:
                self._over = True
                self._error = overflow(self.plan().nodes[0], _CAPACITY)
        self._ask()

    def _fail(self, error: BaseException) -> None:
        self._finish(error)

    def _complete(self) -> None:
        self._finish(None)

    def _finish(self, error: BaseException | None) -> None:
        with self._lock:
            if self._over or self.closed:
                return
            self._over = True
            self._error = error
        self._ask()

    def _ask(self) -> None:
        """Have it looked at: now where there is no loop, else in the loop's next turn."""
        here = threading.get_ident() == self._thread
        if self._turns is None:
            if not here:
                raise AuthorError(
                    "another thread pushed into a stream that was subscribed without an event loop: "
                    "subscribe inside asyncio.run(…)"
                )
            if not self._busy:
                self.drive()
        elif not (self._asked or (here and self._busy)):
            self._asked = True
            if here:
                self._turns.call_soon(self.drive)
                return
            try:
                self._turns.call_soon_threadsafe(self.drive)
            except RuntimeError:  # the loop is closed, so nobody listens
                return

    # -- the line's side -----------------------------------------------------------------------

    def _advance(self, on_next: Callable[[Any], None]) -> Came:
        self._asked = False
        self._busy = True
        until = perf_counter() + SLICE_S if self._turns else float("inf")
        inbox = self._inbox
        try:
            while inbox and not self.closed:
                items = [inbox.popleft() for _ in range(min(BATCH, len(inbox)))]
                self._loop(items, on_next, self)
                if perf_counter() > until:
                    return Came.MORE
        finally:
            self._busy = False
        with self._lock:
            if inbox or not self._over:  # another thread may have come in between
                return Came.MORE if inbox else Came.NONE_YET
        if self._error is not None:
            self._locate(self._error)
        return Came.ALL

    def _end(self, error: BaseException | None) -> None:
        super()._end(error or self._error)

    def _let_go(self) -> None:
        self._inbox.clear()
        if self._subscription is not None:
            try:
                self._subscription.dispose()
            except Exception as error:
                self._close_failed(error)

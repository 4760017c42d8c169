"""One clock for everything timed: reactivex's operators run on the event loop's time through this.

`now` is wall-clock time that advances with the loop's clock, so virtual time drives it too. Actions that are
due at once are counted: who feeds the operators waits for them before it says that nothing follows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from reactivex import abc, typing
from reactivex.disposable import CompositeDisposable, Disposable, SingleAssignmentDisposable
from reactivex.scheduler.periodicscheduler import PeriodicScheduler

_T = TypeVar("_T")


class EngineScheduler(PeriodicScheduler):
    """A reactivex scheduler on one event loop; an action that raises is reported, never lost."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, failed: Callable[[BaseException], None]
    ) -> None:
        super().__init__()
        self._loop = loop
        self._failed = failed
        self._offset = datetime.now(UTC) - timedelta(seconds=loop.time())
        self.due_now = 0
        """Actions scheduled without a delay that have not run."""
        self.on_settled: Callable[[], None] = lambda: None
        """Called when the last of them has run."""

    @property
    def now(self) -> datetime:
        return self._offset + timedelta(seconds=self._loop.time())

    def schedule(
        self, action: typing.ScheduledAction[_T], state: _T | None = None
    ) -> abc.DisposableBase:
        return self._run_in(0.0, action, state)

    def schedule_relative(
        self,
        duetime: typing.RelativeTime,
        action: typing.ScheduledAction[_T],
        state: _T | None = None,
    ) -> abc.DisposableBase:
        return self._run_in(max(0.0, self.to_seconds(duetime)), action, state)

    def schedule_absolute(
        self,
        duetime: typing.AbsoluteTime,
        action: typing.ScheduledAction[_T],
        state: _T | None = None,
    ) -> abc.DisposableBase:
        due = self.to_datetime(duetime)
        return self._run_in(max(0.0, (due - self.now).total_seconds()), action, state)

    @classmethod
    def to_datetime(cls, value: typing.AbsoluteOrRelativeTime) -> datetime:
        """Datetimes with a time zone, because `now` has one."""
        found = super().to_datetime(value)
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    def _run_in(
        self, delay: float, action: typing.ScheduledAction[_T], state: _T | None
    ) -> abc.DisposableBase:
        inner = SingleAssignmentDisposable()
        counted = delay <= 0
        self.due_now += counted

        def settle() -> None:
            nonlocal counted
            if counted:
                counted = False
                self.due_now -= 1
                if not self.due_now:
                    self.on_settled()

        def run() -> None:
            try:
                inner.disposable = self.invoke_action(action, state=state)
            except Exception as error:
                self._failed(error)
            settle()

        def cancel() -> None:
            handle.cancel()
            settle()

        handle: asyncio.Handle = (
            self._loop.call_later(delay, run) if delay > 0 else self._loop.call_soon(run)
        )
        return CompositeDisposable(inner, Disposable(cancel))

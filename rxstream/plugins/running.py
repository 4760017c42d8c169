"""What an action may see and say while it runs, and how somebody outside tells it to stop.

An action that wants it declares a parameter annotated `ActionContext`; clients neither see nor give that
one. The token is the same object that plugins of the older kind are given as `cancellation_token`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Final

import structlog

from rxstream.errors import ExecutionCancelled
from rxstream.events import Progress
from rxstream.source import SourcePort

ProgressCallback = Callable[[Progress], Any]
"""Told of every report of progress, on the thread that makes it."""

_log: Final = structlog.get_logger(__name__)


class CancellationToken:
    """Asks what was started with it to stop. Once and for good; any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: dict[object, Callable[[], None]] = {}
        self._reason: str | None = None

    @property
    def is_cancelled(self) -> bool:
        """Whether it was asked to stop."""
        return self._reason is not None

    @property
    def reason(self) -> str | None:
        """Why, once it was."""
        return self._reason

    def cancel(self, reason: str = "cancelled by its token") -> None:
        """Ask to stop. A second call changes nothing."""
        with self._lock:
            if self._reason is not None:
                return
            self._reason = reason
            callbacks, self._callbacks = list(self._callbacks.values()), {}
        for callback in callbacks:
            callback()

    def check(self) -> None:
        """Raise `ExecutionCancelled` if it was asked to stop: for a loop that does not wait."""
        if self._reason is not None:
            raise ExecutionCancelled(self._reason)

    def when_cancelled(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call it once when it is cancelled, on the thread that cancels; at once if that has happened.

        The result takes it back.
        """
        key = object()
        with self._lock:
            late = self._reason is not None
            if not late:
                self._callbacks[key] = callback
        if late:
            callback()

        def forget() -> None:
            with self._lock:
                self._callbacks.pop(key, None)

        return forget


class ActionContext:
    """One run of an action, as the action sees it."""

    def __init__(
        self, port: SourcePort, token: CancellationToken, told: ProgressCallback | None = None
    ) -> None:
        self._port = port
        self._told = told
        self.token = token
        """Cancelled when the run is over or unwanted: what a thread of the action's looks at."""

    @property
    def execution_id(self) -> str:
        """The execution it runs in; empty without an engine."""
        return self._port.execution_id

    @property
    def node_id(self) -> str:
        """The node it is."""
        return self._port.node_id

    @property
    def start(self) -> Any:
        """The offset to go on from after a restart, or None for the beginning."""
        return self._port.start

    def seek_point(self, offset: Any) -> None:
        """Say, before each element, where a restart behind that element would go on: plain data."""
        self._port.seek_point(offset)

    def progress(
        self, percentage: float | None, message: str | None = None, status: str | None = "running"
    ) -> None:
        """Say how far it is: 0 to 100, or None when nobody knows.

        The log gets ten a second of them, a progress callback every one.
        """
        self._port.progress(percentage, message, status)
        if self._told is None:
            return
        if percentage is not None:
            percentage = min(100.0, max(0.0, float(percentage)))
        try:
            self._told(Progress(percentage, message, status))
        except Exception:
            # whoever watches must not break what is watched
            _log.warning("progress_callback_failed", node=self.node_id, exc_info=True)
            self._told = None

    def take_report(self, report: Any, message: str | None = None, status: Any = "running") -> None:
        """`progress` for plugins of the older kind, which report one object or three values.

        The object has `percentage`, `message` and `status`, as attributes or as keys.
        """
        if isinstance(report, dict):
            self.progress(
                report.get("percentage"), report.get("message"), report.get("status", "running")
            )
        elif hasattr(report, "percentage"):
            self.progress(
                report.percentage,
                getattr(report, "message", None),
                getattr(report, "status", "running"),
            )
        else:
            self.progress(report, message, status)


class TellingPort:
    """A node's port whose reports of progress also reach the action's callback.

    So that `rxstream.progress`, called somewhere below the action, is heard there too.
    """

    def __init__(self, port: Any, context: ActionContext) -> None:
        self._port = port
        self._context = context

    def progress(
        self, percentage: float | None, message: str | None = None, status: str | None = "running"
    ) -> None:
        self._context.progress(percentage, message, status)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)


class Interruption:
    """Lets a token interrupt what a task awaits, as `asyncio.timeout` does, and only while it awaits.

    Must be entered around each wait for the action: a task that is cancelled elsewhere would take the
    cancellation for the engine's.
    """

    def __init__(self, token: CancellationToken) -> None:
        self._token = token
        self._task: asyncio.Task[Any] | None = None
        self._asked = False

    def listen(self) -> Callable[[], None]:
        """Hear the token from any thread; the result ends it."""
        loop = asyncio.get_running_loop()

        def called() -> None:
            try:
                loop.call_soon_threadsafe(self._interrupt)
            except RuntimeError:  # the loop was closed, and the action with it
                return

        return self._token.when_cancelled(called)

    def __enter__(self) -> None:
        self._token.check()
        self._task = asyncio.current_task()

    def __exit__(self, kind: type[BaseException] | None, error: Any, _trace: object) -> None:
        task, self._task = self._task, None
        if kind is SystemExit:  # it would end the event loop, and everybody on it
            raise RuntimeError(f"the action called sys.exit({error.code!r})") from error
        if not self._asked or task is None:
            return
        self._asked = False
        # when the engine cancels too, that goes first
        if task.uncancel() == 0:
            raise ExecutionCancelled(self._token.reason or "cancelled") from None

    def _interrupt(self) -> None:
        if self._task is not None:
            self._asked = True
            self._task.cancel()

"""The tasks of a running graph: each belongs to a unit, is cancelled once when that closes, and waited for.

What a cancelled task still does in its `finally` is closing. A new attempt of the same nodes waits until that
is done, and so does the end of the graph; who takes too long is named, cancelled again and left behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Coroutine, Iterable
from contextvars import Context
from typing import Any, Final

import structlog

from rxstream.engine.island import ordinary
from rxstream.engine.unit import Unit

CLOSE_S: Final = 5.0
"""How long what a unit opened may take to close, in seconds, before it is left behind."""

_log = structlog.get_logger("rxstream.engine")


class Tasks:
    """All tasks of one running graph, each with the unit it belongs to."""

    def __init__(self, execution_id: str) -> None:
        self.over = False
        """The graph has ended: what a task raises now can change nothing."""
        self.awaiting: set[Unit] = set()
        """Units that wait for what their last attempt opened to close."""
        self._execution_id = execution_id
        self._owners: dict[asyncio.Task[None], Unit] = {}
        self._patience = float("inf")
        self._impatient: Callable[[float], None] | None = None

    def spawn(
        self,
        loop: asyncio.AbstractEventLoop,
        unit: Unit,
        coroutine: Coroutine[Any, Any, None],
        context: Context,
    ) -> asyncio.Task[None]:
        """Run a coroutine that belongs to a unit."""
        task = loop.create_task(coroutine, name=f"rxstream {unit.node.id}", context=context)
        self._owners[task] = unit
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        unit = self._owners.pop(task)
        alive = not unit.closed and not self.over
        if not task.cancelled():
            error = task.exception()
        else:
            error = RuntimeError("what its code awaited was cancelled") if alive else None
        if error is None:
            return
        if alive:
            unit.fail(ordinary(error))
        else:
            self.close_failed(unit, error)

    def close_failed(self, unit: Unit, error: BaseException) -> None:
        """What a unit's code raised when it was told to let go: too late to fail, so it is logged."""
        _log.warning(
            "error while closing",
            execution_id=self._execution_id,
            node=unit.node.id,
            error=repr(error),
        )

    def cancel(self, unit: Unit) -> None:
        """The unit has closed: cancel what belongs to it, but the task that closed it."""
        self.awaiting.discard(unit)
        current = None
        for task, owner in list(self._owners.items()):
            if owner is unit:
                current = current or asyncio.current_task(task.get_loop())
                if task is not current:
                    _cancel(task)

    def when_closed(self, unit: Unit, nodes: Container[str], function: Callable[[], None]) -> None:
        """Call a function once the tasks of these nodes' closed units have ended, at once if none is left.

        Those that take longer than `CLOSE_S` are waited for no more. Nothing is called when `unit` closes.
        """
        left = {
            task: owner.node.id
            for task, owner in self._owners.items()
            if owner.closed and owner.node.id in nodes
        }
        if not left:
            function()
            return
        self.awaiting.add(unit)

        def go() -> None:
            late.cancel()
            self.awaiting.discard(unit)
            try:
                function()
            except Exception as error:
                unit.fail(error)

        def done(task: asyncio.Task[None]) -> None:
            del left[task]
            if not left and unit in self.awaiting and not self.over:
                go()

        def give_up() -> None:
            self._resisted(left.values(), CLOSE_S)
            go()

        late = unit.runtime.call_later(unit, CLOSE_S, give_up)
        for task in tuple(left):
            task.add_done_callback(done)

    async def close(self, timeout: float) -> list[str]:
        """Cancel and wait for all; returns the nodes whose tasks resisted for `timeout` seconds."""
        self.over = True
        owners = {task: unit.node.id for task, unit in self._owners.items()}
        if not owners:
            return []
        for task in owners:
            _cancel(task)
        loop = asyncio.get_running_loop()
        given_up: asyncio.Future[None] = loop.create_future()
        timers: list[asyncio.TimerHandle] = []

        def give_up() -> None:
            if not given_up.done():
                given_up.set_result(None)

        def impatient(seconds: float) -> None:
            timers.append(loop.call_later(seconds, give_up))

        seconds = min(timeout, self._patience)
        impatient(seconds)
        self._impatient = impatient
        left: set[asyncio.Task[None]] = set(owners)
        while left and not given_up.done():
            await asyncio.wait({*left, given_up}, return_when=asyncio.FIRST_COMPLETED)
            left = {task for task in left if not task.done()}
        self._impatient = None
        for timer in timers:
            timer.cancel()
        resisting = sorted({owners[task] for task in left})
        if resisting:
            self._resisted(resisting, min(seconds, self._patience))
        for task in left:
            task.cancel()
        return resisting

    def hurry(self, seconds: float) -> None:
        """Let `close`, under way or to come, take no longer than this."""
        self._patience = min(self._patience, seconds)
        if self._impatient is not None:
            self._impatient(seconds)

    def _resisted(self, nodes: Iterable[str], seconds: float) -> None:
        _log.warning(
            "nodes did not close in time",
            execution_id=self._execution_id,
            nodes=sorted(set(nodes)),
            seconds=seconds,
        )


def _cancel(task: asyncio.Task[None]) -> None:
    """Cancel once: a second time would break into its `finally`."""
    if not task.cancelling():
        task.cancel()

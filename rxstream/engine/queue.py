"""The executions that wait, and the calls: the shell around the scheduler on the engine's loop.

It starts who may go, tells those that wait where they stand, and reaches those that never can go. Who waits
longer than a second is told so in an event, again when its place in the line has halved or it waits for
something else; at most every five seconds and twenty times.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from rxstream.engine.execution import Execution
from rxstream.engine.scheduling import Moves, Request, Scheduler, Waiting, WaitsFor
from rxstream.engine.states import ENDED, Status
from rxstream.errors import ExecutionCancelled
from rxstream.events import EventType, Progress

FIRST_TOLD_S: Final = 1.0
"""How long an execution waits before an event says so, and how often is looked, in seconds."""

TOLD_AGAIN_S: Final = 5.0
"""Least time between two events that say where an execution stands, in seconds."""

MOST_TOLD: Final = 20
"""Events that say where one execution stands."""


@dataclass
class _Told:
    since: float
    at: float = float("-inf")
    times: int = 0
    shown: Waiting | None = None


class Queue:
    """Executions and calls that wait for their turn; `run` starts an execution."""

    def __init__(self, scheduler: Scheduler, run: Callable[[Execution], None]) -> None:
        self.scheduler = scheduler
        self.run = run
        self._waiting: dict[str, tuple[Execution, _Told]] = {}
        self._calls: dict[str, asyncio.Future[None]] = {}
        self._timer: asyncio.TimerHandle | None = None

    # -- executions ----------------------------------------------------------------------------

    @property
    def waiting(self) -> list[Execution]:
        """Executions that wait, in the order in which they came."""
        return [execution for execution, _ in self._waiting.values()]

    def offer(self, execution: Execution, request: Request, since: float | None = None) -> bool:
        """Whether it goes now; else it is started when it may. Raises `Overloaded`."""
        if self.scheduler.offer(request, _now(), since):
            return True
        self._waiting[request.id] = execution, _Told(_now())
        execution.on_settled(lambda: self._leave(execution))
        self._watch()
        return False

    def hold(self, request: Request) -> None:
        """One that ran before the process was started again goes on, whatever there is."""
        self.scheduler.hold(request)

    def ended(self, execution: Execution) -> None:
        """It has ended or was suspended: what it held is free, and who waits for it hears of it."""
        if execution.status not in ENDED:
            self._apply(self.scheduler.release(execution.id, _now()))
            return
        succeeded = execution.status is Status.COMPLETED
        moves = self.scheduler.ended(execution.id, succeeded, _now())
        for name, _ in moves.doomed:
            waiting, _ = self._waiting.pop(name)
            waiting.settle(doom(execution.id, execution.record.status))
            self.run(waiting)
        self._apply(moves)

    def pause(self) -> None:
        """Start nothing any more."""
        self.scheduler.paused = True

    def go_on(self) -> None:
        """Start executions again after `pause`."""
        self._apply(self.scheduler.resume(_now()))

    def shown(self) -> dict[str, dict[str, Any]]:
        """Where each stands, as clients see it: `{position, waiting_for: [{kind, name}]}`."""
        return {
            name: {
                "position": waiting.position,
                "waiting_for": [_plain(what) for what in waiting.waits_for],
            }
            for name, waiting in self.scheduler.line().items()
        }

    def _leave(self, execution: Execution) -> None:
        """Something has ended it while it waited, so it needs no place to say so."""
        if self._waiting.pop(execution.id, None) is not None:
            moves = self.scheduler.withdraw(execution.id, _now())
            self.run(execution)
            self._apply(moves)

    def _apply(self, moves: Moves) -> None:
        for name in moves.admitted:
            call = self._calls.pop(name, None)
            if call is not None:
                call.set_result(None)
            else:
                self.run(self._waiting.pop(name)[0])

    # -- calls ---------------------------------------------------------------------------------

    async def acquire(self, request: Request) -> None:
        """Wait until a call may go; cancelled, it holds nothing. Raises `Overloaded`."""
        if self.scheduler.offer(request, _now()):
            return
        call = self._calls[request.id] = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait((call,))
        except asyncio.CancelledError:
            if self._calls.pop(request.id, None) is None:  # it was let go in the same moment
                self.release(request.id)
            else:
                self._apply(self.scheduler.withdraw(request.id, _now()))
            raise

    def release(self, call_id: str) -> None:
        """The call has what it held no more."""
        self._apply(self.scheduler.release(call_id, _now()))

    # -- telling -------------------------------------------------------------------------------

    def _watch(self) -> None:
        if self._timer is None and self._waiting:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(FIRST_TOLD_S, self._tell)

    def _tell(self) -> None:
        self._timer = None
        now = _now()
        due = {
            name: (execution, told)
            for name, (execution, told) in self._waiting.items()
            if now - told.since >= FIRST_TOLD_S
            and now - told.at >= TOLD_AGAIN_S
            and told.times < MOST_TOLD
        }
        line = self.scheduler.line() if due else {}
        for name, (execution, told) in due.items():
            stands = line[name]
            if _differs(told.shown, stands):
                told.at, told.shown, told.times = now, stands, told.times + 1
                execution.recorder.add(
                    EventType.STEP_PROGRESS, None, Progress(None, message_of(stands), "queued")
                )
        self._watch()

    def close(self) -> None:
        """Tell nobody anything more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def doom(execution_id: str, status: str) -> ExecutionCancelled:
    """Why one that had to wait for another's success never runs."""
    return ExecutionCancelled(
        f"execution {execution_id}, whose success this one waits for, is {status}",
        code="dependency_failed",
    )


def message_of(waiting: Waiting) -> str:
    """Where one stands, for people."""
    things = [_SAID[what.kind].format(what.name) for what in waiting.waits_for]
    several = f"{', '.join(things[:-1])} and {things[-1]}" if len(things) > 1 else things[0]
    if waiting.position is None:
        return f"waits for {several}"
    return f"number {waiting.position} in the queue; waits for {several}"


_SAID: Final = {
    "execution": "execution {}",
    "resource": "{}",
    "place": "a place to run in",
    "turn": "its turn",
}


def _plain(what: WaitsFor) -> dict[str, str]:
    return {"kind": what.kind, "name": what.name} if what.name else {"kind": what.kind}


def _differs(before: Waiting | None, now: Waiting) -> bool:
    if before is None or before.waits_for != now.waits_for:
        return True
    return bool(before.position and now.position and now.position * 2 <= before.position)


def _now() -> float:
    return asyncio.get_running_loop().time()

"""The executions an engine knows: those that wait or run, each led by one task, and those that ended lately.

What has ended is counted and in time forgotten, the oldest first; the log knows it still.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Mapping
from typing import Any, Final

from rxstream.engine.execution import Execution
from rxstream.engine.statistics import EngineStatistics
from rxstream.errors import UnknownExecution

KEPT_ENDED: Final = 256
"""Ended executions that are still known."""


class Roster:
    """Executions of one engine, in the order in which they came."""

    def __init__(self) -> None:
        self._known: dict[str, Execution] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ended: Counter[str] = Counter()
        self._events = 0
        self._commits = 0

    @property
    def known(self) -> Mapping[str, Execution]:
        """All of them, by id."""
        return self._known

    @property
    def led(self) -> list[Execution]:
        """Those that a task leads now."""
        return [self._known[name] for name in self._tasks if name in self._known]

    def get(self, execution_id: str) -> Execution:
        """One of them. Raises `UnknownExecution`."""
        try:
            return self._known[execution_id]
        except KeyError:
            raise UnknownExecution(
                f"no execution of this engine has the id {execution_id[:80]!r}"
            ) from None

    def add(self, execution: Execution, waiting: int) -> None:
        """One more; an old one that has ended may go for it. So many wait."""
        self._known[execution.id] = execution
        if len(self._known) > KEPT_ENDED + len(self._tasks) + waiting:
            for known in list(self._known.values()):
                if known.ended and not known.watched:
                    del self._known[known.id]
                    return

    def drop(self, execution: Execution) -> None:
        """It never began."""
        self._known.pop(execution.id, None)

    def lead(self, execution: Execution, leading: Coroutine[Any, Any, None]) -> None:
        """Lead it by a task of its own."""
        self._tasks[execution.id] = asyncio.get_running_loop().create_task(
            leading, name=f"rxstream {execution.graph} {execution.id}"
        )

    def led_to_its_end(self, execution: Execution) -> None:
        """Its task is done with it."""
        self._tasks.pop(execution.id, None)
        self._ended[execution.record.status] += 1
        self._events += execution.recorder.events
        self._commits += execution.recorder.commits

    async def none_led(self) -> None:
        """Wait until no task leads one."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    def statistics(self, objectives: dict[str, list[Any]]) -> EngineStatistics:
        """What can be seen of all of them now."""
        alive = [e for e in self._known.values() if not e.ended]
        statuses = Counter(self._ended)
        statuses.update(e.record.status for e in alive)
        return EngineStatistics(
            dict(statuses),
            self._events + sum(e.recorder.events for e in alive),
            self._commits + sum(e.recorder.commits for e in alive),
            [e.statistics() for e in alive],
            objectives,
        )

"""How reliable executions are, folded from their events: live as a sink, or from a log, with equal results.

Only what has ended counts: a step that still runs has neither succeeded nor failed. Where there is nothing to
measure a figure is None, never a perfect score. With a window, executions count that run, or ended in so many
seconds before the last fact. Must not know who runs what it is told of.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import Any, ClassVar, Final, Self

from rxstream.errors import AuthorError
from rxstream.events import TERMINAL, EventType, StreamEvent
from rxstream.log import EventLog
from rxstream.numbers import is_number
from rxstream.pipeline.durations import MOST_DURATIONS, Durations, Spread
from rxstream.sink import Sink, Write
from rxstream.source import Port

MOST_ENDED: Final = 10_000
"""Ended executions that are remembered, so that one that is told twice is counted once."""

_PAGE: Final = 100
_EVENTS: Final = 1_000


@dataclass(frozen=True)
class ReliabilityReport:
    """What can be said; None is no data. Skipped steps are not counted.

    `SR`: steps that succeeded, of those that ended. `CR`: steps that were undone, of those. `TCL`: how long
    tool calls took. `WCT`: how long executions took that ended, whichever way. `retries` an execution.
    `asked`: the share of executions that needed a person.
    """

    executions: int
    steps: int
    SR: float | None
    CR: float | None
    TCL: Spread | None
    WCT: Spread | None
    retries: float | None
    asked: float | None


class _Run:
    """What was seen of one execution that has not ended."""

    def __init__(self) -> None:
        self.last = 0
        self.began: datetime | None = None
        self.steps: dict[str, bool] = {}
        """Whether each that ended succeeded."""
        self.undone: set[str] = set()
        self.calls: dict[tuple[str | None, Any], datetime] = {}
        self.retries = 0
        self.asked = False

    def sums(self) -> _Sums:
        """What it adds to the sums."""
        good = sum(self.steps.values())
        return _Sums(1, len(self.steps), good, len(self.undone), self.retries, self.asked)


@dataclass(slots=True)
class _Sums:
    """What executions add up to."""

    executions: int = 0
    steps: int = 0
    good: int = 0
    undone: int = 0
    retries: int = 0
    asked: int = 0

    def add(self, other: _Sums, sign: int = 1) -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + sign * getattr(other, name))

    def shares(self) -> dict[str, float | None]:
        return {
            "SR": _share(self.good, self.steps),
            "CR": _share(self.undone, self.steps),
            "retries": _share(self.retries, self.executions),
            "asked": _share(self.asked, self.executions),
        }


class Reliability(Sink[StreamEvent]):
    """Folds the events of any number of executions; `execution.subscribe(reliability)` gives it one's.

    `window` is in seconds; None is all there ever was.
    """

    name: ClassVar[str] = "reliability"

    def __init__(self, window: float | None = None) -> None:
        if window is not None and not (is_number(window) and 0 < window < math.inf):
            raise AuthorError(f"a window is a number of seconds above 0, not {window!r}")
        self._window = None if window is None else timedelta(seconds=window)
        self._last: datetime | None = None
        self._runs: dict[str, _Run] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._sums = _Sums()
        self._leaving: list[tuple[datetime, int, _Sums]] = []
        """A heap of what will leave the window, with a number that is nobody else's."""
        self._count = 0
        self._calls = Durations()
        self._durations = Durations()

    @classmethod
    async def of(cls, log: EventLog, graph: str | None = None, window: float | None = None) -> Self:
        """From all that a log still has of one graph, or of all."""
        made, after = cls(window), None
        while records := await log.records(graph=graph, limit=_PAGE, after=after):
            for record in records:
                await made.read(log, record.execution_id)
            after = records[-1].execution_id
        return made

    async def read(self, log: EventLog, execution_id: str) -> None:
        """Fold what a log still has of one execution."""
        last = (await log.head(execution_id)).first - 1
        while events := await log.read(execution_id, last, _EVENTS):
            self.add(events)
            last = events[-1].sequence or 0

    @asynccontextmanager
    async def open(self, port: Port) -> AsyncIterator[Write[StreamEvent]]:
        """Count; leaving releases nothing, so the figures stay."""

        async def write(batch: Sequence[StreamEvent]) -> None:
            self.add(batch)

        yield write

    def add(self, events: Iterable[StreamEvent]) -> None:
        """Fold events, of each execution in their order; one that was folded before is left out."""
        for event in events:
            if event.sequence is None or event.execution_id in self._ended:
                continue
            run = self._run(event.execution_id)
            if event.sequence <= run.last:
                continue
            run.last = event.sequence
            kind = event.event_type
            if kind == EventType.STEP_OUTPUT and b'"tool_' not in event.json:
                continue  # most are not looked into
            self.fold(event.execution_id, kind, event.step_id, event.data, event.timestamp)

    def fold(
        self, execution_id: str, event_type: str, step: str | None, data: Any, at: datetime
    ) -> None:
        """Fold one fact, which was not folded before."""
        self._last = at if self._last is None else max(self._last, at)
        run = self._run(execution_id)
        if event_type in TERMINAL:
            self._end(execution_id, run, at)
        else:
            # only what this one adds: many may run, and a judge asks after each fact
            self._sums.add(run.sums(), -1)
            self._fold(run, event_type, step, data, at)
            self._sums.add(run.sums())

    def report(self) -> ReliabilityReport:
        """What can be said now."""
        self._forget_old()
        return ReliabilityReport(
            executions=self._sums.executions,
            steps=self._sums.steps,
            TCL=self._calls.spread(),
            WCT=self._durations.spread(),
            **self._sums.shares(),
        )

    def share(self, figure: str) -> float | None:
        """`SR`, `CR`, `retries` or `asked` of the report."""
        self._forget_old()
        return self._sums.shares()[figure]

    @property
    def executions(self) -> int:
        """How many count."""
        self._forget_old()
        return self._sums.executions

    def durations(self, figure: str) -> Durations:
        """What `TCL` or `WCT` is of."""
        self._forget_old()
        return self._calls if figure == "TCL" else self._durations

    def _run(self, execution_id: str) -> _Run:
        run = self._runs.get(execution_id)
        if run is None:
            run = self._runs[execution_id] = _Run()
            self._sums.add(run.sums())
        return run

    def _forget_old(self) -> None:
        if self._window is None or self._last is None:
            return
        before = self._last - self._window
        self._calls.forget(before)
        self._durations.forget(before)
        while self._leaving and self._leaving[0][0] <= before:
            self._sums.add(heappop(self._leaving)[2], -1)

    def _fold(self, run: _Run, kind: str, step: str | None, data: Any, at: datetime) -> None:
        if kind == EventType.STEP_OUTPUT:
            self._fold_call(run, step, data, at)
        elif kind == EventType.STEP_COMPLETE:
            if step is not None and not data.get("skipped"):
                run.steps[step] = True
        elif kind == EventType.STEP_ERROR:
            if data["will_retry"]:
                run.retries += 1
            elif step is not None and "handled" not in data:
                run.steps[step] = False
        elif kind == EventType.STEP_PROGRESS:
            if step is not None and data["status"] == "compensating":
                run.undone.add(step)
        elif kind == EventType.INPUT_REQUESTED:
            run.asked = True
        elif kind == EventType.PIPELINE_START:
            run.began = at

    def _fold_call(self, run: _Run, step: str | None, data: Any, at: datetime) -> None:
        if not isinstance(data, dict):
            return
        call = (step, str(data.get("id")))
        if data.get("type") == "tool_call":
            run.calls[call] = at
        elif data.get("type") == "tool_result" and call in run.calls:
            self._calls.add(at, _ms(run.calls.pop(call), at))

    def _end(self, execution_id: str, run: _Run, at: datetime) -> None:
        if run.began is not None:
            self._durations.add(at, _ms(run.began, at))
        if self._window is not None:
            heappush(self._leaving, (at, self._count, run.sums()))
            self._count += 1
            if len(self._leaving) > MOST_DURATIONS:
                self._sums.add(heappop(self._leaving)[2], -1)
        del self._runs[execution_id]
        self._ended[execution_id] = None
        if len(self._ended) > MOST_ENDED:
            self._ended.popitem(last=False)


def _ms(began: datetime, ended: datetime) -> float:
    return (ended - began).total_seconds() * 1_000


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None

"""How reliable executions are, folded from their events: live as a sink, or from a log, with equal results.

Only what has ended counts: a step that still runs has neither succeeded nor failed. Where there is nothing to
measure a figure is None, never a perfect score. Must not know who runs what it is told of.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final, Self

from rxstream.events import EventType, StreamEvent
from rxstream.log import EventLog
from rxstream.sink import Sink, Write
from rxstream.source import Port

MOST_DURATIONS: Final = 100_000
"""Durations that are kept, the newest; quantiles and means are of these."""

MOST_ENDED: Final = 10_000
"""Ended executions that are remembered, so that one that is told twice is counted once."""

_PAGE: Final = 100
_EVENTS: Final = 1_000


@dataclass(frozen=True)
class Spread:
    """Of some durations in milliseconds; a quantile is the smallest that so many are not above."""

    count: int
    mean: float
    p50: float
    p95: float
    p99: float


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


class Reliability(Sink[StreamEvent]):
    """Folds the events of any number of executions; `execution.subscribe(reliability)` gives it one's."""

    name: ClassVar[str] = "reliability"

    def __init__(self) -> None:
        self._runs: dict[str, _Run] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._executions = self._steps = self._good = self._undone = 0
        self._retries = self._asked = 0
        self._calls: deque[float] = deque(maxlen=MOST_DURATIONS)
        self._durations: deque[float] = deque(maxlen=MOST_DURATIONS)

    @classmethod
    async def of(cls, log: EventLog, graph: str | None = None) -> Self:
        """From all that a log still has of one graph, or of all."""
        made, after = cls(), None
        while records := await log.records(graph=graph, limit=_PAGE, after=after):
            for record in records:
                last = (await log.head(record.execution_id)).first - 1
                while events := await log.read(record.execution_id, last, _EVENTS):
                    made.add(events)
                    last = events[-1].sequence or 0
            after = records[-1].execution_id
        return made

    @asynccontextmanager
    async def open(self, port: Port) -> AsyncIterator[Write[StreamEvent]]:
        """Count; leaving releases nothing, so the figures stay."""

        async def write(batch: Sequence[StreamEvent]) -> None:
            self.add(batch)

        yield write

    def add(self, events: Iterable[StreamEvent]) -> None:
        """Fold events, of each execution in their order; one that was folded before is left out."""
        for event in events:
            if event.execution_id in self._ended:
                continue
            run = self._runs.setdefault(event.execution_id, _Run())
            if event.sequence is None or event.sequence <= run.last:
                continue
            run.last = event.sequence
            self._fold(run, event)

    def report(self) -> ReliabilityReport:
        """What can be said now."""
        runs = self._runs.values()
        executions = self._executions + len(runs)
        steps = self._steps + sum(len(run.steps) for run in runs)
        good = self._good + sum(sum(run.steps.values()) for run in runs)
        undone = self._undone + sum(len(run.undone) for run in runs)
        retries = self._retries + sum(run.retries for run in runs)
        asked = self._asked + sum(run.asked for run in runs)
        return ReliabilityReport(
            executions=executions,
            steps=steps,
            SR=good / steps if steps else None,
            CR=undone / steps if steps else None,
            TCL=_spread(self._calls),
            WCT=_spread(self._durations),
            retries=retries / executions if executions else None,
            asked=asked / executions if executions else None,
        )

    def _fold(self, run: _Run, event: StreamEvent) -> None:
        kind, step = event.event_type, event.step_id
        if kind == EventType.STEP_OUTPUT:
            if b'"tool_' in event.json:  # most are not looked into
                self._fold_call(run, event)
        elif kind == EventType.STEP_COMPLETE:
            if step is not None and not event.data.get("skipped"):
                run.steps[step] = True
        elif kind == EventType.STEP_ERROR:
            if event.data["will_retry"]:
                run.retries += 1
            elif step is not None:
                run.steps[step] = False
        elif kind == EventType.STEP_PROGRESS:
            if step is not None and event.data["status"] == "compensating":
                run.undone.add(step)
        elif kind == EventType.INPUT_REQUESTED:
            run.asked = True
        elif kind == EventType.PIPELINE_START:
            run.began = event.timestamp
        elif event.terminal:
            self._end(run, event)

    def _fold_call(self, run: _Run, event: StreamEvent) -> None:
        data = event.data
        if not isinstance(data, dict):
            return
        call = (event.step_id, str(data.get("id")))
        if data.get("type") == "tool_call":
            run.calls[call] = event.timestamp
        elif data.get("type") == "tool_result" and call in run.calls:
            self._calls.append(_ms(run.calls.pop(call), event.timestamp))

    def _end(self, run: _Run, event: StreamEvent) -> None:
        if run.began is not None:
            self._durations.append(_ms(run.began, event.timestamp))
        self._executions += 1
        self._steps += len(run.steps)
        self._good += sum(run.steps.values())
        self._undone += len(run.undone)
        self._retries += run.retries
        self._asked += run.asked
        del self._runs[event.execution_id]
        self._ended[event.execution_id] = None
        if len(self._ended) > MOST_ENDED:
            self._ended.popitem(last=False)


def _ms(began: datetime, ended: datetime) -> float:
    return (ended - began).total_seconds() * 1_000


def _spread(durations: Sequence[float]) -> Spread | None:
    if not durations:
        return None
    sorted_ = sorted(durations)

    def quantile(share: float) -> float:
        return sorted_[max(0, math.ceil(share * len(sorted_)) - 1)]

    mean = math.fsum(sorted_) / len(sorted_)  # the same in any order
    return Spread(len(sorted_), mean, quantile(0.5), quantile(0.95), quantile(0.99))

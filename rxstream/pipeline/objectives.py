"""`SLO`: what a pipeline promises of its reliability figures, judged while it runs.

A promise is about a figure over a window of time. It is broken where the figure is beyond its limit; with a
`burn_rate`, where the budget the limit leaves is used up so many times faster than the window allows. A break
is told once, and again only after the promise was kept in between. Without data nothing is broken.

The burn rate is that of the Site Reliability Workbook (Google, 2018), chapter 5: the share of bad events
divided by the share the objective allows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rxstream.errors import GraphError
from rxstream.events import EventType
from rxstream.log import EventLog
from rxstream.numbers import is_count, is_number
from rxstream.pipeline.reliability import Reliability

_SHARES: Final = ("SR", "CR", "asked")
_MEASURES: Final = {"mean": None, "p50": 0.5, "p95": 0.95, "p99": 0.99}
METRICS: Final = (
    *_SHARES,
    "retries",
    *(f"{figure}.{measure}" for figure in ("TCL", "WCT") for measure in _MEASURES),
)
"""What can be promised: fields of the `ReliabilityReport`, and of its spreads (in milliseconds)."""

_LOOKED_AT: Final = 1_000
"""Executions, the newest, that are read from a log to know what was before."""


@dataclass(frozen=True)
class SLO:
    """A promise: `metric` is `at_least` or `at_most` a limit over `window` seconds.

    `SLO("SR", at_least=0.99, window=3600)`; `SLO("WCT.p95", at_most=2_000, window=600, burn_rate=2)`.
    `least` is how many executions there have to be in the window before it is judged. Raises `GraphError`.
    """

    metric: str
    at_least: float | None = None
    at_most: float | None = None
    window: float = 3_600.0
    burn_rate: float | None = None
    least: int = 1
    name: str = ""
    """How events call it; the metric and its limit unless given."""

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise GraphError(f"an SLO is about one of {', '.join(METRICS)}, not {self.metric!r}")
        if (self.at_least is None) == (self.at_most is None):
            raise GraphError(f"SLO {self.metric}: give at_least or at_most, one of them")
        numbers = [self.threshold, self.window, 1 if self.burn_rate is None else self.burn_rate]
        if not (
            all(map(is_number, numbers))
            and math.isfinite(self.threshold)
            and 0 < self.window < math.inf
            and is_count(self.least)
        ):
            raise GraphError(
                f"SLO {self.metric}: its limit is a number, its window a number of seconds above 0, and "
                "`least` at least 1"
            )
        if self.metric in ("SR", "CR", "asked") and not 0 <= self.threshold <= 1:
            raise GraphError(
                f"SLO {self.metric}: its limit is a share, from 0 to 1, not {self.threshold:g}"
            )
        if not self.name:
            sign = "<=" if self.at_least is None else ">="
            object.__setattr__(self, "name", f"{self.metric} {sign} {self.threshold:g}")
        if self.burn_rate is not None and not (self.burn_rate > 0 and self._budget() > 0):
            raise GraphError(
                f"SLO {self.name}: a burn rate is above 0 and needs a budget: a share (SR, CR, asked) or a "
                "quantile whose limit leaves something that may go wrong"
            )

    @property
    def threshold(self) -> float:
        """The limit."""
        limit = self.at_least if self.at_most is None else self.at_most
        assert limit is not None
        return limit

    def value(self, seen: Reliability) -> float | None:
        """The figure now; None is no data."""
        figure, _, measure = self.metric.partition(".")
        if not measure:
            return seen.share(figure)
        durations, share = seen.durations(figure), _MEASURES[measure]
        return durations.mean() if share is None else durations.quantile(share)

    def burning(self, seen: Reliability) -> float | None:
        """How many times faster than allowed the budget is used up; None without data or budget."""
        figure, _, measure = self.metric.partition(".")
        budget = self._budget()
        if budget <= 0:
            return None
        bad = seen.durations(figure).above(self.threshold) if measure else seen.share(figure)
        if bad is None:
            return None
        return ((1 - bad) if self.at_least is not None else bad) / budget

    def broken(self, value: float | None, burning: float | None) -> bool:
        """Whether the promise is broken by these figures."""
        if value is None:
            return False
        if self.burn_rate is not None:
            return burning is not None and burning > self.burn_rate
        return value > self.threshold if self.at_least is None else value < self.threshold

    def _budget(self) -> float:
        """The share of events that may be bad; 0 where the figure has none."""
        figure, _, measure = self.metric.partition(".")
        share = _MEASURES.get(measure)
        if measure:
            return 1 - share if share is not None and self.at_most is not None else 0.0
        if figure not in _SHARES:
            return 0.0
        return self.threshold if self.at_least is None else 1 - self.at_least


@dataclass(frozen=True)
class ObjectiveStatus:
    """How one promise stands: the figure and the burn rate, None without data."""

    slo: str
    value: float | None
    threshold: float
    window_s: float
    burn_rate: float | None
    breached: bool


@dataclass(frozen=True)
class Objectives:
    """All promises of a pipeline (`rxstream.engine.judging.Objectives`)."""

    slos: Sequence[SLO]

    async def judge(self, log: EventLog, graph: str) -> Judge:
        """One who knows what a log says of the window that is over."""
        made = Judge(self.slos)
        await made.look_back(log, graph)
        return made


class Judge:
    """Judges the executions of one pipeline on one engine (`rxstream.engine.judging.Judge`)."""

    def __init__(self, slos: Sequence[SLO]) -> None:
        self._slos = slos
        self._seen = {slo.window: Reliability(slo.window) for slo in slos}
        self._broken: set[SLO] = set()

    async def look_back(self, log: EventLog, graph: str) -> None:
        """Read the newest executions of the longest window; what was broken then is told no more."""
        oldest = datetime.now(UTC) - timedelta(seconds=max(self._seen))
        for record in await log.records(graph=graph, limit=_LOOKED_AT):
            if record.ended_at is None or record.ended_at > oldest:
                for seen in self._seen.values():
                    await seen.read(log, record.execution_id)
        self._breaks()

    def told(
        self, execution_id: str, event_type: str, step_id: str | None, data: Any
    ) -> Iterable[dict[str, Any]]:
        """Learn one fact; the data of an `slo_breached` for each promise it breaks."""
        if event_type == EventType.STEP_START:
            return ()  # most facts of a pipeline, and they break nothing
        at = datetime.now(UTC)
        for seen in self._seen.values():
            seen.fold(execution_id, event_type, step_id, data, at)
        return [
            {
                "slo": slo.name,
                "value": status.value,
                "threshold": slo.threshold,
                "window_s": slo.window,
                "burn_rate": status.burn_rate,
            }
            for slo, status in self._breaks()
        ]

    def statuses(self) -> list[ObjectiveStatus]:
        """How all stand."""
        return [self._status(slo) for slo in self._slos]

    def _breaks(self) -> list[tuple[SLO, ObjectiveStatus]]:
        """The promises that were kept until now."""
        found = []
        for slo in self._slos:
            status = self._status(slo)
            if not status.breached:
                self._broken.discard(slo)
            elif slo not in self._broken:
                self._broken.add(slo)
                found.append((slo, status))
        return found

    def _status(self, slo: SLO) -> ObjectiveStatus:
        seen = self._seen[slo.window]
        value, burning = slo.value(seen), slo.burning(seen)
        enough = seen.executions >= slo.least
        broken = enough and slo.broken(value, burning)
        return ObjectiveStatus(slo.name, value, slo.threshold, slo.window, burning, broken)

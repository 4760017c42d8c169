"""How a graph's promises are judged: what an engine asks of whoever knows what they mean.

The engine tells every lifecycle fact of an execution (and every element of a tool), as it is recorded, and
records what is answered as `slo_breached`. What ends an execution is told first, because nothing can follow
it. Must not know what is promised.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from rxstream.engine.recorder import Recorder
from rxstream.events import EventType, Progress
from rxstream.graph.build import BoundGraph, Graph
from rxstream.log.contract import EventLog


class Judge(Protocol):
    """Knows the executions of one graph on one engine."""

    def told(
        self, execution_id: str, event_type: str, step_id: str | None, data: Any
    ) -> Iterable[dict[str, Any]]:
        """Learn one fact; the data of an event for each promise it breaks."""
        ...

    def statuses(self) -> Sequence[Any]:
        """How each promise stands."""
        ...


class Objectives(Protocol):
    """What a graph promises (`Graph.objectives`)."""

    async def judge(self, log: EventLog, graph: str) -> Judge:
        """One who knows what the log says."""
        ...


class Judges:
    """Those of one engine, made when their graph is first run."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._known: dict[tuple[str, Any], Judge] = {}

    async def of(self, given: Graph[..., Any] | BoundGraph) -> Judge | None:
        """Who judges this graph; None if it promises nothing. Raises `LogError`."""
        graph = given.graph if isinstance(given, BoundGraph) else given
        if graph.objectives is None:
            return None
        key = (graph.name, graph.objectives)
        if key not in self._known:
            made = await graph.objectives.judge(self._log, graph.name)
            self._known.setdefault(key, made)  # another start may have been faster
        return self._known[key]

    def statuses(self) -> dict[str, list[Any]]:
        """How the promises stand, by graph."""
        found: dict[str, list[Any]] = {}
        for (graph, _), judge in self._known.items():
            found.setdefault(graph, []).extend(judge.statuses())
        return found


def report_to(judge: Judge, recorder: Recorder, execution_id: str) -> None:
    """Have a judge told what is recorded, and what it says recorded too."""

    def told(event_type: str, step_id: str | None, data: Any) -> None:
        plain = {"status": data.status} if isinstance(data, Progress) else data
        for breach in judge.told(execution_id, event_type, step_id, plain):
            recorder.add(EventType.SLO_BREACHED, None, breach)

    recorder.on_fact = told

"""Numbers for Prometheus: of the events a sink was given, and of an engine as it is now.

`Metrics` counts what it sees and keeps nothing of it; the number of its series is bounded, because the
names of steps are not ours. `render_engine` counts nothing and only writes down what the engine knows.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from rxstream.adapters.sinks.exposition import Family, number, render
from rxstream.events import EventType, StreamEvent
from rxstream.sink import Sink, Write
from rxstream.source import Port

if TYPE_CHECKING:
    from rxstream.engine.statistics import EngineStatistics, ExecutionStatistics

BUCKETS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latency histogram, in seconds."""

MAX_STEPS: Final = 1_000
"""Steps with series of their own; those that come later are counted together as `other`."""

_FAILURES: Final = frozenset({EventType.STEP_ERROR, EventType.PIPELINE_ERROR})


class Metrics(Sink[Any]):
    """Counts the events it is given as a subscriber, or the elements it is given as a node.

    One object may be given to any number of executions and graphs: it counts them all together.
    """

    name: ClassVar[str] = "metrics"

    def __init__(self) -> None:
        self._steps: set[str] = set()
        self._events: dict[tuple[str, str], int] = {}
        self._bytes: dict[str, int] = {}
        self._errors: dict[tuple[str, str], int] = {}
        self._elements: dict[str, int] = {}
        self._latencies = [0] * (len(BUCKETS) + 1)
        self._latency_sum = 0.0

    @asynccontextmanager
    async def open(self, port: Port) -> AsyncIterator[Write[Any]]:
        """Count; nothing is released by leaving, so the numbers stay."""

        async def write(batch: Sequence[Any]) -> None:
            now = time.time()
            for item in batch:
                if isinstance(item, StreamEvent):
                    self._count(item, now)
                else:
                    step = self._step(port.node_id)
                    self._elements[step] = self._elements.get(step, 0) + 1

        yield write

    def render(self) -> str:
        """All numbers in the text format of Prometheus."""
        return render(self._families())

    def _count(self, event: StreamEvent, now: float) -> None:
        kind, step = event.event_type, self._step(event.step_id or "")
        self._events[kind, step] = self._events.get((kind, step), 0) + 1
        self._bytes[kind] = self._bytes.get(kind, 0) + len(event.json)
        if kind in _FAILURES:
            fault = str(event.data["error"]["kind"])
            self._errors[step, fault] = self._errors.get((step, fault), 0) + 1
        if kind != EventType.GAP:
            # two clocks of one machine may still disagree by a step of the system's
            latency = max(0.0, now - event.timestamp.timestamp())
            self._latencies[bisect_left(BUCKETS, latency)] += 1
            self._latency_sum += latency

    def _step(self, step: str) -> str:
        if step in self._steps:
            return step
        if len(self._steps) >= MAX_STEPS:
            return "other"
        self._steps.add(step)
        return step

    def _families(self) -> list[Family]:
        events = Family("rxstream_events_total", "counter", "Events read from the log.")
        for (kind, step), count in self._events.items():
            events.add(count, event_type=kind, step=step)
        size = Family("rxstream_event_bytes_total", "counter", "Bytes of JSON of those events.")
        for kind, count in self._bytes.items():
            size.add(count, event_type=kind)
        errors = Family("rxstream_errors_total", "counter", "Errors among those events.")
        for (step, fault), count in self._errors.items():
            errors.add(count, step=step, kind=fault)
        elements = Family("rxstream_sink_elements_total", "counter", "Elements given to a node.")
        for step, count in self._elements.items():
            elements.add(count, step=step)
        return [events, size, errors, elements, self._latency()]

    def _latency(self) -> Family:
        latency = Family(
            "rxstream_event_latency_seconds",
            "histogram",
            "From an event's timestamp to its reader.",
        )
        total = 0
        for bound, count in zip((*BUCKETS, float("inf")), self._latencies, strict=True):
            total += count
            latency.add(total, "_bucket", le=number(bound))
        latency.add(self._latency_sum, "_sum")
        latency.add(total, "_count")
        return latency if total else Family(latency.name, "histogram", latency.help)


def metrics() -> Metrics:
    """A sink that counts; `render()` gives the numbers in the text format of Prometheus."""
    return Metrics()


# -- an engine ---------------------------------------------------------------------------------


class HasStatistics(Protocol):
    """What is asked of an engine."""

    def statistics(self) -> EngineStatistics:
        """Its numbers now."""
        ...


def render_engine(engine: HasStatistics) -> str:
    """What an engine knows of its executions, in the text format of Prometheus.

    Series of an execution are there while the engine lists it; the totals of the engine stay.
    """
    now = engine.statistics()
    executions = Family("rxstream_executions", "gauge", "Executions by status.")
    for status, count in now.statuses.items():
        executions.add(count, status=status)
    events = Family("rxstream_log_events_total", "counter", "Events committed to the log.")
    events.add(now.events)
    commits = Family("rxstream_log_commits_total", "counter", "Commits to the log.")
    commits.add(now.commits)
    objectives = _of_objectives(now.objectives)
    return render([executions, events, commits, *objectives, *_of_executions(now.executions)])


def _of_objectives(objectives: Mapping[str, Sequence[Any]]) -> list[Family]:
    value = Family("rxstream_slo_value", "gauge", "The figure an SLO is about, over its window.")
    burning = Family("rxstream_slo_burn_rate", "gauge", "How many times too fast its budget goes.")
    breached = Family("rxstream_slo_breached", "gauge", "Whether an SLO is broken.")
    for graph, statuses in objectives.items():
        for status in statuses:
            labels = {"graph": graph, "slo": status.slo}
            breached.add(int(status.breached), **labels)
            for family, figure in ((value, status.value), (burning, status.burn_rate)):
                if figure is not None:  # no data is no series, not a zero
                    family.add(figure, **labels)
    return [value, burning, breached]


def _of_executions(executions: Sequence[ExecutionStatistics]) -> list[Family]:
    nodes = {
        "elements_in": Family("rxstream_node_elements_in_total", "counter", "Elements taken."),
        "elements_out": Family("rxstream_node_elements_out_total", "counter", "Elements given."),
        "errors": Family("rxstream_node_errors_total", "counter", "Errors of a node."),
        "busy_s": Family("rxstream_node_busy_seconds_total", "counter", "Seconds its code ran."),
    }
    edges = {
        "depth": Family("rxstream_edge_depth", "gauge", "Elements that wait on an edge."),
        "capacity": Family("rxstream_edge_capacity", "gauge", "Elements that may wait."),
        "elements": Family("rxstream_edge_elements_total", "counter", "Elements that passed."),
        "dropped": Family("rxstream_edge_dropped_total", "counter", "Elements given up."),
        "blocked_s": Family(
            "rxstream_edge_blocked_seconds_total", "counter", "Seconds it held its feeder back."
        ),
    }
    tallies = Family(
        "rxstream_node_tally_total",
        "counter",
        "What a node counts of its own, as tokens of a model.",
    )
    progress = Family("rxstream_node_progress_percent", "gauge", "How far a node says it is.")
    pending = Family("rxstream_execution_pending_events", "gauge", "Events before their commit.")
    log = Family(
        "rxstream_execution_log_blocked_seconds_total",
        "counter",
        "Seconds without room for events.",
    )
    bottleneck = Family(
        "rxstream_bottleneck", "gauge", "Share of its run for which this node makes others wait."
    )
    readers = {
        "written": Family("rxstream_sink_events_total", "counter", "Events a reading sink took."),
        "dropped": Family("rxstream_sink_dropped_total", "counter", "Events it was too late for."),
        "dead": Family("rxstream_sink_dead_letters_total", "counter", "Events it refused."),
        "retries": Family(
            "rxstream_sink_retries_total", "counter", "Writes that were tried again."
        ),
        "behind": Family("rxstream_sink_behind_events", "gauge", "Events it has not read yet."),
    }
    for execution in executions:
        labels = {"graph": execution.graph, "execution": execution.execution_id}
        for number_, reader in enumerate(execution.subscriptions, 1):
            _add(readers, reader, {**labels, "sink": f"{reader.sink}_{number_}"})
        pending.add(execution.pending, **labels)
        log.add(execution.log_blocked_s, **labels)
        found = execution.bottleneck
        if found is not None:
            bottleneck.add(found.share, **labels, node=found.node or "", cause=found.cause)
        for node in execution.nodes:
            of_node = {**labels, "node": node.node, "operator": node.operator}
            _add(nodes, node, of_node)
            for what, amount in node.tallies.items():
                tallies.add(amount, **of_node, what=what)
            if node.progress is not None and node.progress.percentage is not None:
                progress.add(node.progress.percentage, **of_node)
        for edge in execution.edges:
            _add(edges, edge, {**labels, "edge": edge.edge, "policy": edge.policy})
    of_nodes = (*nodes.values(), tallies, progress, *edges.values())
    return [pending, log, bottleneck, *of_nodes, *readers.values()]


def _add(families: Mapping[str, Family], statistics: object, labels: Mapping[str, str]) -> None:
    for field, family in families.items():
        family.add(getattr(statistics, field), **labels)

"""What is rendered is read back by Prometheus's own parser."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from rxstream.adapters import sinks
from rxstream.adapters.sinks.exposition import Family, render
from rxstream.adapters.sinks.metrics import MAX_STEPS, Metrics, render_engine
from rxstream.engine.bottleneck import Bottleneck
from rxstream.engine.statistics import (
    EdgeStatistics,
    EngineStatistics,
    ExecutionStatistics,
    NodeStatistics,
)
from rxstream.errors import AuthorError
from rxstream.events import Progress, StreamEvent, draft, gap, seal

from .writing import FakePort

AWKWARD = 'a "quoted" \\ back\nslash ö 🎈'


def parsed(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Samples by name and labels; no two may be the same."""
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    found = {(s.name, frozenset(s.labels.items())): s.value for s in samples}
    assert len(found) == len(samples)
    assert len(samples) == len([line for line in text.splitlines() if not line.startswith("#")])
    return found


def value(text: str, name: str, **labels: str) -> float:
    return parsed(text)[name, frozenset(labels.items())]


def event(kind: str, step: str | None, data: Any, *, ago: float = 0.0) -> StreamEvent:
    at = datetime.now(UTC) - timedelta(seconds=ago)
    stamp = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode()
    return seal(draft(kind, step, orjson.dumps(data), at=stamp), "e1", "abcd", 1)


async def counted(*items: Any, node: str = "node") -> Metrics:
    metrics = sinks.metrics()
    async with metrics.open(FakePort(node)) as give:
        await give(items)
    return metrics


async def test_events_are_counted_by_type_and_step_with_their_bytes() -> None:
    items = [
        event("step_output", "bad", "x"),
        event("step_output", "bad", "y"),
        event("step_start", "good", {}),
    ]
    text = (await counted(*items)).render()
    assert value(text, "rxstream_events_total", event_type="step_output", step="bad") == 2
    assert value(text, "rxstream_events_total", event_type="step_start", step="good") == 1
    size = sum(len(item.json) for item in items[:2])
    assert value(text, "rxstream_event_bytes_total", event_type="step_output") == size


async def test_errors_are_counted_by_step_and_fault() -> None:
    error = {"error": {"kind": "world", "code": "x", "message": "m"}}
    text = (
        await counted(event("step_error", "bad", error), event("pipeline_error", None, error))
    ).render()
    assert value(text, "rxstream_errors_total", step="bad", kind="world") == 1
    assert value(text, "rxstream_errors_total", step="", kind="world") == 1


async def test_the_time_from_an_event_to_its_reader_falls_into_its_bucket() -> None:
    text = (
        await counted(event("step_output", "a", 1, ago=3.0), event("step_output", "a", 1, ago=60.0))
    ).render()
    assert value(text, "rxstream_event_latency_seconds_bucket", le="2.5") == 0
    assert value(text, "rxstream_event_latency_seconds_bucket", le="5") == 1
    assert value(text, "rxstream_event_latency_seconds_bucket", le="+Inf") == 2
    assert value(text, "rxstream_event_latency_seconds_count") == 2
    assert 63 <= value(text, "rxstream_event_latency_seconds_sum") < 70


async def test_a_clock_that_was_set_back_makes_no_negative_latency() -> None:
    text = (await counted(event("step_output", "a", 1, ago=-60.0))).render()
    assert value(text, "rxstream_event_latency_seconds_sum") == 0


async def test_a_gap_is_counted_and_has_no_latency() -> None:
    text = (await counted(gap("e1", "abcd", "x:1", 5, 4))).render()
    assert value(text, "rxstream_events_total", event_type="gap", step="") == 1
    assert "latency" not in text


async def test_elements_are_counted_by_the_node_they_are_given_to() -> None:
    text = (await counted(1, "two", None, node="count")).render()
    assert parsed(text) == {("rxstream_sink_elements_total", frozenset({("step", "count")})): 3}


async def test_the_number_of_steps_is_bounded() -> None:
    many = [event("step_output", f"step_{i}", 1) for i in range(MAX_STEPS + 50)]
    text = (await counted(*many)).render()
    assert value(text, "rxstream_events_total", event_type="step_output", step="other") == 50


async def test_any_text_survives_as_a_label() -> None:
    text = (await counted(event("step_output", AWKWARD, 1))).render()
    assert value(text, "rxstream_events_total", event_type="step_output", step=AWKWARD) == 1


def test_nothing_counted_is_an_empty_text() -> None:
    assert sinks.metrics().render() == ""


def test_numbers_and_help_are_written_as_the_format_says() -> None:
    family = Family("m", "gauge", "back \\ slash\nand line")
    for i, number in enumerate([0, 1.5, 1e300, math.inf, -math.inf, math.nan, 2**53]):
        family.add(number, i=str(i))
    text = render([family])
    found = [value(text, "m", i=str(i)) for i in range(7)]
    assert found[:5] == [0, 1.5, 1e300, math.inf, -math.inf]
    assert math.isnan(found[5])
    assert found[6] == 2**53
    (read,) = text_string_to_metric_families(text)
    assert read.documentation == "back \\ slash\nand line"


def test_names_the_format_forbids_are_refused() -> None:
    for family in (Family("a-b", "gauge", ""), Family("ok", "gauge", "")):
        family.add(1, **({"a-b": "x"} if family.name == "ok" else {}))
        with pytest.raises(AuthorError, match="'a-b' cannot be the name"):
            render([family])


class Engine:
    def statistics(self) -> EngineStatistics:
        node = NodeStatistics(
            "map_1", "map", "running", 5, 4, 1, 0.25, Progress(40.0), 0.0, {"prompt": 7}
        )
        silent = NodeStatistics("sink", "jsonl", "waiting", 0, 0, 0, 0.0, None)
        edge = EdgeStatistics("map_1->sink", "block", 3, 64, 4, 2, 1.5)
        slow = Bottleneck("sink", "g.py:1", "slow", "map_1->sink", 64, 1.5, 2.0)
        one = ExecutionStatistics(
            "e1", AWKWARD, "running", 9, 2, [node, silent], [edge], 2.0, 0.5, slow
        )
        two = ExecutionStatistics("e2", AWKWARD, "running", 9, 0, [node], [])
        return EngineStatistics({"running": 2, "failed": 1}, 18, 7, [one, two])


def test_an_engine_is_rendered_with_its_nodes_and_edges() -> None:
    text = render_engine(Engine())
    assert value(text, "rxstream_executions", status="failed") == 1
    assert value(text, "rxstream_log_events_total") == 18
    assert value(text, "rxstream_log_commits_total") == 7
    node = {"graph": AWKWARD, "execution": "e1", "node": "map_1", "operator": "map"}
    assert value(text, "rxstream_node_elements_in_total", **node) == 5
    assert value(text, "rxstream_node_busy_seconds_total", **node) == 0.25
    assert value(text, "rxstream_node_progress_percent", **node) == 40
    assert value(text, "rxstream_node_tally_total", **node, what="prompt") == 7
    edge = {"graph": AWKWARD, "execution": "e1", "edge": "map_1->sink", "policy": "block"}
    assert value(text, "rxstream_edge_depth", **edge) == 3
    assert value(text, "rxstream_edge_dropped_total", **edge) == 2
    first = {"graph": AWKWARD, "execution": "e1"}
    assert value(text, "rxstream_execution_pending_events", **first) == 2
    assert value(text, "rxstream_execution_log_blocked_seconds_total", **first) == 0.5
    assert value(text, "rxstream_bottleneck", **first, node="sink", cause="slow") == 0.75
    assert text.count("rxstream_bottleneck{") == 1  # nobody makes the other execution wait


def test_an_engine_without_executions_is_rendered() -> None:
    class Idle:
        def statistics(self) -> EngineStatistics:
            return EngineStatistics({}, 0, 0)

    assert parsed(render_engine(Idle()))

"""A promise that is broken is said once, in the execution that broke it, and only where there is data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import rxstream as rxs
from rxstream.adapters.sinks import render_engine
from rxstream.errors import GraphError
from rxstream.events import StreamEvent
from rxstream.pipeline import SLO, Pipeline, Reliability, Step
from rxstream.pipeline.objectives import Judge, Objectives

AT = datetime(2026, 1, 1, tzinfo=UTC)


async def work(data: dict[str, Any]) -> dict[str, Any]:
    if data.get("fail"):
        raise OSError("no")
    return {}


class Calls(Step):
    """Uses a tool."""

    async def run(self, data: dict[str, Any]) -> dict[str, Any]:
        await self.emit({"type": "tool_call", "id": "1", "name": "t", "arguments": {}})
        await self.emit({"type": "tool_result", "id": "1", "name": "t", "result": 1})
        return {}


def promising(*slos: SLO) -> Pipeline:
    return Pipeline("p", streaming=True, slos=slos).add(work).add(Calls, after="work")


async def told(
    engine: rxs.Engine, pipeline: Pipeline, inputs: Sequence[dict[str, Any]]
) -> list[list[StreamEvent]]:
    """The breaches each of some executions told, one after the other."""
    found = []
    for data in inputs:
        execution = await engine.start(pipeline.graph, {"data": data})
        events = [event async for event in execution.events()]
        assert events[-1].terminal
        found.append([event for event in events if event.event_type == "slo_breached"])
    return found


async def odd(data: dict[str, Any]) -> dict[str, Any]:
    if data["item"] % 2:
        raise OSError("odd")
    return {}


async def test_a_failure_that_a_step_survives_breaks_nothing() -> None:
    pipeline = Pipeline("p", slos=[SLO("SR", at_least=1)])
    pipeline.add(odd, each="items", dead_letters=True)
    pipeline.add(odd, name="more", after="odd", each="items", fallback={})
    async with rxs.Engine() as engine:
        assert await told(engine, pipeline, [{"items": [1, 2, 3]}]) == [[]]
        assert engine.statistics().objectives["p"][0].value == 1


async def test_a_broken_promise_is_told_once_until_it_was_kept_again() -> None:
    pipeline = promising(SLO("SR", at_least=0.6, name="good"))
    async with rxs.Engine() as engine:
        failing: dict[str, Any] = {"fail": True}
        good: dict[str, Any] = {}
        found = await told(engine, pipeline, [good, failing, failing, failing, good, good, good])
        assert [len(events) for events in found] == [0, 0, 1, 0, 0, 0, 0]
        assert found[2][0].data == {
            "slo": "good",
            "value": 0.5,
            "threshold": 0.6,
            "window_s": 3600.0,
            "burn_rate": pytest.approx(1.25),
        }
        (status,) = engine.statistics().objectives["p"]
        assert (status.breached, status.value) == (False, 8 / 11)
        lines = render_engine(engine).splitlines()
        assert 'rxstream_slo_breached{graph="p",slo="good"} 0' in lines
        assert [line for line in lines if line.startswith("rxstream_slo_burn_rate{")]
        found = await told(engine, pipeline, [failing] * 3)
        assert [len(events) for events in found] == [0, 0, 1]


async def test_what_only_the_end_shows_is_told_before_the_end() -> None:
    pipeline = promising(SLO("WCT.mean", at_most=0), SLO("TCL.p95", at_most=-1))
    async with rxs.Engine() as engine:
        (first,) = await told(engine, pipeline, [{}])
        assert [event.data["slo"] for event in first] == ["TCL.p95 <= -1", "WCT.mean <= 0"]


async def test_another_process_knows_what_was_told_already(tmp_path: Path) -> None:
    pipeline = promising(SLO("SR", at_least=0.9))
    for expected in (1, 0):
        async with rxs.Engine(log=tmp_path / "events.db") as engine:
            (found,) = await told(engine, pipeline, [{"fail": True}])
            assert len(found) == expected
            assert engine.statistics().objectives["p"][0].breached


async def test_executions_that_go_on_are_judged_too(tmp_path: Path) -> None:
    async def wait(data: dict[str, Any]) -> dict[str, Any]:
        return {"yes": await rxs.ask(bool, "well?")}

    pipeline = Pipeline("p", slos=[SLO("asked", at_most=0.5, least=2)]).add(wait)
    log = tmp_path / "events.db"
    async with rxs.Engine(log=log, graphs=[pipeline.graph], max_running=1) as engine:
        await engine.start(pipeline.graph)
        await engine.start(pipeline.graph)
        await engine.drain()
    async with rxs.Engine(log=log, graphs=[pipeline.graph], max_running=2) as engine:
        first, second = [await engine.resume(r.execution_id) for r in await engine.records()]
        while not (first.questions and second.questions):
            await rxs.timer(0.01)
        for execution in (first, second):
            await execution.answer(execution.questions[0].request_id, True)
            await execution.wait()
        events = [event for each in (first, second) async for event in each.events()]
        assert [e.data["value"] for e in events if e.event_type == "slo_breached"] == [1.0]


@pytest.mark.parametrize(
    ("slo", "value", "burning", "broken"),
    [
        (SLO("SR", at_least=0.9), None, None, False),
        (SLO("SR", at_least=0.9), 0.8, 2.0, True),
        (SLO("SR", at_least=0.9, burn_rate=3), 0.8, 2.0, False),
        (SLO("SR", at_least=0.9, burn_rate=1.5), 0.8, 2.0, True),
        (SLO("CR", at_most=0.1), 0.1, 1.0, False),
        (SLO("WCT.p95", at_most=10, burn_rate=2), 11, None, False),
    ],
)
def test_what_breaks_a_promise(
    slo: SLO, value: float | None, burning: float | None, broken: bool
) -> None:
    assert slo.broken(value, burning) is broken


def lasting(seen: Reliability, name: str, began: float, seconds: float) -> None:
    seen.fold(name, "pipeline_start", None, {}, AT + timedelta(seconds=began))
    seen.fold(name, "pipeline_complete", None, {}, AT + timedelta(seconds=began + seconds))


def test_the_budget_of_a_quantile_is_the_share_that_may_be_above() -> None:
    seen = Reliability(100)
    for number in range(10):
        lasting(seen, str(number), number, 1 if number < 8 else 5)
    slo = SLO("WCT.p95", at_most=2_000)
    assert slo.value(seen) == 5_000
    assert slo.burning(seen) == pytest.approx(0.2 / 0.05)
    assert SLO("WCT.mean", at_most=2_000).value(seen) == 1_800
    assert SLO("WCT.mean", at_most=2_000).burning(seen) is None
    assert SLO("retries", at_most=2).burning(seen) is None
    assert SLO("SR", at_least=0.5).burning(seen) is None
    assert SLO("asked", at_most=0.5).burning(seen) == 0


def test_what_left_the_window_counts_no_more_in_whatever_order_it_was_told() -> None:
    order = [("a", 0, 1), ("b", 50, 1), ("c", 120, 1)]
    reports = []
    for told_in in (order, order[::-1]):
        seen = Reliability(100)
        for name, began, seconds in told_in:
            lasting(seen, name, began, seconds)
        reports.append(seen.report())
    assert reports[0] == reports[1]
    assert reports[0].executions == 2
    assert reports[0].WCT is not None
    assert reports[0].WCT.count == 2


def test_a_window_holds_so_many_executions_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("reliability", "durations"):
        monkeypatch.setattr(f"rxstream.pipeline.{module}.MOST_DURATIONS", 2)
    seen = Reliability(100)
    for number in range(4):
        lasting(seen, str(number), number, 1)
    assert (seen.executions, len(seen.durations("WCT"))) == (2, 2)


def test_nothing_is_broken_without_data_or_with_too_little() -> None:
    judge = Judge([SLO("SR", at_least=0.9), SLO("WCT.mean", at_most=0, least=2)])
    assert list(judge.told("a", "pipeline_start", None, {})) == []
    assert list(judge.told("a", "pipeline_complete", None, {})) == []
    assert [status.breached for status in judge.statuses()] == [False, False]
    assert next(status.value for status in judge.statuses()) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"metric": "XX", "at_most": 1}, "an SLO is about one of SR, CR"),
        ({"metric": "SR"}, "give at_least or at_most"),
        ({"metric": "SR", "at_least": 0.5, "at_most": 1}, "give at_least or at_most"),
        ({"metric": "SR", "at_least": float("nan")}, "its limit is a number"),
        ({"metric": "SR", "at_least": 99}, "a share, from 0 to 1, not 99"),
        ({"metric": "SR", "at_least": 0.5, "window": 0}, "its window a number of seconds above 0"),
        ({"metric": "SR", "at_least": 0.5, "least": 0}, "`least` at least 1"),
        ({"metric": "SR", "at_least": 1, "burn_rate": 2}, "needs a budget"),
        ({"metric": "SR", "at_least": 0.5, "burn_rate": 0}, "a burn rate is above 0"),
        ({"metric": "WCT.mean", "at_most": 1, "burn_rate": 2}, "needs a budget"),
    ],
)
def test_a_promise_that_cannot_be_judged_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(GraphError, match=said):
        SLO(**given)


def test_two_promises_of_one_name_are_refused() -> None:
    with pytest.raises(GraphError, match="two SLOs named 'SR"):
        promising(SLO("SR", at_least=0.5), SLO("SR", at_least=0.5, window=60))


async def test_two_starts_at_once_have_one_judge() -> None:
    async with rxs.Engine() as engine:
        judges = engine._judges
        graph = promising(SLO("SR", at_least=0.5)).graph
        assert isinstance(graph.objectives, Objectives)
        assert await judges.of(graph) is await judges.of(graph.bind())
        assert await judges.of(work_graph) is None


@rxs.graph
def work_graph() -> rxs.Stream[int]:
    return rxs.of(1)

"""How reliable pipelines were is the same figure live and from the log."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

import rxstream as rxs
from rxstream.events import StreamEvent, draft, seal
from rxstream.pipeline import Pipeline, Reliability, ReliabilityReport, Retry, Spread, Step
from rxstream.pipeline import reliability as module
from rxstream.testing import run


class Works(Step):
    """Can be undone, and uses a tool."""

    async def run(self, data: dict[str, Any]) -> dict[str, Any]:
        await self.emit({"type": "tool_call", "id": "1", "name": "t", "arguments": {}})
        await self.emit("tool_ talk")
        await self.emit({"type": "tool_result", "id": "1", "name": "t", "result": 1})
        return {}

    async def compensate(self, data: dict[str, Any], result: dict[str, Any]) -> None: ...


async def fail(data: dict[str, Any]) -> dict[str, Any]:
    if data["fail"]:
        raise OSError("no")
    return {}


class Asks(Step):
    """Asks once."""

    async def run(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"answer": await self.ask(bool, "well?")}


def made() -> Pipeline:
    pipeline = Pipeline("p", streaming=True).add(Works)
    pipeline.add(Works, name="never", when="nothing", after="works")
    pipeline.add(Asks, after="works", when="asks")
    return pipeline.add(fail, after="works", retry=Retry(2, first=0))


async def both() -> tuple[ReliabilityReport, ReliabilityReport, ReliabilityReport]:
    """Live, while one still waits, then live and from the log."""
    live = Reliability()
    async with rxs.Engine() as engine:
        graph = made().graph
        for data in ({"fail": False}, {"fail": True}, {"fail": False, "asks": True}):
            execution = await engine.start(graph, {"data": data})
            subscription = execution.subscribe(live)
            if "asks" in data:
                while not execution.questions:  # noqa: ASYNC110  # virtual time
                    await asyncio.sleep(0.1)
                await asyncio.sleep(1)
                meanwhile = live.report()
                await execution.answer(execution.questions[0].request_id, True)
            await subscription.wait()
        return meanwhile, live.report(), (await Reliability.of(engine.log, "p")).report()


def test_live_and_from_the_log_it_is_the_same() -> None:
    meanwhile, live, read = run(both())
    assert live == read
    assert (live.executions, live.steps) == (3, 7)
    assert pytest.approx(6 / 7) == live.SR
    assert pytest.approx(1 / 7) == live.CR
    assert (live.retries, live.asked) == (1 / 3, 1 / 3)
    assert live.TCL is not None
    assert live.WCT is not None
    assert (live.TCL.count, live.WCT.count) == (3, 3)
    assert meanwhile.steps == 6
    assert meanwhile.WCT is not None
    assert meanwhile.WCT.count == 2


def test_no_data_is_none_and_no_perfect_score() -> None:
    nothing = ReliabilityReport(0, 0, None, None, None, None, None, None)
    assert Reliability().report() == nothing
    assert run(_of_an_empty_log()) == nothing


async def _of_an_empty_log() -> ReliabilityReport:
    async with rxs.Engine() as engine:
        return (await Reliability.of(engine.log)).report()


def event_at(number: int, kind: str, seconds: float, data: Any = None) -> Any:
    at = f"2026-01-01T00:{int(seconds // 60):02}:{seconds % 60:09.6f}Z".encode()
    return draft(kind, None if "pipeline" in kind else "s", orjson.dumps(data or {}), at=at)


def lasting(name: str, seconds: float, *calls: float) -> list[StreamEvent]:
    """The events of an execution that took so long, and whose tool calls did."""
    drafts = [event_at(1, "pipeline_start", 0)]
    for number, call in enumerate(calls):
        drafts.append(event_at(0, "step_output", 0, {"type": "tool_call", "id": number}))
        drafts.append(event_at(0, "step_output", call, {"type": "tool_result", "id": number}))
    drafts.append(event_at(0, "step_output", 1, ["tool_result"]))
    drafts.append(event_at(9, "pipeline_complete", seconds))
    return [seal(drafted, name, "e", number) for number, drafted in enumerate(drafts, 1)]


def test_quantiles_are_durations_that_were_measured() -> None:
    reliability = Reliability()
    for number in range(1, 101):
        reliability.add(lasting(str(number), number))
    assert Spread(100, 50_500, 50_000, 95_000, 99_000) == reliability.report().WCT
    reliability.add(lasting("calls", 1, 0.25, 0.75))
    assert Spread(2, 500, 250, 750, 750) == reliability.report().TCL


def test_what_is_told_twice_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    events = lasting("a", 1, 0.5)
    reliability = Reliability()
    for part in (events[:3], events[:4], events, events):
        reliability.add(part)
    report = reliability.report()
    assert (report.executions, report.TCL) == (1, Spread(1, 500, 500, 500, 500))
    monkeypatch.setattr(module, "MOST_ENDED", 1)
    reliability.add(lasting("b", 1))
    reliability.add(events)  # forgotten by now
    assert reliability.report().executions == 3


def test_an_execution_whose_beginning_was_pruned_has_no_duration() -> None:
    reliability = Reliability()
    reliability.add(lasting("a", 1)[1:])
    assert reliability.report().WCT is None


def test_a_tools_time_is_what_it_took_however_long_items_wait() -> None:
    class Slow(Step):
        async def run(self, data: dict[str, Any]) -> dict[str, Any]:
            await self.emit({"type": "tool_call", "id": "1", "name": "t", "arguments": {}})
            await asyncio.sleep(0.02)
            await self.emit({"type": "tool_result", "id": "1", "name": "t", "result": 1})
            return {}

    async def report() -> ReliabilityReport:
        async with rxs.Engine() as engine:
            await (await engine.start(Pipeline("p", streaming=True).add(Slow).graph)).result()
            return (await Reliability.of(engine.log, "p")).report()

    spread = asyncio.run(report()).TCL
    assert spread is not None
    assert spread.mean >= 20

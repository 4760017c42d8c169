"""What is said below a step with `rxstream.progress` is the step's own progress."""

from __future__ import annotations

import asyncio
from typing import Any

import rxstream as rxs
from rxstream.pipeline import Pipeline, Step, Streaming
from tests.pipeline.parts import data_of, events_of, result_of, seen


def below() -> None:
    rxs.progress(50, "half", "warming")


async def work(data: dict[str, Any]) -> dict[str, Any]:
    below()
    return {"done": rxs.engine.CURRENT.get().execution_id != ""}  # type: ignore[union-attr]  # a step has a port


async def in_a_thread(data: dict[str, Any]) -> dict[str, Any]:
    await asyncio.to_thread(below)
    await asyncio.sleep(0.01)
    return {}


async def each(data: dict[str, Any]) -> dict[str, Any]:
    rxs.progress(50)
    await asyncio.sleep(1)  # reports are ten a second at most
    return {}


def test_it_is_told_with_its_status_when_the_pipeline_streams() -> None:
    events = events_of(Pipeline("p", streaming=True).add(work))
    said = {"percentage": 50.0, "message": "half", "status": "warming"}
    assert data_of(events, "step_progress") == [said]
    assert result_of(events) == {"done": True}


def test_it_is_not_told_when_the_pipeline_does_not() -> None:
    for streaming in (False, Streaming(True, emit_progress=False)):
        events = events_of(Pipeline("p", streaming=streaming).add(work))
        assert data_of(events, "step_progress") == []
        assert result_of(events) == {"done": True}


class Undone(Step):
    async def run(self, data: dict[str, Any]) -> dict[str, Any]:
        return {}

    async def compensate(self, data: dict[str, Any], result: dict[str, Any]) -> None:
        below()


async def fails(data: dict[str, Any]) -> dict[str, Any]:
    raise OSError("no")


def test_a_compensation_says_it_for_its_step_when_the_pipeline_streams() -> None:
    said: list[Any] = []
    for streaming in (True, False):
        pipeline = Pipeline("p", streaming=streaming).add(Undone).add(fails, after="undone")
        events = events_of(pipeline)
        said.append([each["status"] for each in data_of(events, "step_progress", "undone")])
        assert len(data_of(events, "step_progress")) == len(said[-1])
    assert said == [["compensating", "warming", "compensated"], ["compensating", "compensated"]]


async def test_a_thread_may_say_it() -> None:
    events = await seen(Pipeline("p", streaming=True).add(in_a_thread))
    assert [said["message"] for said in data_of(events, "step_progress")] == ["half"]
    events = await seen(Pipeline("p").add(in_a_thread))
    assert data_of(events, "step_progress") == []


def test_of_one_call_of_several_it_counts_for_that_call() -> None:
    pipeline = Pipeline("p", streaming=True).add(each, each="items", concurrency=1)
    events = events_of(pipeline, {"items": [1, 2]})
    assert 25.0 in [said["percentage"] for said in data_of(events, "step_progress")]

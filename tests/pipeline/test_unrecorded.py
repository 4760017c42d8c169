"""A log that refuses holds a pipeline back for a minute, and its result is delivered all the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

import rxstream as rxs
from rxstream.errors import ExecutionCancelled, LogError, NodeError
from rxstream.log import Commit
from rxstream.pipeline import Pipeline, Result, Step, Streaming
from rxstream.testing import JournalLog, virtual_time
from tests.engine.parts import FullLog

AT_ONCE = Streaming(True, flush_interval_ms=0)


class Counts(Step):
    """Shows a number a second, and says how far it is."""

    def __init__(self) -> None:
        self.calls = 0

    async def run(self, data: dict[str, Any]) -> AsyncIterator[Any]:
        self.calls += 1
        for number in range(data["n"]):
            await asyncio.sleep(data.get("pause", 1))
            await self.emit_progress(number / data["n"])
            yield number
        yield Result({"last": data["n"]})


async def fails(data: dict[str, Any]) -> dict[str, Any]:
    raise ValueError("not today")


class FullJournal(JournalLog):
    """A log that lasts, whose disk is full while `full` is set."""

    full = False

    def _commit(self, commit: Commit) -> asyncio.Future[int]:
        if not self.full:
            return super()._commit(commit)
        refused: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        refused.set_exception(LogError("the disk is full"))
        return refused


async def told(execution: Any) -> list[Any]:
    return [event async for event in execution.events()]


@pytest.mark.parametrize("streaming", [True, False])
@virtual_time
async def test_its_result_is_delivered_and_no_step_runs_twice(streaming: bool) -> None:
    log, step = FullLog(), Counts()
    made = Pipeline("p", streaming=Streaming(streaming)).add(step)
    async with rxs.Engine(log) as engine:
        execution = await engine.start(made.graph, {"data": {"n": 100}})
        reading = asyncio.ensure_future(told(execution))
        await asyncio.sleep(1.5)
        log.full = True
        assert await execution.result() == {"n": 100, "last": 100}
        assert step.calls == 1
        with pytest.raises(LogError, match="could not be recorded: the disk is full"):
            await reading
        assert execution.status == "completed"


@virtual_time
async def test_one_that_is_done_waits_for_the_log_a_minute_before_it_gives_its_result() -> None:
    log = FullLog()
    async with rxs.Engine(log) as engine:
        execution = await engine.start(Pipeline("p").add(Counts()).graph, {"data": {"n": 2}})
        await asyncio.sleep(1.5)
        log.full = True
        begun = asyncio.get_running_loop().time()
        assert (await execution.result())["last"] == 2
        assert 55 < asyncio.get_running_loop().time() - begun < 70


@virtual_time
async def test_when_the_log_takes_commits_again_only_items_are_missing() -> None:
    log = FullLog()
    made = Pipeline("p", streaming=AT_ONCE).add(Counts()).add(Counts(), name="more", after="counts")
    async with rxs.Engine(log) as engine:
        execution = await engine.start(made.graph, {"data": {"n": 100}})
        await asyncio.sleep(10.5)
        log.full = True
        await asyncio.sleep(110)
        log.full = False
        await execution.result()
        events = await told(execution)
    assert [event.event_type for event in events].count("step_complete") == 2
    assert events[-1].event_type == "pipeline_complete"
    degraded = {
        event.step_id: event.data["message"]
        for event in events
        if event.event_type == "step_progress" and event.data["status"] == "degraded"
    }
    assert degraded.keys() == {"counts", "more"}
    shown = [event.data for event in events if event.event_type == "step_output"]
    missing = sum(int(message.split()[0]) for message in degraded.values())
    assert len(shown) + missing == 200
    assert "items were not recorded while the log refused" in degraded["more"]


@virtual_time
async def test_a_log_that_takes_commits_again_at_the_end_records_the_end() -> None:
    log = FullLog()
    made = Pipeline("p", streaming=AT_ONCE).add(Counts())
    async with rxs.Engine(log) as engine:
        execution = await engine.start(made.graph, {"data": {"n": 100}})
        log.full = True
        await asyncio.sleep(99.999)
        log.full = False
        await execution.result()
        *_, completed, said, last = await told(execution)
    assert said.data["status"] == "degraded"
    assert (completed.event_type, last.event_type) == ("step_complete", "pipeline_complete")


@virtual_time
async def test_one_that_shows_more_than_may_wait_goes_on_after_a_minute() -> None:
    log = FullLog()
    async with rxs.Engine(log) as engine:
        made = Pipeline("p", streaming=AT_ONCE).add(Counts())
        execution = await engine.start(made.graph, {"data": {"n": 10_000, "pause": 0.001}})
        await asyncio.sleep(0.5)
        log.full = True
        await asyncio.sleep(30)
        assert not execution.ended
        assert execution.recorder.pending < 3_000
        assert (await execution.result())["last"] == 10_000


@virtual_time
async def test_how_it_failed_is_delivered_too() -> None:
    log = FullLog()
    made = Pipeline("p").add(Counts()).add(fails, after="counts")
    async with rxs.Engine(log) as engine:
        execution = await engine.start(made.graph, {"data": {"n": 2}})
        log.full = True
        with pytest.raises(NodeError, match="not today"):
            await execution.result()


@virtual_time
async def test_it_can_be_cancelled_meanwhile() -> None:
    log = FullLog()
    async with rxs.Engine(log) as engine:
        execution = await engine.start(Pipeline("p").add(Counts()).graph, {"data": {"n": 500}})
        log.full = True
        await asyncio.sleep(100)
        execution.cancel("enough")
        with pytest.raises(ExecutionCancelled, match="enough"):
            await execution.result()


@virtual_time
async def test_more_facts_than_may_wait_end_it() -> None:
    async def many(data: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(1)
        raise OSError("no")

    log = FullLog()
    made = Pipeline("p").add(many, each="items", dead_letters=True, concurrency=10)
    async with rxs.Engine(log) as engine:
        execution = await engine.start(made.graph, {"data": {"items": list(range(6_000))}})
        await asyncio.sleep(1.5)
        log.full = True
        with pytest.raises(LogError, match="disk is full"):
            await execution.result()


@virtual_time
async def test_a_question_waits_for_the_log_and_so_does_its_answer() -> None:
    class Asks(Step):
        async def run(self, data: dict[str, Any]) -> dict[str, Any]:
            await asyncio.sleep(100)
            return {"answer": await self.ask(bool, "really?")}

    log = FullLog()
    async with rxs.Engine(log) as engine:
        execution = await engine.start(Pipeline("p").add(Asks).graph)
        log.full = True
        await asyncio.sleep(200)
        [question] = execution.questions
        answering = asyncio.ensure_future(execution.answer(question.request_id, True))
        await asyncio.sleep(100)
        assert not answering.done()
        log.full = False
        await answering
        assert await execution.result() == {"answer": True}
        assert [event.event_type for event in await told(execution)][-4:-2] == [
            "input_requested",
            "input_received",
        ]


@virtual_time
async def test_a_checkpoint_that_cannot_be_saved_holds_nothing_back() -> None:
    log = FullJournal()
    made = Pipeline("p").add(Counts(), checkpoint=True).add(Counts(), name="more", after="counts")
    async with rxs.Engine(log) as engine:
        execution = await engine.start(made.graph, {"data": {"n": 100}})
        await asyncio.sleep(1)
        log.full = True
        assert (await execution.result())["last"] == 100

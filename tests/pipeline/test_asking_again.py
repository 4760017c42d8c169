"""What a step asked and nobody answered in time is asked anew by its next attempt; other answers are kept."""

from __future__ import annotations

import asyncio
from typing import Any

import rxstream as rxs
from rxstream.events import StreamEvent
from rxstream.pipeline import Pipeline, Retry, Step
from rxstream.testing import virtual_time


class Asks(Step):
    """Two questions, the second with a minute's patience."""

    async def run(self, data: dict[str, Any]) -> dict[str, Any]:
        first = await self.ask(int, "first?")
        return {"sum": first + await self.ask(int, "second?", timeout=60)}


class AsksOther(Step):
    """Something else."""

    async def run(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"sum": -await self.ask(int, "another?")}


async def asked(execution: rxs.Execution, message: str) -> str:
    """The id of an open question."""
    while not [q for q in execution.questions if q.message == message]:  # noqa: ASYNC110  # virtual time
        await asyncio.sleep(1)
    return execution.questions[0].request_id


async def told(execution: rxs.Execution) -> list[StreamEvent]:
    return [event async for event in execution.events()]


@virtual_time
async def test_another_attempt_asks_anew_what_nobody_answered() -> None:
    pipeline = Pipeline("p").add(Asks, retry=Retry(2, first=1, jitter="none"))
    async with rxs.Engine() as engine:
        execution = await engine.start(pipeline.graph)
        await execution.answer(await asked(execution, "first?"), 1)
        expired = await asked(execution, "second?")
        await asyncio.sleep(70)
        again = await asked(execution, "second?")
        assert again != expired
        await execution.answer(again, 2)
        assert await execution.result() == {"sum": 3}
        requests = [e for e in await told(execution) if e.event_type == "input_requested"]
        assert [event.data["message"] for event in requests] == ["first?", "second?", "second?"]


@virtual_time
async def test_a_fallback_has_no_answers_of_the_step_it_stands_for() -> None:
    pipeline = Pipeline("p").add(Asks, fallback=AsksOther)
    async with rxs.Engine() as engine:
        execution = await engine.start(pipeline.graph)
        await execution.answer(await asked(execution, "first?"), 1)
        await asyncio.sleep(70)
        await execution.answer(await asked(execution, "another?"), 5)
        assert await execution.result() == {"sum": -5}

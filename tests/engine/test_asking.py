"""A function of a node asks, and whoever may answers; over a restart too."""

from __future__ import annotations

import asyncio
from datetime import date
from enum import Enum
from typing import Any

import pytest
from pydantic import BaseModel

import rxstream as rxs
from rxstream.errors import AlreadyEnded, AuthorError, InvalidParameters, UnknownRequest
from rxstream.testing import JournalLog, virtual_time
from tests.engine.parts import events_of, now, within


class Verdict(BaseModel):
    """An answer with a shape."""

    good: bool
    why: str = ""


async def judged(text: str) -> str:
    verdict = await rxs.ask(Verdict, f"is {text} good?", timeout=60)
    return f"{text}: {verdict.good} {verdict.why}".strip()


@rxs.graph
def review(texts: list[str], concurrency: int = 1) -> Any:
    return rxs.from_iterable(texts).map_async(judged, concurrency=concurrency).named("judge")


async def question(execution: rxs.Execution, count: int = 1) -> Any:
    """The newest question, once there are so many."""
    while len(execution.questions) < count:  # noqa: ASYNC110  # virtual time
        await asyncio.sleep(0.01)
    return execution.questions[-1]


class Choice(Enum):
    """One of two."""

    LEFT = "left"
    RIGHT = "right"


@virtual_time
@pytest.mark.parametrize(
    ("kind", "fits", "meant", "wrong"),
    [
        (bool, True, True, ["yes", 1]),
        (int, 5, 5, [True, "5", 5.5]),
        (float, 5, 5.0, ["5"]),
        (date, "2026-11-21", date(2026, 11, 21), [20260.5, "tomorrow"]),
        (Choice, "left", Choice.LEFT, ["up"]),
        (list[int], [1], [1], [["1"], 1]),
        (Verdict, {"good": True}, Verdict(good=True), [{"good": "true"}]),
    ],
)
async def test_an_answer_has_to_fit_the_schema_that_was_told(
    kind: Any, fits: Any, meant: Any, wrong: list[Any]
) -> None:
    async def asks(_: int) -> bool:
        return bool(await rxs.ask(kind, "well?") == meant)

    @rxs.graph
    def asking() -> rxs.Stream[bool]:
        return rxs.of(0).map_async(asks)

    async with rxs.Engine() as engine:
        execution = await engine.start(asking)
        asked = await question(execution)
        for value in wrong:
            with pytest.raises(InvalidParameters, match="value"):
                await execution.answer(asked.request_id, value)
        await execution.answer(asked.request_id, fits)
        assert await execution.result() is True


class TestOneQuestion:
    @virtual_time
    async def test_is_told_answered_and_told_again(self) -> None:
        async with rxs.Engine() as engine:
            execution = await engine.start(review, {"texts": ["a"]})
            asked = await question(execution)
            await asyncio.sleep(1)
            assert (await engine.record(execution.id)).status == "waiting"
            await execution.answer(asked.request_id, {"good": True}, by="ann")
            assert await execution.result() == "a: True"
            told = {e.event_type: e.data for e in await events_of(execution)}
        assert told["input_requested"]["message"] == "is a good?"
        assert told["input_requested"]["schema"]["properties"]["good"] == {
            "title": "Good",
            "type": "boolean",
        }
        assert told["input_requested"]["expires_at"]
        expected = {"request_id": asked.request_id, "value": {"good": True}, "by": "ann"}
        assert told["input_received"] == expected
        assert (await engine.record(execution.id)).status == "completed"

    @virtual_time
    async def test_is_answered_once_and_with_what_fits(self) -> None:
        async with rxs.Engine() as engine:
            execution = await engine.start(review, {"texts": ["a", "b"]})
            asked = await question(execution)
            with pytest.raises(InvalidParameters, match=r"value\.good"):
                await execution.answer(asked.request_id, {"why": "?"})
            with pytest.raises(UnknownRequest):
                await execution.answer("judge-0", {"good": True})
            both = [execution.answer(asked.request_id, {"good": b}) for b in (True, False)]
            outcomes = await asyncio.gather(*both, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [type(None), UnknownRequest]
            await execution.answer((await question(execution)).request_id, {"good": False})
            assert await execution.result() == "b: False"
            with pytest.raises(AlreadyEnded):
                await execution.answer(asked.request_id, {"good": True})

    @virtual_time
    async def test_that_nobody_answers_fails_the_node(self) -> None:
        async with rxs.Engine() as engine:
            execution = await engine.start(review, {"texts": ["a"]})
            begun = now()
            await within(100, execution.wait())
            assert 59 < now() - begun < 61
            assert execution.record.error is not None
            assert execution.record.error["code"] == "unanswered"
            assert execution.questions == []

    @virtual_time
    async def test_of_a_cancelled_execution_is_gone(self) -> None:
        async with rxs.Engine() as engine:
            execution = await engine.start(review, {"texts": ["a"]})
            await question(execution)
            execution.cancel()
            await execution.wait()
            assert execution.questions == []

    @virtual_time
    async def test_may_be_of_any_type(self) -> None:
        async def names(_: Any) -> list[str]:
            return await rxs.ask(list[str], "who?")

        @rxs.graph
        def g() -> Any:
            return rxs.of(1).map_async(names)

        async with rxs.Engine() as engine:
            execution = await engine.start(g)
            asked = await question(execution)
            assert asked.expires_at is None
            await execution.answer(asked.request_id, ["ann", "bob"])
            assert await execution.result() == ["ann", "bob"]


class TestSeveral:
    @virtual_time
    async def test_are_open_at_once_and_answered_in_any_order(self) -> None:
        async with rxs.Engine() as engine:
            given = {"texts": ["a", "b", "c"], "concurrency": 3}
            execution = await engine.start(review, given)
            await question(execution, 3)
            for asked in reversed(execution.questions):
                await execution.answer(asked.request_id, {"good": "a" not in asked.message[:4]})
            assert await execution.result() == "c: True"


async def twice(_: Any) -> list[Any]:
    return [await rxs.ask(int, "first?"), await rxs.ask(int, "second?")]


class TestARestart:
    """The engine that goes on has the states as they were after the last commit."""

    def left_by(self, log: JournalLog) -> JournalLog:
        return JournalLog([*log.commits], log.epoch)

    @pytest.mark.parametrize("ordered", [True, False])
    @virtual_time
    async def test_keeps_what_was_asked_and_what_was_answered(self, ordered: bool) -> None:
        graph = rxs.Graph(lambda: rxs.of(1).map_async(twice, ordered=ordered).named("t"), "g")
        log = JournalLog()
        async with rxs.Engine(log, graphs=[graph]) as engine:
            execution = await engine.start("g")
            await execution.answer((await question(execution)).request_id, 1)
            second = await question(execution)
            await asyncio.sleep(2)
            left = self.left_by(log)
        async with rxs.Engine(left, graphs=[graph]) as engine:
            again = engine.execution(execution.id)
            await question(again)
            assert [q.request_id for q in again.questions] == [second.request_id]
            await again.answer(second.request_id, 2)
            assert await again.result() == [1, 2]
            kinds = [event.event_type for event in await events_of(again)]
        assert (kinds.count("input_requested"), kinds.count("input_received")) == (2, 2)

    @virtual_time
    async def test_takes_an_answer_before_the_function_has_asked_again(self) -> None:
        async def slowly(_: Any) -> int:
            await asyncio.sleep(100)
            return await rxs.ask(int, "how many?")

        graph = rxs.Graph(lambda: rxs.of(1).map_async(slowly).named("t"), "g")
        for value, expected in ((7, 7), ("many", 8)):
            log = JournalLog()
            async with rxs.Engine(log, graphs=[graph]) as engine:
                execution = await engine.start("g")
                asked = await question(execution)
                await asyncio.sleep(2)
                left = self.left_by(log)
            async with rxs.Engine(left, graphs=[graph]) as engine:
                again = engine.execution(execution.id)
                await question(again)
                await again.answer(asked.request_id, value)
                assert again.questions == []
                if value == "many":  # it does not fit, so it is asked again
                    await again.answer((await question(again)).request_id, 8)
                assert await again.result() == expected


class TestWhereNobodyCanBeAsked:
    @virtual_time
    async def test_it_is_said(self) -> None:
        with pytest.raises(AuthorError, match="ask"):
            await rxs.ask(bool, "?")

        async def asking() -> Any:
            yield await rxs.ask(bool, "?")

        @rxs.graph
        def g() -> Any:
            return rxs.source(asking)

        async with rxs.Engine() as engine:
            execution = await engine.start(g)
            with pytest.raises(AuthorError, match="map_async"):
                await execution.result()

"""While an agent works it is sent messages, and calls, turns and the run are cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

import rxstream as rxs
from rxstream.agent import agent
from rxstream.agent.unit import AgentUnit
from rxstream.engine.steering import NobodyListens
from rxstream.errors import AlreadyEnded, AuthorError, BadRequest
from rxstream.models import Element
from rxstream.testing import run, virtual_time
from rxstream.testing.crashes import JournalLog
from rxstream.tools import Tool, tool
from tests.agent.running import elements, events_of, graph_of, started, until
from tests.agent.scripted import Line, Scripted, calls, kinds, results, text_of


@tool(parallel=True)
async def wait(seconds: float) -> AsyncIterator[str]:
    """Wait."""
    yield "waiting"
    await asyncio.sleep(seconds)


again = Tool(wait.function, name="again", idempotent=True)


def working(*script: Line, **more: Any) -> Any:
    return lambda: agent("go", model=Scripted(*script, pace=1), tools=[wait, again], **more)


def users(found: list[Element]) -> list[str]:
    return [each["content"] for each in found if each["type"] == "message"]


def unit_of(execution: rxs.Execution) -> AgentUnit:
    (unit,) = execution.runtime.units
    assert isinstance(unit, AgentUnit)
    return unit


@virtual_time
async def test_a_message_joins_behind_the_results_of_the_turn_it_was_sent_in() -> None:
    model = Scripted([calls("wait", seconds=10)], ["well"])
    make = lambda: agent("go", model=model, tools=[wait])  # noqa: E731  # the model is looked at below
    async with started(make) as execution:
        await execution.send("hurry", by="me")
        found = await elements(execution)
    assert kinds(found)[-4:] == ["message", "token", "turn", "done"]
    assert [each["role"] for each in model.asked[1].messages] == [
        *("user", "assistant", "tool", "user"),
    ]
    received = await events_of(execution, "input_received")
    assert received == [{"request_id": None, "value": "hurry", "by": "me"}]


@virtual_time
async def test_a_message_sent_during_the_last_answer_makes_another_turn() -> None:
    async with started(working(["a", "b", "c"], ["d"])) as execution:
        await asyncio.sleep(1.5)
        await execution.send({"type": "message", "content": "and?"})
        found = await elements(execution)
    assert (text_of(found), users(found), found[-1]["turns"]) == ("abcd", ["and?"], 2)


@virtual_time
async def test_one_call_is_cancelled_and_the_model_is_told_so() -> None:
    script = [calls("wait", seconds=100), calls("wait", seconds=3)]
    async with started(working(script, ["well"])) as execution:
        await until(execution, lambda each: each["type"] == "tool_output")
        await execution.send({"type": "cancel_call", "id": "c0-1", "reason": "too slow"})
        found = await elements(execution)
    assert results(found) == {"c0-1": "cancelled", "c0-2": "waiting"}
    assert found[-1]["text"] == "well"
    assert next(e for e in found if e.get("error"))["error"]["message"] == "too slow"


@virtual_time
async def test_a_cancelled_turn_keeps_what_came_and_ends_the_run() -> None:
    async with started(working(["a", calls("wait", seconds=99), "b", "c", "d"])) as execution:
        await asyncio.sleep(2.5)
        await execution.send({"type": "cancel_turn"})
        found = await elements(execution)
    assert results(found) == {"c0-1": "cancelled"}
    assert (found[-1]["text"], found[-1]["finish_reason"]) == ("ab", "cancelled")
    assert (execution.status, kinds(found)[-1]) == ("completed", "done")


@virtual_time
async def test_a_turn_is_cancelled_while_its_calls_run_too() -> None:
    async with started(working([calls("wait", seconds=99)], ["b"])) as execution:
        await until(execution, lambda each: each["type"] == "turn")
        await execution.send({"type": "cancel_turn", "reason": "stop it"})
        found = await elements(execution)
    assert (results(found), found[-1]["turns"]) == ({"c0-1": "cancelled"}, 1)


@virtual_time
async def test_a_cancelled_turn_keeps_the_results_it_had() -> None:
    script = [calls("wait", seconds=1), calls("wait", seconds=99)]
    async with started(working(script)) as execution:
        await until(execution, lambda each: each["type"] == "tool_result")
        await execution.send({"type": "cancel_turn"})
        found = await elements(execution)
    assert results(found) == {"c0-1": "waiting", "c0-2": "cancelled"}


@virtual_time
async def test_behind_a_cancelled_turn_a_message_goes_on() -> None:
    model = Scripted(["a", "b", "c"], ["new"], pace=1)
    async with started(lambda: agent("go", model=model)) as execution:
        await asyncio.sleep(1.5)
        await execution.send("other question")
        await execution.send({"type": "cancel_turn"})
        found = await elements(execution)
    assert text_of(found) == "anew"
    assert [each["content"] for each in model.asked[1].messages] == ["go", "a", "other question"]


@virtual_time
async def test_one_that_stays_waits_for_messages_until_it_is_stopped() -> None:
    async with started(working(["one"], ["two"], ["three"], stay=True)) as execution:
        await until(execution, lambda each: each["type"] == "done")
        await execution.send("two?")
        await until(execution, lambda each: each["type"] == "done" and each["text"] == "two")
        await execution.send("three?")
        await until(execution, lambda each: each["type"] == "done" and each["text"] == "three")
        await asyncio.sleep(10)
        execution.stop()
        found = await elements(execution)
    assert [each["text"] for each in found if each["type"] == "done"] == ["one", "two", "three"]
    assert execution.status == "cancelled"


@virtual_time
async def test_one_that_stays_and_was_asked_nothing_waits_for_a_question() -> None:
    model = Scripted(["hello"])
    async with started(lambda: agent([], model=model, stay=True, system="hi")) as execution:
        await asyncio.sleep(10)
        assert model.asked == []
        await execution.send("hello?")
        done = await until(execution, lambda each: each["type"] == "done")
        execution.stop()
        assert kinds(await elements(execution)) == ["message", "token", "turn", "done"]
    assert (done["turns"], done["text"]) == (1, "hello")
    assert done["timings"]["duration_ms"] < 1_000


def test_one_that_was_told_to_stop_stops_also_when_it_crashes() -> None:
    async def before() -> tuple[JournalLog, str]:
        journal = JournalLog()
        async with started(TALKING, journal) as execution:
            await asyncio.sleep(2.5)
            execution.stop()
            await execution.wait()
            return journal, execution.id

    journal, execution_id = run(before())
    stops = 0
    for point in range(3, len(journal.commits)):
        log = JournalLog(journal.commits[:point], journal.epoch)
        found = run(_gone_on(log, execution_id), start=journal.times[point - 1])
        if any("stopped" in str(commit.states) for commit in journal.commits[:point]):
            stops += 1
            assert (text_of(found), found[-1]["finish_reason"]) == ("abc", "stopped")
        else:
            assert text_of(found) == "abcde"
    assert stops > 2


@virtual_time
async def test_where_no_turn_is_under_way_there_is_nothing_to_cancel() -> None:
    async with started(working(["one"], ["two"], stay=True)) as execution:
        await until(execution, lambda each: each["type"] == "done")
        await execution.send({"type": "cancel_turn"})
        await execution.send("two?")
        done = await until(execution, lambda each: each.get("text") == "two" and "turns" in each)
    assert done["finish_reason"] == "stop"


@virtual_time
async def test_a_message_that_is_not_recorded_yet_is_waited_for() -> None:
    model = Scripted(["a"] * 20, ["b"], pace=0.001)
    async with started(lambda: agent("go", model=model)) as execution:
        await asyncio.sleep(0.0192)  # commits are at least 5 ms apart, the answer ends in less
        await execution.send("wait")
        found = await elements(execution)
    assert (users(found), found[-1]["text"]) == (["wait"], "b")


@virtual_time
async def test_a_call_that_ended_before_its_cancellation_was_recorded_keeps_its_result() -> None:
    async with started(working([calls("wait", seconds=1), 5, "a"], ["b"])) as execution:
        await asyncio.sleep(0.5)
        recorded = unit_of(execution).accept({"type": "cancel_call", "id": "c0-1"})
        await asyncio.sleep(1)
        recorded()
        assert results(await elements(execution)) == {"c0-1": "waiting"}


@virtual_time
async def test_a_call_said_at_the_moment_its_turn_is_cancelled_is_not_made() -> None:
    says = asyncio.Event()

    class Waiting(Scripted):
        async def answer(self, *given: Any, **more: Any) -> AsyncIterator[Any]:
            await says.wait()
            async for batch in super().answer(*given, **more):
                yield batch

    model = Waiting([calls("wait", seconds=99)])
    async with started(lambda: agent("go", model=model, tools=[wait])) as execution:
        await asyncio.sleep(1)
        recorded = unit_of(execution).accept({"type": "cancel_turn"})
        says.set()
        recorded()
        assert results(await elements(execution)) == {"c0-1": "cancelled"}
    assert asyncio.get_running_loop().time() < 2


@virtual_time
async def test_one_that_has_not_begun_is_stopped_at_once() -> None:
    model = Scripted(["never"])
    async with started(lambda: rxs.concat(rxs.never(), agent("go", model=model))) as execution:
        await asyncio.sleep(1)
        execution.stop()
        await execution.wait()
    assert model.asked == []


@virtual_time
async def test_one_that_is_stopping_takes_nothing_more() -> None:
    async with started(working([calls("wait", seconds=5)])) as execution:
        await asyncio.sleep(0.5)
        execution.stop()
        with pytest.raises(AlreadyEnded, match="what is sent now would have no effect"):
            await execution.send("too late")


@virtual_time
async def test_stopping_ends_behind_the_turn_that_is_under_way() -> None:
    async with started(working(["a", calls("wait", seconds=5)], ["never"])) as execution:
        await asyncio.sleep(0.5)
        execution.stop()
        found = await elements(execution)
    assert (results(found), text_of(found)) == ({"c0-1": "waiting"}, "a")
    assert found[-1]["finish_reason"] == "stopped"


@virtual_time
async def test_cancelling_the_run_cancels_its_calls() -> None:
    ended: list[str] = []

    @tool
    async def endless() -> None:
        try:
            await asyncio.sleep(1_000)
        finally:
            ended.append("call")

    model = Scripted([calls("endless")])
    async with started(lambda: agent("go", model=model, tools=[endless])) as execution:
        await asyncio.sleep(1)
        execution.cancel("enough")
        await execution.wait()
    assert (ended, model.closed) == (["call"], 1)


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (3, "an agent is sent a text"),
        ({"type": "dance"}, "an agent is sent a text"),
        ("  ", "must be a text that says something"),
        ({"type": "message", "content": 3}, "must be a text that says something"),
        ("x" * 100_001, "at most 100000"),
        ({"type": "message", "content": "x", "more": 1}, "'more' is not known in a message"),
        ({"type": "cancel_turn", "reason": 1}, "reason must be a text"),
        ({"type": "cancel_call", "id": "c9"}, "no call 'c9' is under way: there are c0-1"),
    ],
)
def test_what_means_nothing_is_refused(value: Any, word: str) -> None:
    @virtual_time
    async def live() -> None:
        async with started(working([calls("wait", seconds=9)])) as execution:
            await until(execution, lambda each: each["type"] == "tool_call")
            with pytest.raises(BadRequest, match=word):
                await execution.send(value)

    live()


@virtual_time
async def test_one_that_has_answered_takes_nothing_more() -> None:
    async def late(element: Element) -> Element:
        await asyncio.sleep(5 if element["type"] == "done" else 0)
        return element

    make = working(["a"])
    async with started(lambda: make().map_async(late)) as execution:
        await asyncio.sleep(3)
        with pytest.raises(NobodyListens):
            await execution.send("too late")


async def test_one_that_stays_needs_an_engine() -> None:
    with pytest.raises(AuthorError, match="run it in an engine, or leave out stay=True"):
        await working(["a"], stay=True)()


async def _sent_to(journal: JournalLog, value: Any) -> tuple[str, list[Element]]:
    """A run that was sent a message and a cancellation, and what it said."""
    async with started(TALKING, journal) as execution:
        await asyncio.sleep(1.2)
        await execution.send("more")
        await until(execution, lambda each: each["type"] == "tool_output")
        await execution.send(value)
        return execution.id, await elements(execution)


async def _gone_on(log: JournalLog, execution_id: str) -> list[Element]:
    async with rxs.Engine(log) as engine:
        execution = await engine.resume(execution_id, graph_of(TALKING))
        return await elements(execution)


TALKING = working(["a", "b", calls("again", seconds=3), "c"], ["d", "e"])


@pytest.mark.parametrize(
    ("value", "text"),
    [({"type": "cancel_call", "id": "c0-1"}, "abcde"), ({"type": "cancel_turn"}, "abde")],
)
def test_what_was_sent_takes_effect_once_however_often_it_crashes(value: Any, text: str) -> None:
    journal = JournalLog()
    execution_id, whole = run(_sent_to(journal, value))
    assert (text_of(whole), results(whole)) == (text, {"c0-1": "cancelled"})
    sent = [
        place
        for place, commit in enumerate(journal.commits, 1)
        if any(draft.event_type == "input_received" for draft in commit.events)
    ]
    assert len(sent) == 2
    for point in range(sent[0], len(journal.commits)):
        log = JournalLog(journal.commits[:point], journal.epoch)
        found = run(_gone_on(log, execution_id), start=journal.times[point - 1])
        assert users(found) == ["more"]
        if point >= sent[1]:
            assert text_of(found) == text
            assert results(found) == {"c0-1": "cancelled"}

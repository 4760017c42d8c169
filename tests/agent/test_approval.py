"""A person agrees to exactly one call, in time, or it is not made."""

from __future__ import annotations

import asyncio
from typing import Any

import rxstream as rxs
from rxstream.agent import agent
from rxstream.models import Element
from rxstream.testing import crash_everywhere, run, virtual_time
from rxstream.testing.crashes import JournalLog
from rxstream.tools import tool
from tests.agent.running import asked, elements, graph_of, started
from tests.agent.scripted import Scripted, calls, results

PAID: list[dict[str, Any]] = []


@tool(approval=True)
async def pay(to: str, much: int = 1) -> str:
    """Pay somebody."""
    PAID.append({"to": to, "much": much})
    return f"paid {much}"


def too_much(arguments: Any) -> str | None:
    return f"really {arguments['much']}?" if arguments["much"] > 10 else None


@tool(approval=too_much)
async def tip(much: int) -> str:
    """Tip somebody; much only if a person agrees."""
    PAID.append({"tip": much})
    return "thanks"


def paying(**more: Any) -> rxs.Stream[Element]:
    PAID.clear()
    model = Scripted([calls("pay", to="x", much=5)], ["ok"])
    return agent("go", model=model, tools=[pay, tip], **more)


@virtual_time
async def test_a_call_is_made_when_a_person_has_agreed_and_not_before() -> None:
    async with started(paying) as execution:
        question = await asked(execution)
        assert (PAID, execution.status) == ([], "waiting")
        assert question.message == 'Run pay? pay({"much":5,"to":"x"})'
        assert question.schema["call"] == {
            "id": "c0-1",
            "name": "pay",
            "arguments": {"to": "x", "much": 5},
        }
        await execution.answer(question.request_id, True, by="me")
        assert results(await elements(execution)) == {"c0-1": "paid 5"}
    assert PAID == [{"to": "x", "much": 5}]


@virtual_time
async def test_a_refusal_is_told_to_the_model_which_goes_on() -> None:
    async with started(paying) as execution:
        await execution.answer((await asked(execution)).request_id, False)
        found = await elements(execution)
    assert results(found) == {"c0-1": "refused"}
    assert (PAID, found[-1]["text"]) == ([], "ok")


@virtual_time
async def test_what_nobody_agrees_to_in_time_is_not_made() -> None:
    async with started(lambda: paying(approval_timeout=60)) as execution:
        question = await asked(execution)
        assert question.expires_at is not None
        found = await elements(execution)
    assert results(found) == {"c0-1": "unanswered"}
    assert PAID == []


@virtual_time
async def test_a_tool_asks_only_where_its_arguments_say_so() -> None:
    def tipping() -> rxs.Stream[Element]:
        PAID.clear()
        model = Scripted([calls("tip", much=1), calls("tip", much=50)], ["ok"])
        return agent("go", model=model, tools=[tip])

    async with started(tipping) as execution:
        question = await asked(execution)
        assert question.message == 'really 50? tip({"much":50})'
        assert PAID == [{"tip": 1}]
        await execution.answer(question.request_id, True)
        await execution.result()
    assert PAID == [{"tip": 1}, {"tip": 50}]


@virtual_time
async def test_arguments_that_are_wrong_are_not_asked_about() -> None:
    def wrong() -> rxs.Stream[Element]:
        return agent("go", model=Scripted([calls("pay", to=["x"])], ["ok"]), tools=[pay])

    async with started(wrong) as execution:
        assert results(await elements(execution)) == {"c0-1": "invalid_parameters"}


@virtual_time
async def test_what_was_agreed_to_is_what_runs_whoever_changes_the_element() -> None:
    def changed(element: Element) -> Element:
        if element["type"] == "tool_call":
            element["arguments"]["to"] = "a thief"
        return element

    async with started(lambda: paying().map(changed)) as execution:
        await execution.answer((await asked(execution)).request_id, True)
        await execution.result()
    assert PAID == [{"to": "x", "much": 5}]


async def test_without_an_engine_nobody_can_be_asked() -> None:
    found = [element async for element in paying()]
    assert results(found) == {"c0-1": "nobody_to_ask"}
    assert PAID == []


@virtual_time
async def test_a_call_that_waits_for_a_person_can_be_cancelled() -> None:
    async with started(paying) as execution:
        await asked(execution)
        await execution.send({"type": "cancel_call", "id": "c0-1", "reason": "never mind"})
        found = await elements(execution)
        assert execution.questions == []
    assert results(found) == {"c0-1": "cancelled"}
    assert PAID == []


def test_a_question_survives_a_crash_and_what_was_agreed_to_is_made_once() -> None:
    async def before() -> tuple[JournalLog, str, str]:
        journal = JournalLog()
        async with started(paying, journal) as execution:
            question = await asked(execution)
            await asyncio.sleep(1)
            return journal, execution.id, question.request_id

    async def after(journal: JournalLog, execution_id: str, request_id: str) -> list[Element]:
        log = JournalLog([c for c in journal.commits if not ended(c)], journal.epoch)
        async with rxs.Engine(log) as engine:
            execution = await engine.resume(execution_id, graph_of(paying))
            assert (await asked(execution)).request_id == request_id
            await execution.answer(request_id, True)
            return await elements(execution)

    def ended(commit: Any) -> bool:
        return any(draft.event_type == "pipeline_cancelled" for draft in commit.events)

    found = run(after(*run(before())))
    assert results(found) == {"c0-1": "paid 5"}
    assert PAID == [{"to": "x", "much": 5}]


@tool(idempotent=True, approval=True)
async def careful(what: str) -> str:
    """Asks once more by itself."""
    return "done" if await rxs.ask(bool, f"sure of {what}?", timeout=5) else "left"


def test_what_a_tool_asks_itself_comes_behind_what_was_asked_before_it() -> None:
    @rxs.graph(resumable=True)
    def asking() -> rxs.Stream[Element]:
        model = Scripted([calls("careful", what="it")], ["ok"])
        return agent("go", model=model, tools=[careful], approval_timeout=5).named("agent")

    def ends(seen: Any) -> Any:
        return [results(seen["agent"]), seen[""][0]]

    crash_everywhere(asking, by=ends)

    async def live() -> list[Element]:
        async with rxs.Engine() as engine:
            execution = await engine.start(asking)
            for _ in range(2):
                question = await asked(execution)
                await execution.answer(question.request_id, True)
            return await elements(execution)

    assert results(run(live())) == {"c0-1": "done"}

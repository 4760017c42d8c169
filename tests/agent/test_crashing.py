"""An agent that crashes after any commit goes on: nothing is shown twice, no effect is made twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest

import rxstream as rxs
from rxstream import statecodec
from rxstream.agent import agent
from rxstream.log.contract import Commit
from rxstream.models import Element
from rxstream.testing import crash_everywhere, run
from rxstream.testing.crashes import JournalLog
from rxstream.tools import ToolResult, tool
from tests.agent.scripted import Scripted, calls, results

MADE: list[str] = []
"""Calls of the tools of this life."""


@tool(parallel=True, idempotent=True)
async def look(what: str) -> AsyncIterator[Any]:
    """Can be made again."""
    MADE.append(f"look {what}")
    for number in range(3):
        yield f"{what}{number} "
        await asyncio.sleep(0.5)


@tool
async def send(to: str) -> AsyncIterator[Any]:
    """Has effects."""
    MADE.append(f"send {to}")
    yield "sending"
    await asyncio.sleep(1)
    yield ToolResult(f"sent to {to}")


SCRIPT = (
    [
        "I ",
        calls("look", what="a"),
        "do ",
        calls("send", to="x"),
        0.5,
        calls("look", what="b"),
        "it",
    ],
    [calls("send", to="y"), "and ", calls("nobody")],
    ["All", " is", " done"],
)
NAMES = {"c0-1": "look a", "c0-2": "send x", "c0-3": "look b", "c1-1": "send y"}


@rxs.graph(resumable=True)
def working() -> rxs.Stream[Element]:
    """An agent that looks and sends."""
    return agent("go", model=Scripted(*SCRIPT, pace=0.1), tools=[look, send]).named("agent")


def shown(seen: Mapping[str, Sequence[Any]]) -> Any:
    """What has to be the same however often it crashed; what is unknown counts as a result."""
    elements = seen["agent"]
    live: dict[str, str] = {}
    for each in elements:
        if each["type"] == "tool_output" and each["id"] in ("c0-1", "c0-3"):
            live[each["id"]] = live.get(each["id"], "") + each["text"]
    ended = {call: code == "unknown_tool" for call, code in results(elements).items()}
    done = {**elements[-1], "usage": None, "timings": None}
    return (
        [each["text"] for each in elements if each["type"] == "token"],
        sorted(each["id"] for each in elements if each["type"] == "tool_call"),
        [each["turn"] for each in elements if each["type"] == "turn"],
        len([each for each in elements if each["type"] == "tool_result"]),
        *(live, ended, done, seen[""][0], seen["(step_start)"], seen["(step_complete)"]),
    )


def test_after_a_crash_at_any_commit_nothing_is_shown_twice() -> None:
    assert crash_everywhere(working, by=shown) > 50


def known(commits: Sequence[Commit]) -> dict[str, str]:
    """Where each call stands in what was stored: found, started or done."""
    keys: dict[str, bytes] = {}
    settled: set[str] = set()
    for commit in commits:
        delta = commit.states.get("keys:agent")
        if delta is None:
            continue
        if delta.wiped:
            keys.clear()
        for gone in delta.deleted:
            keys.pop(gone, None)
        keys |= delta.set
        settled |= {
            statecodec.decode(value).get("tool_call_id", "")
            for key, value in delta.set.items()
            if key[0] == "m"
        }
    stands = {
        statecodec.decode(value)["id"]: statecodec.decode(keys[f"d{key[1:]}"])[0]
        for key, value in keys.items()
        if key[0] == "c"
    }
    return {**stands, **dict.fromkeys(settled - {""}, "done")}


async def _journal() -> tuple[JournalLog, str]:
    journal = JournalLog()
    async with rxs.Engine(journal) as engine:
        execution = await engine.start(working)
        await execution.wait()
    return journal, execution.id


async def _gone_on(journal: JournalLog, point: int, execution_id: str) -> dict[str, Any]:
    """Results of a run that goes on after so many commits."""
    log = JournalLog(journal.commits[:point], journal.epoch)
    async with rxs.Engine(log) as engine:
        execution = await engine.resume(execution_id, working)
        await execution.wait()
        events = [event async for event in execution.events()]
    return results([each.data for each in events if each.event_type == "step_output"])


def test_a_call_that_was_started_is_unknown_and_not_made_again() -> None:
    """At each crash: what may have had an effect is not made again, what was not begun is made once."""
    journal, execution_id = run(_journal())
    unknown = 0
    for point in range(1, len(journal.commits)):
        stood = known(journal.commits[:point])
        MADE.clear()
        told = run(_gone_on(journal, point, execution_id), start=journal.times[point - 1])
        for call, name in NAMES.items():
            stands, made = stood.get(call, "found"), MADE.count(name)
            if stands == "started" and name.startswith("send"):
                unknown += 1
                assert (told[call], made) == ("unknown", 0), f"{name} after commit {point}"
            else:
                assert made == (stands != "done"), f"{name} after commit {point}: it was {stands}"
                assert told[call] != "unknown"
    assert unknown > 5


def test_before_a_call_that_may_have_effects_is_made_its_start_is_stored() -> None:
    stored: list[str] = []

    @tool
    async def spend() -> None:
        stored.append(known(journal.commits)["c0-1"])

    journal = JournalLog()

    @rxs.graph(resumable=True)
    def spending() -> rxs.Stream[Element]:
        return agent("go", model=Scripted([calls("spend")], ["ok"]), tools=[spend]).named("agent")

    async def live() -> None:
        async with rxs.Engine(journal) as engine:
            execution = await engine.start(spending)
            await execution.result()

    run(live())
    assert stored == ["started"]


@pytest.mark.parametrize("length", [500, 2_000])
def test_what_is_stored_of_a_long_answer_grows_with_it_and_not_with_its_square(length: int) -> None:
    @rxs.graph(resumable=True)
    def talking() -> rxs.Stream[Element]:
        return agent("go", model=Scripted(["word "] * length, pace=0.02)).named("agent")

    async def live() -> JournalLog:
        journal = JournalLog()
        async with rxs.Engine(journal) as engine:
            await (await engine.start(talking)).result()
        return journal

    journal = run(live())
    size = sum(
        len(value)
        for commit in journal.commits
        for delta in commit.states.values()
        for value in delta.set.values()
    )
    assert size / length < 200


def test_a_call_that_is_nearly_done_ends_well_where_the_execution_is_put_away() -> None:
    """Its outcome would be unknown; nothing new begins meanwhile."""
    MADE.clear()

    async def before() -> tuple[JournalLog, str]:
        journal = JournalLog()
        async with rxs.Engine(journal) as engine:
            execution = await engine.start(working)
            while MADE != ["look a", "send x"]:  # noqa: ASYNC110  # virtual time
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.4)
            assert await execution.suspend()
        return journal, execution.id

    journal, execution_id = run(before())
    assert MADE == ["look a", "send x"]
    told = run(_gone_on(journal, len(journal.commits), execution_id))
    assert told["c0-2"] == "sent to x"
    assert MADE.count("send x") == MADE.count("send y") == 1

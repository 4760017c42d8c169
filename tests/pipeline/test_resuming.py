"""A pipeline that died goes on: finished steps never run again, and nothing shown is shown again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

import rxstream as rxs
from rxstream.pipeline import Pipeline, Result, Retry, Step, Streaming
from rxstream.testing import JournalLog, crash_everywhere, run

AT_ONCE = Streaming(True, flush_interval_ms=0)


class Words(Step):
    """Shows words with pauses, so that a crash can come between any two."""

    async def run(self, data: dict[str, Any]) -> AsyncIterator[Any]:
        for number in range(4):
            yield f"word {number} of {data.get('item', 'all')}"
            await asyncio.sleep(0.3)
        yield Result({"words": 4})


async def slow(data: dict[str, Any]) -> dict[str, Any]:
    await asyncio.sleep(0.5)
    return {"slow": data["words"]}


async def failing(data: dict[str, Any]) -> dict[str, Any]:
    await asyncio.sleep(0.2)
    raise OSError("never")


class Undone(Step):
    """Can be undone, which takes a while."""

    async def run(self, data: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0.1)
        return {"done": True}

    async def compensate(self, data: dict[str, Any], result: dict[str, Any]) -> None:
        await asyncio.sleep(0.2)


def by_node(seen: Any) -> Any:
    """What is seen of each; the order of items of parallel calls is free."""
    return {node: sorted(map(str, items)) for node, items in seen.items()}


def several(streaming: Streaming) -> Pipeline:
    made = Pipeline("several", streaming=streaming, resumable=True)
    made.add(Words).add(slow, after="words").add(Words, name="each", each="items", concurrency=2)
    made.add(failing, after="slow", retry=Retry(3, first=0.4, jitter="none"), fallback={"f": 1})
    made.add(slow, name="never", after="each", when="missing")
    return made.add(Undone, after=["failing", "never"])


@pytest.mark.parametrize(
    "streaming", [AT_ONCE, Streaming(True), Streaming()], ids=["at once", "gathered", "off"]
)
def test_a_crash_at_any_commit_changes_nothing(streaming: Streaming) -> None:
    bound = several(streaming).graph.bind(data={"items": ["a", "b", "c"]})
    assert crash_everywhere(bound, by=by_node, most=40) >= 10


def test_a_crash_while_it_is_undone_changes_nothing() -> None:
    made = Pipeline("undone", streaming=AT_ONCE).add(Undone, name="one")
    made.add(Undone, name="two", after="one").add(failing, after="two")
    made.add(Words, name="beside", after="one").add(Undone, name="never", after="beside")
    bound = made.add(Undone, name="last", after=["never", "failing"]).graph.bind()
    assert crash_everywhere(bound, by=by_node, most=40) >= 10


async def _lives(make: Any, calls: list[str], point: int) -> Any:
    """Run it, then again from after a commit; how often steps were called in the second life."""
    journal = JournalLog()
    async with rxs.Engine(journal) as engine:
        execution = await engine.start(make())
        await execution.wait()
    calls.clear()
    async with rxs.Engine(JournalLog(journal.commits[:point], journal.epoch)) as engine:
        again = await engine.resume(execution.id, make())
        return await again.result(), len(journal.commits)


def test_a_finished_step_is_never_called_again() -> None:
    calls: list[str] = []

    class Noted(Step):
        async def run(self, data: dict[str, Any]) -> dict[str, Any]:
            name = f"{data.get('index', 'single')}"
            calls.append(name)
            await asyncio.sleep(2 if data.get("index") else 1)
            return {name: True}

    def make() -> Any:
        made = Pipeline("noted").add(Noted, name="first")
        return made.add(
            Noted, name="second", after="first", each="items", concurrency=2
        ).graph.bind(data={"items": [0, 1, 2]})

    result, commits = run(_lives(make, calls, 1))
    assert calls == ["single", "0", "1", "2"]
    again = []
    for point in range(2, commits):
        assert run(_lives(make, calls, point))[0] == result
        again.append(list(calls))
    items = ["0", "1", "2"]
    # a step may be called again until its end is recorded, and not after
    assert again == [["single", *items], ["single", *items], items, items, items[1:], items[2:]]


def test_a_question_survives_a_restart() -> None:
    class Asks(Step):
        async def run(self, data: dict[str, Any]) -> dict[str, Any]:
            first = await self.ask(int, "how many?", timeout=600)
            return {"sum": first + await self.ask(int, "and?")}

    bound = Pipeline("asks").add(Asks).graph.bind()

    async def asked(execution: Any) -> Any:
        while not execution.questions:  # noqa: ASYNC110  # virtual time
            await asyncio.sleep(0.01)
        return execution.questions[0]

    async def lives() -> Any:
        journal = JournalLog()
        async with rxs.Engine(journal) as engine:
            execution = await engine.start(bound)
            await execution.answer((await asked(execution)).request_id, 2)
            await asked(execution)
            await asyncio.sleep(2)
            before = list(journal.commits)
        async with rxs.Engine(JournalLog(before, journal.epoch)) as engine:
            again = await engine.resume(execution.id, bound)
            question = await asked(again)
            assert question.message == "and?"
            await again.answer(question.request_id, 3)
            return await again.result()

    assert run(lives()) == {"sum": 5}

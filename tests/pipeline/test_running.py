"""Pipelines in engines: served, nested, with results of any size and kind, over logs that last."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import SecretStr

import rxstream as rxs
from rxstream.errors import AuthorError, GraphError
from rxstream.pipeline import Pipeline, Step
from rxstream.testing import JournalLog, run
from tests.pipeline.parts import data_of, events_of


class Plus(Step):
    """Adds one to `n`, and can be undone."""

    async def run(self, data: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(1)
        return {"n": data.get("n", 0) + 1}

    async def compensate(self, data: dict[str, Any], result: dict[str, Any]) -> None: ...


async def broken(data: dict[str, Any]) -> dict[str, Any]:
    raise OSError("no")


plus = Pipeline("plus").add(Plus, name="one").add(Plus, name="two", after="one")


async def test_it_is_served_under_its_name() -> None:
    async with rxs.Engine(graphs=[plus.graph]) as engine:
        execution = await engine.start("plus")
        execution.cancel()
        assert engine.graph("plus").parameters["properties"]["data"]["type"] == "object"


async def test_an_engine_takes_it_as_it_takes_a_graph() -> None:
    async with rxs.Engine(graphs=[plus]) as engine:
        for given in ("plus", plus):
            execution = await engine.start(given, {"data": {"n": 1}})
            assert execution.graph == "plus"
            execution.cancel()
        with pytest.raises(GraphError, match="'broken' is no graph: decorate a function"):
            await engine.start(broken)  # type: ignore[arg-type]  # that is wrong


def test_it_nests_in_a_graph_twice() -> None:
    @rxs.graph
    def outer() -> Any:
        left = plus.graph(data={"n": 10})
        right = plus.graph(data={"n": 20})
        return rxs.zip(left, right).map(lambda pair: pair[0]["n"] + pair[1]["n"])

    assert run(outer.run()) == 34
    assert {"plus.one", "plus_2.two"} <= outer.build().by_id.keys()


def test_what_is_undone_in_a_nested_one_is_told_of_its_steps() -> None:
    fails = Pipeline("fails").add(Plus, name="one").add(broken, after="one")

    @rxs.graph
    def outer() -> Any:
        return fails.graph().map(len)

    async def seen() -> Any:
        async with rxs.Engine() as engine:
            execution = await engine.start(outer)
            await execution.wait()
            return [event async for event in execution.events()]

    events = run(seen())
    said = [(e.step_id, e.data["status"]) for e in events if e.event_type == "step_progress"]
    assert said == [("fails.one", "compensating"), ("fails.one", "compensated")]


def test_a_result_that_is_too_large_for_an_event_is_delivered() -> None:
    async def large(data: dict[str, Any]) -> dict[str, Any]:
        return {"text": "x" * 2_000_000}

    pipeline = Pipeline("large").add(large)
    assert len(run(pipeline.run())["text"]) == 2_000_000
    events = events_of(pipeline)
    assert data_of(events, "step_complete", "large")[0]["output"] is None
    assert events[-1].data["result"] is None


def test_a_last_result_without_a_json_form_is_said() -> None:
    async def odd(data: dict[str, Any]) -> dict[str, Any]:
        return {"thing": object()}

    with pytest.raises(AuthorError, match="emitted what cannot be recorded"):
        run(Pipeline("odd").add(odd).run())


@pytest.mark.parametrize("resumable", [False, True])
def test_what_cannot_be_stored_only_costs_the_going_on(resumable: bool) -> None:
    async def make(data: dict[str, Any]) -> dict[str, Any]:
        return {"thing": object()}

    async def use(data: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(2)
        return {"thing": type(data["thing"]).__name__}

    pipeline = Pipeline("live", resumable=resumable).add(make).add(use, after="make")

    async def result() -> Any:
        async with rxs.Engine(JournalLog()) as engine:
            return await (await engine.start(pipeline.graph)).result()

    if resumable:
        with pytest.raises(AuthorError, match="cannot be stored"):
            run(result())
    else:
        assert run(result()) == {"thing": "object"}


@pytest.mark.parametrize("size", [10, 5_000, 500_000])
def test_a_served_one_goes_on_however_much_it_was_given(size: int) -> None:
    async def lives() -> Any:
        journal = JournalLog()
        async with rxs.Engine(journal, graphs=[plus.graph]) as engine:
            execution = await engine.start("plus", {"data": {"n": 1, "text": "x" * size}})
            await asyncio.sleep(1.5)
            before = list(journal.commits)
        async with rxs.Engine(JournalLog(before, journal.epoch), graphs=[plus.graph]) as engine:
            return (await engine.execution(execution.id).result())["n"]

    assert run(lives()) == 3


@pytest.mark.parametrize("text", ["short", "x" * 5_000])
def test_a_secret_is_not_stored_with_what_is_long(text: str) -> None:
    @rxs.graph
    def hidden(key: rxs.Secret, text: str) -> Any:
        return rxs.of(len(text)).map(str)

    async def commits() -> Any:
        journal = JournalLog()
        async with rxs.Engine(journal) as engine:
            bound = hidden.bind(key=SecretStr("hush"), text=text)
            await (await engine.start(bound)).wait()
        return journal.commits

    recorded = [commit.record for commit in run(commits()) if commit.record]
    assert "hush" not in str(recorded)
    assert all("whole_params" not in record.detail for record in recorded)
    assert all(record.detail["opaque_params"] for record in recorded)

"""What an action needs of the engine it has while it runs, and everybody else has it afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pytest

import rxstream as rxs
from rxstream import operators as ops
from rxstream.errors import AuthorError, InvalidParameters
from rxstream.pipeline import Pipeline, Step, action_step
from rxstream.plugins import Plugin, PluginError, PluginManager, action
from rxstream.testing import virtual_time

BUSY: list[tuple[str, float]] = []
"""Who began, and when, on the loop's clock."""


class Needing(Plugin):
    """Needs a gpu for ten seconds."""

    @action(resources={"gpu": 1}, resumable=True)
    async def draw(self, who: str = "draw") -> AsyncIterator[str]:
        """Draws."""
        note(who)
        await asyncio.sleep(10)
        yield who

    @action(resources={"gpu": 2})
    async def film(self) -> str:
        """Films."""
        await asyncio.sleep(10)
        return "film"

    @action(resources={"gpu": 1})
    async def embed(self, number: int) -> int:
        """Embeds."""
        note(f"embed {number}")
        await asyncio.sleep(10)
        if number < 0:
            raise OSError("no such number")
        return number


def note(who: str) -> None:
    BUSY.append((who, asyncio.get_running_loop().time()))


plugins = PluginManager()
plugins.load(Needing)


@pytest.fixture(autouse=True)
def busy() -> list[tuple[str, float]]:
    BUSY.clear()
    return BUSY


@rxs.graph
def drawn(who: str = "draw") -> Any:
    return plugins.stream("needing.draw", {"who": who})


@rxs.graph
def pair() -> Any:
    return rxs.zip(plugins.stream("needing.draw"), plugins.stream("needing.draw"))


@rxs.graph(resources={"gpu": 1})
def one_after_the_other() -> Any:
    return rxs.concat(plugins.stream("needing.draw"), plugins.stream("needing.draw"))


async def began(*starts: Any) -> list[float]:
    """When executions began to work, in seconds since the first did."""
    for execution in starts:
        await execution.wait()
    return [at - BUSY[0][1] for _, at in BUSY]


class TestStreams:
    @virtual_time
    async def test_an_execution_has_them_before_it_starts(self) -> None:
        async with rxs.Engine(resources={"gpu": 1}) as engine:
            first, second = await engine.start(drawn), await engine.start(drawn)
            assert (first.status, second.status) == ("running", "queued")
            assert engine.resources.free("gpu") == 0
            assert await began(first, second) == [0, 10]
            assert engine.resources.free("gpu") == 1

    @virtual_time
    async def test_two_nodes_have_theirs_at_once_so_none_waits_for_the_other(self) -> None:
        async with rxs.Engine(resources={"gpu": 3}) as engine:
            starts = [await engine.start(pair) for _ in range(2)]
            assert await began(*starts) == [0, 0, 10, 10]

    @virtual_time
    async def test_what_the_graph_says_of_a_resource_counts_instead(self) -> None:
        async with rxs.Engine(resources={"gpu": 1}) as engine:
            assert await began(await engine.start(one_after_the_other)) == [0, 10]
            assert await began(await engine.start(pair, resources={"gpu": 1})) == [0, 10, 20, 20]

    @virtual_time
    async def test_they_are_free_after_every_ending(self) -> None:
        async with rxs.Engine(resources={"gpu": 1}) as engine:
            execution = await engine.start(drawn)
            await asyncio.sleep(1)
            execution.cancel("enough")
            await execution.wait()
            assert engine.resources.free("gpu") == 1

    @virtual_time
    async def test_an_engine_that_has_too_little_says_so_before_anything_starts(self) -> None:
        async with rxs.Engine() as engine:
            with pytest.raises(InvalidParameters) as raised:
                await engine.start(drawn)
            assert raised.value.message == (
                "resources: no resource is named 'gpu': there is none; 1 gpu are needed by "
                "needing.draw_1 (needing.draw): give the engine as much, by Engine(resources=…) or "
                "--resource NAME=AMOUNT"
            )
        async with rxs.Engine(resources={"gpu": 1}) as engine:
            with pytest.raises(InvalidParameters, match="2 gpu can never be had"):
                await engine.start(pair)
            assert await engine.records() == []

    @virtual_time
    async def test_a_stream_that_is_only_looked_at_needs_no_engine(self) -> None:
        assert await plugins.stream("needing.draw") == "draw"
        assert await plugins.call("needing.embed", {"number": 3}) == 3


@rxs.graph
def embedded(hold: bool = False, numbers: Any = (1, 2, 3)) -> Any:
    async def embed(number: int) -> Any:
        if not hold:
            return await plugins.call("needing.embed", {"number": number})
        async with rxs.acquire(gpu=1):
            return await plugins.call("needing.embed", {"number": number})

    return rxs.from_iterable(numbers).pipe(ops.map_async(embed, concurrency=3))


class TestCalls:
    @pytest.mark.parametrize("hold", [False, True])
    @virtual_time
    async def test_calls_of_a_node_have_turns(self, hold: bool) -> None:
        async with rxs.Engine(resources={"gpu": 2}) as engine:
            execution = await engine.start(embedded, {"hold": hold})
            assert await began(execution) == [0, 0, 10]
            assert engine.resources.free("gpu") == 2

    @virtual_time
    async def test_a_call_that_fails_gives_back_what_it_held(self) -> None:
        async with rxs.Engine(resources={"gpu": 1}) as engine:
            execution = await engine.start(embedded, {"numbers": [-1]})
            await execution.wait()
            assert execution.status == "failed"
            assert engine.resources.free("gpu") == 1

    @virtual_time
    async def test_a_call_asks_for_what_is_not_there(self) -> None:
        async with rxs.Engine() as engine:
            execution = await engine.start(embedded)
            with pytest.raises(Exception, match="no resource is named 'gpu': there is none"):
                await execution.result()


def steps(**settings: Any) -> Pipeline:
    """Embeds each number, and draws beside it."""
    pipeline = Pipeline("steps", **settings)
    pipeline.add(
        action_step("needing.embed", params_from={"number": "item"}, plugins=plugins),
        each="numbers",
        concurrency=3,
        timeout=15,
    )
    return pipeline.add(action_step("needing.draw", plugins=plugins))


class TestSteps:
    @virtual_time
    async def test_a_step_holds_them_for_each_call_and_its_timeout_begins_then(self) -> None:
        async with rxs.Engine(resources={"gpu": 1}) as engine:
            execution = await engine.start(steps().graph, {"data": {"numbers": [1, 2]}})
            assert engine.resources.free("gpu") == 1
            assert await began(execution) == [0, 10, 20]
            assert execution.status == "completed"
            assert engine.resources.free("gpu") == 1

    @virtual_time
    async def test_a_pipeline_that_asks_for_others_asks_for_theirs_too(self) -> None:
        async with rxs.Engine(resources={"gpu": 2, "cpu": 1}) as engine:
            graph = steps(resources={"cpu": 1}).graph
            execution = await engine.start(graph, {"data": {"numbers": [1]}})
            assert engine.resources.free("gpu") == 1
            assert await began(execution) == [0, 10]

    @virtual_time
    async def test_too_little_is_said_before_the_pipeline_starts(self) -> None:
        film = Pipeline("p").add(action_step("needing.film", plugins=plugins))
        asking = Pipeline("p", resources={"gpu": 1})
        asking.add(action_step("needing.film", plugins=plugins))
        async with rxs.Engine(resources={"gpu": 1}) as engine:
            with pytest.raises(InvalidParameters, match=r"2 gpu .* film \(step\) needs it"):
                await engine.start(film.graph)
        async with rxs.Engine(resources={"gpu": 2}) as engine:
            with pytest.raises(InvalidParameters, match="which is what its execution asks for"):
                await engine.start(asking.graph)

    @virtual_time
    async def test_a_step_that_is_cancelled_gives_them_back(self) -> None:
        async with rxs.Engine(resources={"gpu": 1}) as engine:
            execution = await engine.start(steps().graph, {"data": {"numbers": [1, 2]}})
            await asyncio.sleep(1)
            execution.cancel("enough")
            await execution.wait()
            assert engine.resources.free("gpu") == 1


@virtual_time
async def test_a_step_of_any_kind_may_need_some() -> None:
    class Paint(Step):
        resources: ClassVar = {"gpu": 1}

        async def run(self, data: dict[str, Any]) -> dict[str, Any]:
            note("paint")
            await asyncio.sleep(10)
            return {}

    pipeline = Pipeline("p").add(Paint).add(Paint, name="again")
    async with rxs.Engine(resources={"gpu": 1}) as engine:
        assert await began(await engine.start(pipeline.graph)) == [0, 10]


@virtual_time
async def test_a_stream_made_while_the_graph_runs_takes_nothing() -> None:
    @rxs.graph
    def inner() -> Any:
        return rxs.of(1).pipe(ops.flat_map(lambda _: plugins.stream("needing.draw")))

    async with rxs.Engine() as engine:
        assert await (await engine.start(inner)).result() == "draw"


@pytest.mark.parametrize("amount", [0, True, "all"])
def test_an_amount_that_is_none_is_refused_when_the_plugin_is_loaded(amount: Any) -> None:
    class Odd(Plugin):
        @action(resources={"gpu": amount})
        def odd(self) -> int:
            return 1

    with pytest.raises(PluginError, match="of gpu: it must be a whole number from 1"):
        PluginManager().load(Odd)


@virtual_time
async def test_a_caller_that_holds_less_is_told(busy: Any) -> None:
    @rxs.graph
    def filmed() -> Any:
        async def film(_: int) -> Any:
            async with rxs.acquire(gpu=1):
                return await plugins.call("needing.film")

        return rxs.of(1).pipe(ops.map_async(film))

    async with rxs.Engine(resources={"gpu": 2}) as engine:
        with pytest.raises(AuthorError, match="acquire all of it at once"):
            await (await engine.start(filmed)).result()

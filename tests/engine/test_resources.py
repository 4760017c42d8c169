"""Resources for a part of an execution: taken together, in turn, and free again whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import rxstream as rxs
from rxstream import operators as ops
from rxstream.errors import AuthorError, NodeError
from rxstream.testing import virtual_time
from tests.engine.parts import now

Work = Callable[[int], Awaitable[Any]]


@rxs.graph
def calls(work: Any, count: int = 3) -> Any:
    """Does some work for each number, all at the same time."""
    numbers = rxs.source(range(count))
    return numbers.pipe(ops.map_async(work, concurrency=count)).to_list().named("done")


def using(engine: rxs.Engine, seconds: float = 10, **amounts: int) -> Work:
    """Work that holds something for a while, and says when it began."""

    async def work(_: int) -> float:
        async with engine.resources.acquire(**amounts):
            began = now()
            await asyncio.sleep(seconds)
            return began

    return work


@virtual_time
async def test_calls_have_their_turns_at_what_there_is() -> None:
    async with rxs.Engine(resources={"gpu": 2}) as engine:
        execution = await engine.start(calls, {"work": using(engine, gpu=1), "count": 5})
        assert sorted(await execution.result()) == [0, 0, 10, 10, 20]
        assert engine.resources.free("gpu") == 2


@virtual_time
async def test_everything_is_taken_at_once() -> None:
    async with rxs.Engine(resources={"gpu": 1, "cpu": 1}) as engine:
        both, gpu = using(engine, gpu=1, cpu=1)(0), using(engine, gpu=1)(0)
        cpu = using(engine, cpu=1)(0)
        assert list(await asyncio.gather(gpu, both, cpu)) == [0, 10, 20]


@virtual_time
async def test_executions_and_calls_wait_for_the_same_in_turn() -> None:
    async with rxs.Engine(resources={"gpu": 1}) as engine:
        first = await engine.start(calls, {"work": using(engine, gpu=1), "count": 2})
        await asyncio.sleep(1)
        own = {"work": using(engine, 1, gpu=1), "count": 1}
        second = await engine.start(calls, own, resources={"gpu": 1})
        assert second.status == "queued"
        assert await first.result() == [0, 10]
        assert await second.result() == [20]


@virtual_time
async def test_an_execution_has_what_it_was_started_with_to_itself() -> None:
    async with rxs.Engine(resources={"gpu": 3}) as engine:
        own = await engine.start(
            calls, {"work": using(engine, gpu=1), "count": 4}, resources={"gpu": 2}
        )
        other = await engine.start(calls, {"work": using(engine, gpu=1), "count": 2})
        assert sorted(await own.result()) == [0, 0, 10, 10]
        assert await other.result() == [0, 10]
        more = {"work": using(engine, gpu=3), "count": 1}
        with pytest.raises(AuthorError, match=r"there is 2 gpu \(which is what its execution"):
            await (await engine.start(calls, more, resources={"gpu": 2})).result()


@virtual_time
async def test_who_is_cancelled_holds_nothing_at_whatever_moment() -> None:
    async with rxs.Engine(resources={"gpu": 1}) as engine:
        use = using(engine, gpu=1)
        holds, waits, third = [asyncio.ensure_future(use(0)) for _ in range(3)]
        await asyncio.sleep(1)
        waits.cancel()
        await asyncio.sleep(1)
        holds.cancel()
        assert await third == 2
        assert engine.resources.free("gpu") == 1


@virtual_time
async def test_who_is_cancelled_in_the_moment_of_its_turn_gives_it_on() -> None:
    async with rxs.Engine(resources={"gpu": 1}) as engine:
        use = using(engine, 5, gpu=1)
        first, second, third = [asyncio.ensure_future(use(0)) for _ in range(3)]
        first.add_done_callback(lambda _: second.cancel())
        assert await third == 5
        assert second.cancelled()
        assert engine.resources.free("gpu") == 1
        assert await first == 0


@virtual_time
async def test_what_fails_inside_gives_back_what_it_held() -> None:
    async with rxs.Engine(resources={"gpu": 1}) as engine:

        async def fails(_: int) -> None:
            async with engine.resources.acquire(gpu=1):
                raise ValueError("no luck")

        with pytest.raises(NodeError, match="no luck"):
            await (await engine.start(calls, {"work": fails, "count": 1})).result()
        assert engine.resources.free("gpu") == 1


@virtual_time
async def test_an_execution_that_is_cancelled_gives_back_what_its_calls_held() -> None:
    async with rxs.Engine(resources={"gpu": 1}) as engine:
        execution = await engine.start(calls, {"work": using(engine, 1e6, gpu=1)})
        await asyncio.sleep(1)
        assert engine.resources.free("gpu") == 0
        execution.cancel()
        await execution.wait()
        assert engine.resources.free("gpu") == 1


@virtual_time
async def test_who_holds_some_may_not_wait_for_more() -> None:
    async with rxs.Engine(resources={"gpu": 1, "cpu": 1}) as engine:
        async with engine.resources.acquire(gpu=1):
            with pytest.raises(AuthorError, match="acquire all of it at once"):
                await using(engine, cpu=1)(0)
        async with engine.resources.acquire(cpu=1):
            assert engine.resources.free("cpu") == 0


@virtual_time
async def test_a_generator_that_is_left_alone_gives_back_what_it_held() -> None:
    async with rxs.Engine(resources={"gpu": 1}) as engine:

        async def numbers() -> Any:
            async with engine.resources.acquire(gpu=1):
                yield 1
                await asyncio.sleep(1e6)

        @rxs.graph
        def first() -> Any:
            return rxs.source(numbers).pipe(ops.take(1))

        assert await (await engine.start(first)).result() == 1
        async with engine.resources.acquire(gpu=1):
            assert engine.resources.free("gpu") == 0


async def embed(number: int) -> float:
    """As a module's code has it, that knows no engine."""
    async with rxs.acquire(gpu=1):
        await asyncio.sleep(10)
        return now()


@virtual_time
async def test_code_of_a_node_needs_no_engine_at_hand() -> None:
    async with rxs.Engine(resources={"gpu": 1}) as engine, rxs.Engine() as other:
        assert await (await engine.start(calls, {"work": embed})).result() == [10, 20, 30]
        with pytest.raises(AuthorError, match="no resource is named 'gpu': there is none"):
            await (await other.start(calls, {"work": embed})).result()
        for outside in (embed(1), calls(embed)):
            with pytest.raises(AuthorError, match="outside a node that an engine runs"):
                await outside


@virtual_time
async def test_what_can_never_be_had_is_refused() -> None:
    async with rxs.Engine(resources={"gpu": 1}) as engine:
        with pytest.raises(AuthorError, match="2 gpu can never be had: there is 1 gpu"):
            await using(engine, gpu=2)(0)
        with pytest.raises(AuthorError, match="no resource is named 'tpu': there is 1 gpu"):
            await using(engine, tpu=1)(0)
        assert await using(engine)(0) == 0  # nothing is always there
        assert engine.resources.totals == {"gpu": 1}

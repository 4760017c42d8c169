"""Faults: they happen where and as often as was said, and a slow consumer holds back what feeds it."""

import asyncio
from typing import Any

import pytest

import rxstream as rxs
from rxstream import operators as ops
from rxstream.errors import WorldError
from rxstream.testing import (
    InjectedFault,
    SlowSink,
    TestingSource,
    fails,
    fails_each,
    flaky,
    virtual_time,
)


async def listed(stream: rxs.Stream[Any]) -> list[Any]:
    found: list[Any] = []
    try:
        async for item in stream:
            found.append(item)
    except Exception as error:
        found.append(error if isinstance(error, OSError) else type(error))
    return found


class TestFails:
    @pytest.mark.parametrize("after", [1, 2, 65, 200])
    @virtual_time
    async def test_it_passes_so_many_elements_first(self, after: int) -> None:
        numbers = rxs.source(range(1_000)).pipe(fails(after=after))
        assert await listed(numbers) == [*range(after), InjectedFault]

    @virtual_time
    async def test_it_pulls_no_more_than_it_passes(self) -> None:
        source = TestingSource(range(100))
        await listed(rxs.source(source).pipe(fails(after=3)))
        assert source.pulled == 3

    @virtual_time
    async def test_after_none_it_fails_at_the_first_or_at_the_end(self) -> None:
        assert await listed(rxs.of(1).pipe(fails(after=0))) == [InjectedFault]
        assert await listed(rxs.empty().pipe(fails(after=0))) == [InjectedFault]

    @virtual_time
    async def test_a_stream_that_is_shorter_passes(self) -> None:
        assert await listed(rxs.of(1).pipe(fails(after=2))) == [1]

    @virtual_time
    async def test_so_many_times_over_all_runs(self) -> None:
        stream = rxs.of(1, 2).pipe(fails(after=1, times=2))
        assert [await listed(stream) for _ in range(3)] == [
            [1, InjectedFault],
            [1, InjectedFault],
            [1, 2],
        ]

    @virtual_time
    async def test_after_none_and_once(self) -> None:
        stream = rxs.of(1, 2).pipe(fails(after=0, times=1))
        assert [await listed(stream) for _ in range(2)] == [[InjectedFault], [1, 2]]
        empty = rxs.empty().pipe(fails(after=0, times=1))
        assert [await listed(empty) for _ in range(2)] == [[InjectedFault], []]

    @pytest.mark.parametrize("error", [WorldError("gone"), lambda: WorldError("gone")])
    @virtual_time
    async def test_with_an_error_of_ones_own(self, error: Any) -> None:
        assert await listed(rxs.of(1, 2).pipe(fails(after=1, error=error))) == [1, WorldError]

    def test_the_graph_shows_it(self) -> None:
        plan = rxs.graph(lambda: rxs.of(1).pipe(fails(after=1))).build()
        assert plan.nodes[1].operator == "fails"
        assert plan.nodes[1].arguments["after"] == 1

    def test_before_the_beginning_is_refused(self) -> None:
        with pytest.raises(ValueError, match="-1"):
            fails(after=-1)


class TestFailsEach:
    @virtual_time
    async def test_every_third_of_all_runs(self) -> None:
        stream = rxs.of("a", "b").pipe(fails_each(3))
        assert [await listed(stream) for _ in range(3)] == [
            ["a", "b"],
            [InjectedFault],
            ["a", "b"],
        ]

    def test_every_zeroth_is_refused(self) -> None:
        with pytest.raises(ValueError, match="0th"):
            fails_each(0)


class TestFlaky:
    def test_every_second_call_fails(self) -> None:
        doubled = flaky(lambda n: n * 2, each=2)
        assert doubled(1) == 2
        with pytest.raises(InjectedFault):
            doubled(1)
        assert doubled(2) == 4

    @virtual_time
    async def test_a_coroutine_function_stays_one(self) -> None:
        async def one(n: int) -> int:
            return n

        stream = rxs.of(1, 2, 3).pipe(ops.map_async(flaky(one, each=3, error=OSError("no"))))
        *passed, error = await listed(stream)
        assert passed == [1, 2]
        assert isinstance(error, OSError)

    def test_every_zeroth_call_is_refused(self) -> None:
        with pytest.raises(ValueError, match="0th"):
            flaky(len, each=0)


class TestSlowSink:
    @virtual_time
    async def test_it_holds_back_what_feeds_it(self) -> None:
        source, slow = TestingSource(range(10_000)), SlowSink(seconds=1)

        @rxs.graph
        def g() -> None:
            rxs.source(source).to(slow)

        execution = await g.start()
        await asyncio.sleep(100.5)

        assert slow.received == list(range(100))
        assert source.pulled <= 100 + 64 + 64
        assert 1 <= slow.most <= 64
        execution.cancel()
        await execution.wait()
        assert (slow.opened, slow.closed) == (1, 1)

    def test_the_graph_shows_it(self) -> None:
        def g() -> None:
            rxs.of(1).to(SlowSink(seconds=2))

        assert rxs.graph(g).build().nodes[1].arguments == {"seconds": 2}

"""Flow control: who waits for whom, what is bounded, and what is said when nobody can move."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import rxstream as rxs
from rxstream import operators as ops
from rxstream.errors import BufferOverflow, NodeError, StallError
from rxstream.testing import virtual_time


class Counting:
    """A source that says how far it was pulled."""

    def __init__(self, count: int = 100_000) -> None:
        self.count = count
        self.pulled = 0

    def __call__(self) -> Iterator[int]:
        for number in range(1, self.count + 1):
            self.pulled = number
            yield number

    async def slowly(self) -> AsyncIterator[int]:
        for number in self():
            yield number


async def one_second(item: Any) -> Any:
    await asyncio.sleep(1)
    return item


async def listed(stream: rxs.Stream[Any]) -> list[Any]:
    return [item async for item in stream]


class TestPull:
    @pytest.mark.parametrize("count", [0, 1, 3, 64, 65])
    def test_take_pulls_exactly_its_count(self, count: int) -> None:
        numbers = Counting()
        seen: list[int] = []
        rxs.source(numbers).pipe(ops.map(lambda n: n), ops.take(count)).subscribe(seen.append)
        assert numbers.pulled == count == len(seen)

    @virtual_time
    async def test_take_pulls_an_asynchronous_source_exactly_its_count(self) -> None:
        numbers = Counting()
        assert await listed(rxs.source(numbers.slowly).pipe(ops.take(70))) == list(range(1, 71))
        assert numbers.pulled == 70

    @virtual_time
    async def test_take_behind_a_filter_pulls_what_it_needs(self) -> None:
        numbers = Counting()
        await listed(rxs.source(numbers).pipe(ops.filter(lambda n: n % 10 == 0), ops.take(3)))
        assert numbers.pulled == 30

    @virtual_time
    async def test_whoever_iterates_slowly_is_not_overrun(self) -> None:
        numbers = Counting()
        async for number in rxs.source(numbers):
            await asyncio.sleep(1)
            assert numbers.pulled <= number + 130
            if number == 300:
                break

    def test_earlier_outputs_of_a_batch_go_before_its_error(self) -> None:
        seen: list[Any] = []
        rxs.source([4, 2, 1, 0, 5]).pipe(ops.map(lambda n: 4 // n)).subscribe(
            seen.append, lambda error: seen.append(type(error))
        )
        assert seen == [1, 2, 4, ZeroDivisionError]


class TestBackpressure:
    @virtual_time
    async def test_a_slow_boundary_pauses_its_source(self) -> None:
        numbers = Counting()
        stream = rxs.source(numbers).pipe(ops.map_async(one_second))
        async for number in stream:
            assert numbers.pulled <= number + 64 + 64 + 2
            if number == 200:
                break

    @virtual_time
    async def test_the_slowest_branch_decides(self) -> None:
        numbers = Counting()

        @rxs.graph
        def g() -> Any:
            source = rxs.source(numbers)
            return {
                "fast": source.pipe(ops.count()),
                "slow": source.pipe(ops.map_async(one_second)),
            }

        execution = await g.start()
        await asyncio.sleep(100.5)
        assert 100 <= numbers.pulled <= 100 + 66
        execution.cancel()
        await execution.wait()

    @virtual_time
    @pytest.mark.parametrize(
        "policy", [ops.latest, lambda: ops.drop_oldest(8), lambda: ops.drop_newest(8)]
    )
    async def test_a_lossy_branch_never_holds_its_sisters_back(self, policy: Any) -> None:
        numbers = Counting(10_000)

        @rxs.graph
        def g() -> Any:
            source = rxs.source(numbers)
            slow = source.pipe(policy(), ops.map_async(one_second), ops.count())
            return {"sum": source.pipe(ops.sum()), "slow": slow}

        execution = await g.start()
        result = await execution.result()
        dropped = sum(edge.dropped for edge in execution.statistics().edges)
        assert result["sum"] == 10_000 * 10_001 // 2
        assert result["slow"] + dropped == 10_000
        assert dropped > 9_000

    @virtual_time
    async def test_coalesce_folds_what_would_have_to_wait(self) -> None:
        @rxs.graph
        def g() -> Any:
            return rxs.source(range(1, 101)).pipe(
                ops.coalesce(lambda a, b: a + b), ops.map_async(one_second), ops.sum()
            )

        assert await g.run() == 5050

    @virtual_time
    async def test_a_full_fail_buffer_fails_and_names_its_node(self) -> None:
        @rxs.graph
        def g() -> Any:
            return rxs.source(range(1000)).pipe(ops.fail(10), ops.map_async(one_second))

        with pytest.raises(BufferOverflow, match="holds 10 elements"):
            await g.run()

    @virtual_time
    async def test_every_queue_stays_within_its_bound(self) -> None:
        deepest: dict[str, int] = {}

        @rxs.graph
        def g() -> Any:
            source = rxs.source(range(2_000))
            halves = rxs.merge(
                source.pipe(ops.filter(lambda n: n % 2 == 0)).pipe(ops.map_async(one_second, 8)),
                source.pipe(ops.filter(lambda n: n % 2)).pipe(ops.map_async(one_second, 4)),
            )
            return halves.pipe(ops.block(16), ops.map_async(one_second, 16), ops.count())

        execution = await g.start()
        while not execution.ended:
            for edge in execution.statistics().edges:
                deepest[edge.edge] = max(deepest.get(edge.edge, 0), edge.depth - edge.capacity)
            await asyncio.sleep(0.5)
        assert await execution.result() == 2_000
        assert deepest
        assert all(over <= 0 for over in deepest.values())


class TestStall:
    @virtual_time
    async def test_zip_over_reconvergent_branches_is_named_and_ended(self) -> None:
        @rxs.graph
        def g() -> Any:
            source = rxs.source(range(1_000)).named("numbers")
            rare = source.pipe(ops.filter(lambda n: n > 500))
            return rxs.zip(source, rare).named("pairs")

        with pytest.raises(StallError, match=r"numbers->pairs is full.*filter_1->pairs starves"):
            await g.run()

    @virtual_time
    async def test_it_is_found_beside_parts_that_live(self) -> None:
        @rxs.graph
        def g() -> Any:
            source = rxs.source(range(1_000)).named("numbers")
            rare = source.pipe(ops.filter(lambda n: n > 500))
            return {"pairs": rxs.zip(source, rare), "alive": rxs.interval(0.1)}

        with pytest.raises(StallError, match="starves"):
            await g.run()

    @virtual_time
    async def test_a_larger_bound_is_the_cure(self) -> None:
        @rxs.graph
        def g() -> Any:
            source = rxs.source(range(1_000))
            rare = source.pipe(ops.filter(lambda n: n > 500))
            return rxs.zip(source.pipe(ops.block(600)), rare).pipe(ops.count())

        assert await g.run() == 499

    @virtual_time
    async def test_what_merely_waits_long_is_no_stall(self) -> None:
        async def later() -> AsyncIterator[int]:
            await asyncio.sleep(10_000)
            yield 1

        @rxs.graph
        def g() -> Any:
            return rxs.zip(rxs.source(range(1_000)), rxs.source(later)).pipe(ops.count())

        assert await g.run() == 1


@virtual_time
async def test_a_policy_directly_before_a_boundary_is_that_boundarys_queue() -> None:
    numbers = Counting()

    @rxs.graph
    def g() -> Any:
        return rxs.source(numbers).pipe(ops.block(2), ops.map_async(one_second))

    execution = await g.start()
    await asyncio.sleep(10.5)
    assert [(e.policy, e.capacity) for e in execution.statistics().edges] == [("block", 2)]
    execution.cancel()
    await execution.wait()


class TestBrokenQueues:
    @virtual_time
    async def test_a_reducer_that_raises_is_not_the_sources_fault(self) -> None:
        def bad(a: int, b: int) -> int:
            raise ValueError("cannot fold")

        @rxs.graph
        def g() -> Any:
            source = rxs.source(range(1_000)).named("source")
            folded = source.pipe(ops.coalesce(bad), ops.map_async(one_second)).named("folded")
            return {"folded": folded, "count": source.pipe(ops.count())}

        execution = await g.start()
        with pytest.raises(NodeError, match=r"'folded'.*cannot fold"):
            await execution.result()
        events = [event async for event in execution.events()]
        assert [e.step_id for e in events if e.event_type == "step_error"] == ["folded"]

    @virtual_time
    async def test_of_a_source_that_pushes_it_does_not_reach_the_producer(self) -> None:
        def bad(a: int, b: int) -> int:
            raise ValueError("cannot fold")

        class Pushes(rxs.PushSource[int]):
            def connect(self, emitter: Any, port: Any) -> Any:
                self.taken = [emitter.next(n) for n in range(4)]
                return lambda: None

        source = Pushes()
        with pytest.raises(ValueError, match="cannot fold"):
            await listed(rxs.source(source).pipe(ops.coalesce(bad)))
        assert source.taken[0]
        assert not source.taken[-1]

    @virtual_time
    async def test_a_full_fail_buffer_is_told_as_an_error_of_its_node_once(self) -> None:
        @rxs.graph
        def g() -> Any:
            return (
                rxs.source(range(1_000)).pipe(ops.fail(10), ops.map_async(one_second)).named("slow")
            )

        execution = await g.start()
        events = [event async for event in execution.events()]
        errors = [e.data["error"]["code"] for e in events if e.event_type == "step_error"]
        assert errors == ["buffer_overflow"]

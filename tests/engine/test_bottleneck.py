from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

import rxstream as rxs
from rxstream import operators as ops
from rxstream.engine import Bottleneck, EdgeStatistics, Engine, NodeStatistics
from rxstream.engine.bottleneck import find_bottleneck
from rxstream.source import Port
from rxstream.testing import run, virtual_time
from tests.engine.parts import SlowLog, one_second, within


class SlowSink(rxs.Sink[Any]):
    name = "slow"

    @asynccontextmanager
    async def open(self, port: Port) -> AsyncIterator[Callable[[Sequence[Any]], Awaitable[None]]]:
        async def write(items: Sequence[Any]) -> None:
            await asyncio.sleep(len(items))

        yield write


async def at(seconds: float, graph: Any) -> Bottleneck | None:
    """What holds a run up so long after its start."""
    execution = await graph.start()
    await asyncio.sleep(seconds)
    found: Bottleneck | None = execution.statistics().bottleneck
    if not execution.ended:
        execution.cancel()
    await execution.wait()
    return found


async def tenth(item: Any) -> Any:
    await asyncio.sleep(0.1)
    return item


async def slowly() -> AsyncIterator[int]:
    for number in range(1_000):
        yield number
        await asyncio.sleep(1)


class TestWhoIsSlow:
    @virtual_time
    async def test_a_slow_function_makes_all_before_it_wait(self) -> None:
        @rxs.graph
        def g() -> Any:
            lines = rxs.source(range(1_000)).named("lines")
            return lines.map(str).named("parse").pipe(ops.map_async(one_second)).named("classify")

        found = await at(100, g)
        assert found is not None
        assert (found.node, found.cause, found.edge) == ("classify", "slow", "parse->classify")
        assert found.waiting == ("lines", "parse")
        assert "test_bottleneck.py:" in found.where
        place = f"'classify' (at {found.where})"
        assert str(found) == (
            f"{place} makes 'lines' and 'parse' wait: its queue of 64 was full 100 % of 100.0 s"
        )

    @virtual_time
    async def test_a_sink_can_be_the_one(self) -> None:
        @rxs.graph
        def g() -> None:
            rxs.source(range(1_000)).named("numbers").to(SlowSink())

        found = await at(500, g)
        assert found is not None
        assert (found.node, found.cause, found.waiting) == ("slow_1", "slow", ("numbers",))

    @virtual_time
    async def test_the_slowest_of_several_branches_is_the_one(self) -> None:
        @rxs.graph
        def g() -> Any:
            numbers = rxs.source(range(10_000)).named("numbers")
            return {
                "quick": numbers.pipe(ops.map_async(tenth)),
                "slow": numbers.pipe(ops.map_async(one_second)),
            }

        found = await at(100, g)
        assert found is not None
        assert (found.node, found.waiting) == ("slow", ("numbers",))

    @virtual_time
    async def test_fullness_is_followed_to_where_it_begins(self) -> None:
        @rxs.graph
        def g() -> Any:
            numbers = rxs.source(range(10_000)).named("numbers")
            first = numbers.pipe(ops.block(8), ops.map_async(tenth)).named("first")
            second = first.map(str).pipe(ops.map_async(tenth)).named("second")
            return second.pipe(ops.map_async(one_second)).named("last")

        found = await at(600, g)
        assert found is not None
        assert (found.node, found.edge) == ("last", "second->last")
        assert found.waiting == ("numbers", "first", "map_1", "second")
        assert "makes 1 more, 'first', 'map_1' and 'second' wait" in str(found)

    @virtual_time
    async def test_a_node_that_is_slow_itself_is_not_excused_by_a_slower_moment_behind_it(
        self,
    ) -> None:
        async def stumbling(item: int) -> int:
            await asyncio.sleep(20 if item == 70 else 0)
            return item

        @rxs.graph
        def g() -> Any:
            slow = rxs.source(range(10_000)).pipe(ops.map_async(one_second)).named("slow")
            return slow.pipe(ops.latest(), ops.map_async(stumbling))

        found = await at(100, g)
        assert found is not None
        assert found.node == "slow"

    @virtual_time
    async def test_it_is_known_after_the_end_too(self) -> None:
        @rxs.graph
        def g() -> Any:
            return rxs.source(range(200)).pipe(ops.map_async(one_second)).named("slow")

        execution = await g.start()
        await execution.result()
        await asyncio.sleep(1_000)
        statistics = execution.statistics()
        assert statistics.elapsed_s == 200
        assert statistics.bottleneck is not None
        assert (statistics.bottleneck.node, statistics.bottleneck.blocked_s) == ("slow", 136)

    @virtual_time
    async def test_a_node_that_waits_over_two_ways_is_told_once(self) -> None:
        @rxs.graph
        def g() -> Any:
            numbers = rxs.source(range(1_000)).named("numbers")
            pairs = rxs.zip(numbers.map(str), numbers.map(str)).named("pairs")
            return pairs.pipe(ops.map_async(one_second)).named("slow")

        found = await at(300, g)
        assert found is not None
        assert found.waiting == ("numbers", "map_1", "map_2", "pairs")

    @virtual_time
    async def test_what_is_wrapped_is_found(self) -> None:
        @rxs.graph
        def g() -> Any:
            numbers = rxs.source(range(1_000)).named("numbers").pipe(ops.map_async(tenth))
            return numbers.pipe(ops.retry(2)).pipe(ops.map_async(one_second)).named("slow")

        found = await at(300, g)
        assert found is not None
        assert (found.node, found.waiting) == ("slow", ("numbers", "map_async_1", "retry_1"))


class TestWhoIsScarce:
    @virtual_time
    async def test_an_input_that_gives_too_few_makes_its_sister_wait(self) -> None:
        @rxs.graph
        def g() -> Any:
            fast = rxs.source(range(1_000)).named("fast")
            pairs = rxs.zip(fast.map(str), fast.map(str)).named("pairs")
            return rxs.zip(pairs, rxs.source(slowly).named("rare").map(str)).named("both")

        found = await at(100, g)
        assert found is not None
        assert (found.node, found.cause, found.edge) == ("rare", "scarce", "pairs->both")
        assert found.waiting == ("fast", "map_1", "map_2", "pairs", "both")
        assert "gives too few, so the queue of 64 before 'both' was full" in str(found)

    @virtual_time
    async def test_a_slow_function_before_the_sister_is_the_one(self) -> None:
        async def late() -> AsyncIterator[int]:
            await asyncio.sleep(10)
            for number in range(1_000):
                yield number

        @rxs.graph
        def g() -> Any:
            fast = rxs.source(range(1_000)).named("fast")
            slow = rxs.source(late).pipe(ops.map_async(one_second)).named("slow")
            return rxs.zip(fast, slow.pipe(ops.map_async(tenth)))

        found = await at(300, g)
        assert found is not None
        assert (found.node, found.cause) == ("slow", "scarce")

    @virtual_time
    async def test_over_branches_of_one_source_it_is_the_slow_branch(self) -> None:
        @rxs.graph
        def g() -> Any:
            numbers = rxs.source(range(10_000)).named("numbers")
            slow = numbers.pipe(ops.map_async(one_second, 100)).named("slow")
            return rxs.zip(numbers, slow).named("pairs")

        found = await at(100, g)
        assert found is not None
        assert (found.node, found.waiting) == ("slow", ("numbers", "pairs"))

    @virtual_time
    async def test_whoever_waits_for_its_turn_is_held_back_by_nobody(self) -> None:
        @rxs.graph
        def g() -> Any:
            return rxs.concat(rxs.source(slowly), rxs.source(range(1_000)))

        assert await at(100, g) is None


class TestTheLog:
    def test_a_slow_log_makes_whoever_publishes_wait(self) -> None:
        async def main() -> None:
            log = SlowLog()
            log.delay = 5.0
            async with Engine(log) as engine:
                execution = await engine.start(three(range(1_000_000)))
                await asyncio.sleep(100)
                found = execution.statistics().bottleneck
                assert found is not None
                assert (found.node, found.cause, found.edge) == (None, "log", None)
                assert found.waiting == ("numbers", "first", "out")
                assert str(found).startswith(
                    "the event log makes 'numbers', 'first' and 'out' wait: there was no room for events "
                )

        run(main())

    def test_it_is_so_where_nothing_but_the_log_is_full(self) -> None:
        async def main() -> None:
            log = SlowLog()
            log.delay = 5.0

            @rxs.graph
            def g() -> Any:
                return rxs.source(range(1_000_000)).named("numbers")

            async with Engine(log) as engine:
                execution = await engine.start(g)
                await asyncio.sleep(100)
                found = execution.statistics().bottleneck
                assert found is not None
                assert (found.cause, found.waiting) == ("log", ("numbers",))
                assert found.share > 0.9

        run(main())


def three(items: Iterable[int]) -> Any:
    async def same(item: Any) -> Any:
        return item

    @rxs.graph
    def g() -> Any:
        first = rxs.source(items).named("numbers").pipe(ops.map_async(same)).named("first")
        return first.pipe(ops.map_async(same)).named("out")

    return g


class TestWhoIsBusy:
    def test_an_operator_behind_the_full_queue_is_named_where_its_code_took_the_time(self) -> None:
        @rxs.graph
        def g() -> Any:
            passed = (
                rxs.source([1]).named("numbers").pipe(ops.map_async(one_second)).named("passed")
            )
            return passed.map(str).named("heavy")

        found = find_bottleneck(
            g.build(),
            [
                NodeStatistics("numbers", "source", "running", 0, 90, 0, 0.1, None),
                NodeStatistics("passed", "map_async", "running", 20, 20, 0, 0.0, None),
                NodeStatistics("heavy", "map", "running", 20, 20, 0, 8.0, None),
            ],
            [EdgeStatistics("numbers->passed", "block", 64, 64, 90, 0, 9.0)],
            0.0,
            10.0,
        )
        assert found is not None
        assert (found.node, found.cause, found.waiting) == ("heavy", "busy", ("numbers",))
        assert "'numbers' wait: the queue of 64 before 'passed' was full 90 % of 10.0 s" in str(
            found
        )

    async def test_code_that_holds_the_loop_makes_everything_wait(self) -> None:
        def heavy(item: int) -> int:
            time.sleep(0.02)
            return item

        @rxs.graph
        def g() -> Any:
            return rxs.source(range(20)).map(heavy).named("heavy").map(str).named("text").last()

        execution = await g.start()
        await within(30, execution.result())
        found = execution.statistics().bottleneck
        assert found is not None
        assert (found.node, found.cause, found.edge, found.waiting) == ("heavy", "busy", None, ())
        # the two run as one function, so nobody can say which of them it was
        assert found.through == "text"
        assert "to 'text', fused into one, make everything wait: they held the loop" in str(found)


class TestNobody:
    @virtual_time
    async def test_where_everybody_keeps_up(self) -> None:
        @rxs.graph
        def g() -> Any:
            return rxs.interval(1.0).pipe(ops.map_async(tenth))

        assert await at(100, g) is None

    def test_where_two_are_about_as_slow(self) -> None:
        @rxs.graph
        def g() -> Any:
            first = rxs.source([1]).named("numbers").pipe(ops.map_async(tenth)).named("first")
            return first.pipe(ops.map_async(tenth)).named("second")

        plan = g.build()
        nodes = [NodeStatistics(n.id, "", "running", 9, 9, 0, 0.0, None) for n in plan.nodes]
        edges = [
            EdgeStatistics("numbers->first", "block", 64, 64, 90, 0, 7.0),
            EdgeStatistics("first->second", "block", 64, 64, 90, 0, 4.0),
        ]
        assert find_bottleneck(plan, nodes, edges, 0.0, 10.0) is None

    @virtual_time
    async def test_behind_a_lossy_queue_nobody_waits(self) -> None:
        @rxs.graph
        def g() -> Any:
            numbers = rxs.source(slowly)
            numbers.pipe(ops.latest()).to(SlowSink())
            return numbers.pipe(ops.drop_oldest(2), ops.map_async(lambda n: asyncio.sleep(7, n)))

        assert await at(100, g) is None

    @virtual_time
    async def test_before_the_start_and_of_a_run_too_short_to_tell(self) -> None:
        @rxs.graph
        def g() -> Any:
            return rxs.source(range(10_000)).pipe(ops.map_async(tenth))

        execution = await g.start()
        assert execution.statistics().bottleneck is None
        await asyncio.sleep(0.05)
        assert execution.statistics().bottleneck is None
        execution.cancel()
        await execution.wait()


class TestRates:
    @virtual_time
    async def test_of_nodes_and_queues_are_since_a_look_a_second_ago(self) -> None:
        async def source() -> AsyncIterator[int]:
            for number in range(10_000):
                yield number
                await asyncio.sleep(0.1 if number < 100 else 0.01)

        @rxs.graph
        def g() -> Any:
            return (
                rxs.source(source)
                .named("numbers")
                .pipe(ops.map_async(one_second, 128))
                .named("out")
            )

        execution = await g.start()

        def rates() -> tuple[float, float]:
            now = execution.statistics()
            return now.nodes[0].rate, now.edges[0].rate

        await asyncio.sleep(9.95)
        assert rates()[0] == pytest.approx(10, rel=0.02)
        assert rates()[1] == pytest.approx(10, rel=0.02)
        await asyncio.sleep(10)
        assert rates()[0] == pytest.approx(100, rel=0.02)
        await asyncio.sleep(1)
        assert rates()[0] == pytest.approx(100, rel=0.02)
        await asyncio.sleep(0.5)
        assert rates()[1] == pytest.approx(100, rel=0.02)
        execution.cancel()
        await execution.wait()

    @virtual_time
    async def test_are_zero_when_no_time_has_passed(self) -> None:
        @rxs.graph
        def g() -> Any:
            return rxs.source(range(100))

        execution = await g.start()
        await execution.result()
        assert [node.rate for node in execution.statistics().nodes] == [0.0]

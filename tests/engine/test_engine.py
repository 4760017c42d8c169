"""The engine: which executions run, which wait, which are refused, and what a restart finds."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

import rxstream as rxs
from rxstream import operators as ops
from rxstream.errors import (
    Draining,
    GraphError,
    InvalidParameters,
    LogError,
    Overloaded,
    UnknownExecution,
    UnknownGraph,
)
from rxstream.events import draft
from rxstream.log import Commit, ExecutionRecord
from rxstream.testing import SlowSink, virtual_time
from tests.engine.parts import FullLog


@rxs.graph
def waits(seconds: float = 10.0, name: str = "") -> Any:
    """Waits, then says its name."""

    async def after() -> str:
        await asyncio.sleep(seconds)
        return name

    return rxs.source(after).named("after")


@virtual_time
async def test_a_graph_is_started_by_itself_bound_or_by_name() -> None:
    async with rxs.Engine(graphs=[waits]) as engine:
        for graph, params in (
            (waits, {"name": "a"}),
            (waits.bind(name="a"), None),
            ("waits", {"name": "a"}),
        ):
            execution = await engine.start(graph, params)
            assert await execution.result() == "a"


@virtual_time
async def test_what_waits_leaves_the_queue_by_priority_then_by_age() -> None:
    order: list[str] = []

    @rxs.graph
    def says(name: str) -> Any:
        return rxs.source([name]).pipe(ops.do_action(order.append))

    async with rxs.Engine(max_running=1) as engine:
        first = await engine.start(waits)
        queued = [
            await engine.start(says, {"name": name}, priority=priority)
            for name, priority in (("low", 0), ("high", 5), ("low too", 0))
        ]
        assert [e.status for e in queued] == ["queued"] * 3
        await first.wait()
        for execution in queued:
            await execution.wait()

    assert order == ["high", "low", "low too"]


@virtual_time
async def test_more_than_may_wait_is_refused() -> None:
    async with rxs.Engine(max_running=1, max_queued=1) as engine:
        await engine.start(waits)
        await engine.start(waits)
        with pytest.raises(Overloaded, match="try again later"):
            await engine.start(waits)


@virtual_time
async def test_a_queued_one_can_be_cancelled_and_says_so() -> None:
    async with rxs.Engine(max_running=1) as engine:
        await engine.start(waits)
        queued = await engine.start(waits)
        queued.cancel("changed my mind")
        await queued.wait()
        assert queued.status == "cancelled"
        assert [e.event_type async for e in queued.events()] == ["pipeline_cancelled"]


@virtual_time
async def test_starts_at_the_same_moment_respect_the_limit() -> None:
    async with rxs.Engine(max_running=2) as engine:
        executions = await asyncio.gather(*(engine.start(waits) for _ in range(5)))
        assert sorted(e.status for e in executions) == ["queued"] * 3 + ["running"] * 2


@virtual_time
async def test_closing_ends_what_runs_and_refuses_what_comes() -> None:
    engine = rxs.Engine(max_running=1)
    await engine.open()
    running, queued = await engine.start(waits), await engine.start(waits)
    closing = asyncio.ensure_future(engine.close())
    await asyncio.sleep(0)
    with pytest.raises(Draining):
        await engine.start(waits)
    await closing

    assert running.status == queued.status == "cancelled"
    assert [e.data async for e in running.events()][-1] == {"reason": "the engine was closed"}


@virtual_time
async def test_an_execution_that_died_is_ended_honestly_by_the_next_engine() -> None:
    log = rxs.MemoryLog()
    await log.open()
    dead = ExecutionRecord("0123", "waits", "running", datetime(2026, 1, 1, tzinfo=UTC))
    await log.commit(Commit("0123", [draft("pipeline_start", None, b"{}")], dead))
    await log.close()
    async with rxs.Engine(log) as engine:
        record = await engine.record("0123")
        events = [event async for event in await log.follow("0123")]

    assert record.status == "interrupted"
    assert record.ended_at is not None
    assert [(e.sequence, e.event_type) for e in events] == [
        (1, "pipeline_start"),
        (2, "pipeline_error"),
    ]
    assert events[-1].data["error"]["code"] == "interrupted"


@virtual_time
async def test_what_is_not_there_is_named() -> None:
    async with rxs.Engine(graphs=[waits]) as engine:
        with pytest.raises(UnknownGraph, match="'wait': known are waits"):
            await engine.start("wait")
        with pytest.raises(UnknownExecution, match="'nothing'"):
            engine.execution("nothing")
        with pytest.raises(InvalidParameters, match="seconds"):
            await engine.start(waits, {"seconds": "long"})


async def test_two_graphs_of_one_name_are_refused() -> None:
    other = rxs.graph(lambda: rxs.source([1]))
    other.name = "waits"
    with pytest.raises(GraphError, match="two graphs are named 'waits'"):
        rxs.Engine(graphs=[waits, other])


async def test_an_engine_that_is_not_open_says_so() -> None:
    with pytest.raises(LogError, match="async with"):
        await rxs.Engine().start(waits)


@virtual_time
async def test_records_and_statistics_see_every_execution() -> None:
    async with rxs.Engine() as engine:
        done = await engine.start(waits, {"name": "x"})
        await done.wait()
        running = await engine.start(waits)

        assert [r.execution_id for r in await engine.records()] == [running.id, done.id]
        assert [r.execution_id for r in await engine.records(statuses=["running"])] == [running.id]
        statistics = engine.statistics()
        assert statistics.statuses == {"completed": 1, "running": 1}
        assert [e.execution_id for e in statistics.executions] == [running.id]
        assert engine.execution(done.id) is done


@virtual_time
async def test_while_the_log_refuses_producers_wait_and_nothing_is_lost() -> None:
    pulled = 0

    @rxs.graph
    def numbers() -> Any:
        def count() -> Any:
            nonlocal pulled
            for number in range(20_000):
                pulled = number
                yield number

        return rxs.source(count).named("numbers")

    log = FullLog()
    async with rxs.Engine(log) as engine:
        execution = await engine.start(numbers)
        log.full = True
        await asyncio.sleep(30)
        assert log.refused > 5
        assert pulled < 5_000
        assert execution.status == "running"
        log.full = False
        await execution.wait()
        outputs = [e.data async for e in execution.events() if e.event_type == "step_output"]

    assert outputs == list(range(20_000))


@virtual_time
async def test_a_graph_that_shows_nothing_does_not_go_on_without_its_log() -> None:
    @rxs.graph
    def written() -> None:
        rxs.interval(1.0).map(rxs.progress).to(SlowSink(0))

    log = FullLog()
    async with rxs.Engine(log) as engine:
        execution = await engine.start(written)
        log.full = True
        await asyncio.sleep(90)
        assert execution.ended
        with pytest.raises(LogError, match="the disk is full"):
            await execution.result()


@virtual_time
async def test_parameters_are_given_once_and_a_template_is_not_started() -> None:
    @rxs.graph
    def template(numbers: rxs.Stream[int]) -> Any:
        return numbers

    async with rxs.Engine() as engine:
        with pytest.raises(TypeError, match="bound already"):
            await engine.start(waits.bind(), {"name": "x"})
        with pytest.raises(GraphError, match="takes streams"):
            await engine.start(template, {})
        with pytest.raises(GraphError, match="nested in a graph but not started"):
            engine.add(template)


@virtual_time
async def test_of_the_ended_only_the_latest_are_kept_beside_those_that_are_read() -> None:
    @rxs.graph
    def quick() -> Any:
        return rxs.source([1])

    async with rxs.Engine() as engine:
        first = await engine.start(waits, {"seconds": 0})
        await first.wait()
        for _ in range(300):
            await (await engine.start(quick)).wait()
        with pytest.raises(UnknownExecution):
            engine.execution(first.id)
        assert len(engine._roster.known) <= 260
        assert (await engine.record(first.id)).status == "completed"


@virtual_time
async def test_no_more_than_allowed_run_and_all_get_their_turn() -> None:
    running = most = 0

    @rxs.graph
    def counts(seconds: float) -> Any:
        async def work() -> float:
            nonlocal running, most
            running += 1
            most = max(most, running)
            try:
                await asyncio.sleep(seconds)
            finally:
                running -= 1
            return seconds

        return rxs.source(work)

    async with rxs.Engine(max_running=3) as engine:
        executions = [
            await engine.start(counts, {"seconds": 1 + n % 4}, priority=n % 3) for n in range(40)
        ]
        for execution in executions[::5]:
            execution.cancel()
        for execution in executions:
            await execution.wait()
    assert most == 3
    assert [e.status for e in executions[::5]] == ["cancelled"] * 8
    assert [e.status for n, e in enumerate(executions) if n % 5] == ["completed"] * 32

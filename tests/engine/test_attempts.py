"""Sub-graphs that are started anew: what is told of each attempt, and what is closed before the next."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import rxstream as rxs
from rxstream import operators as ops
from rxstream.errors import NodeError
from rxstream.testing import virtual_time
from tests.engine.parts import events_of, logged, now, started, told, within


class Fails:
    """A source that fails so often, a second after it was opened."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.opened = 0

    async def __call__(self) -> AsyncIterator[int]:
        self.opened += 1
        attempt = self.opened
        yield attempt
        await asyncio.sleep(1)
        if attempt <= self.times:
            raise OSError(f"attempt {attempt}")


@virtual_time
async def test_each_attempt_is_told_once_with_its_number() -> None:
    @rxs.graph
    def g() -> Any:
        return rxs.source(Fails(2)).named("s").pipe(ops.retry(3)).named("r")

    events = await events_of(await started(g))
    starts = [e.metadata for e in events if (e.event_type, e.step_id) == ("step_start", "s")]
    errors = [e.data for e in events if e.event_type == "step_error"]
    assert starts == [None, {"attempt": 2}, {"attempt": 3}]
    assert [(e["attempt"], e["will_retry"]) for e in errors] == [(1, True), (2, True)]
    assert [e.step_id for e in events if e.event_type == "step_complete"] == ["s", "r"]


@virtual_time
async def test_an_error_says_that_an_outer_attempt_may_follow() -> None:
    @rxs.graph
    def g() -> Any:
        return rxs.source(Fails(9)).pipe(ops.retry(2), ops.retry(2))

    execution = await started(g)
    errors = [
        e.data["will_retry"] for e in await events_of(execution) if e.event_type == "step_error"
    ]
    assert errors == [True, True, True, False]
    with pytest.raises(NodeError, match="attempt 4"):
        await execution.result()


@virtual_time
async def test_a_sibling_is_not_said_to_be_complete_by_a_failed_attempt() -> None:
    @rxs.graph
    def g() -> Any:
        both = rxs.merge(rxs.source(Fails(2)), rxs.interval(0.3).pipe(ops.take(9)).named("sibling"))
        return both.pipe(ops.retry(3))

    seen = await told(await started(g))
    assert seen.count("step_start:sibling") == 3
    assert seen.count("step_complete:sibling") == 1


@virtual_time
async def test_what_an_attempt_opened_is_closed_before_the_next_begins() -> None:
    is_open = most = 0

    async def sibling() -> AsyncIterator[int]:
        nonlocal is_open, most
        is_open += 1
        most = max(most, is_open)
        try:
            await asyncio.Event().wait()
            yield 0
        finally:
            await asyncio.sleep(3)
            is_open -= 1

    @rxs.graph
    def g() -> Any:
        return rxs.merge(rxs.source(Fails(2)), rxs.source(sibling)).pipe(ops.retry(3), ops.take(3))

    assert await within(60, g.run()) == 3
    assert (most, is_open) == (1, 0)


@virtual_time
async def test_one_that_never_closes_delays_the_next_for_a_while_only() -> None:
    async def stuck() -> AsyncIterator[int]:
        try:
            await asyncio.Event().wait()
            yield 0
        finally:
            await asyncio.Event().wait()

    @rxs.graph
    def g() -> Any:
        both = rxs.merge(rxs.source(Fails(1)), rxs.source(stuck).named("stuck"))
        return both.pipe(ops.retry(2), ops.take(2))

    with logged() as entries:
        assert await within(60, g.run()) == 2
    assert 6.0 <= now() <= 12.0
    resisted = [e["nodes"] for e in entries if e["event"] == "nodes did not close in time"]
    assert resisted[0] == ["stuck"]


@virtual_time
async def test_what_waits_for_closing_may_be_left() -> None:
    async def slow() -> AsyncIterator[int]:
        try:
            await asyncio.Event().wait()
            yield 0
        finally:
            await asyncio.sleep(3)

    @rxs.graph
    def g() -> Any:
        tried = rxs.merge(rxs.source(Fails(9)), rxs.source(slow)).pipe(ops.retry(9))
        return {"tried": tried.pipe(ops.take_until(rxs.timer(2))), "late": rxs.timer(9)}

    assert await within(60, g.run()) == {"tried": 1, "late": 0}


@virtual_time
async def test_a_graph_that_waits_for_closing_has_not_stalled() -> None:
    async def slow() -> AsyncIterator[int]:
        try:
            yield 7
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(3)

    tries = 0

    def fails_once(item: int) -> int:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ValueError
        return item

    @rxs.graph
    def g() -> Any:
        tried = rxs.source(slow).pipe(ops.block(), ops.map(fails_once), ops.retry(2), ops.take(1))
        return rxs.zip(tried, rxs.source(range(500)))

    assert await within(60, g.run()) == (7, 0)


@virtual_time
async def test_many_rounds_leave_nothing_behind() -> None:
    async def same(item: int) -> int:
        return item

    @rxs.graph
    def g() -> Any:
        return rxs.source([1]).pipe(ops.map_async(same), ops.repeat(100))

    execution = await started(g)
    await execution.wait()
    statistics = execution.statistics()
    assert len(statistics.edges) == 1
    assert {node.state for node in statistics.nodes} == {"completed"}
    assert {node.elements_out for node in statistics.nodes} == {100}


@virtual_time
async def test_nodes_of_a_failed_attempt_wait_for_the_next() -> None:
    @rxs.graph
    def g() -> Any:
        both = rxs.merge(rxs.source(Fails(1)), rxs.source(rxs.interval(0.1)).named("sibling"))
        return both.pipe(ops.retry(2))

    execution = await started(g)
    states = set()
    while not execution.ended and now() < 1.5:
        states |= {n.state for n in execution.statistics().nodes if n.node == "sibling"}
        await asyncio.sleep(0.05)
    assert states <= {"waiting", "running"}
    execution.cancel()
    await execution.wait()


@virtual_time
async def test_a_graph_that_cannot_be_started_again_fails_with_its_node() -> None:
    made = 0

    class Once:
        def __iter__(self) -> Iterator[int]:
            nonlocal made
            made += 1
            if made > 1:
                raise RuntimeError("only once")
            return iter([1])

    @rxs.graph
    def g() -> Any:
        return rxs.source(Once()).named("once").pipe(ops.repeat(2))

    with pytest.raises(NodeError, match=r"'once'.*only once"):
        await g.run()

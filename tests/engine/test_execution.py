"""One execution as its reader sees it: events, results, errors, and the four ways to leave."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import rxstream as rxs
from rxstream import operators as ops
from rxstream.errors import (
    AlreadyEnded,
    AuthorError,
    CodecError,
    ExecutionCancelled,
    NodeError,
    WorldError,
)
from rxstream.source import Port
from rxstream.testing import virtual_time


@rxs.graph
def doubled(n: int) -> Any:
    """Twice each number."""
    return rxs.source(range(n)).named("numbers").pipe(ops.map(lambda x: x * 2)).named("doubled")


@rxs.graph
def endless(period: float = 0.01) -> Any:
    """Counts for ever."""

    async def count() -> AsyncIterator[int]:
        n = 0
        while True:
            yield n
            n += 1
            await asyncio.sleep(period)

    return rxs.source(count).named("count")


async def events_of(execution: rxs.Execution) -> list[rxs.StreamEvent]:
    return [event async for event in execution.events()]


async def started(graph: Any, **params: Any) -> rxs.Execution:
    execution: rxs.Execution = await graph.start(**params)
    return execution


def kinds(events: list[rxs.StreamEvent]) -> list[str]:
    return [f"{e.event_type}:{e.step_id}" if e.step_id else e.event_type for e in events]


@virtual_time
async def test_the_log_tells_the_whole_life() -> None:
    execution = await started(doubled, n=2)
    events = await events_of(execution)

    assert kinds(events) == [
        "pipeline_start",
        "step_start:doubled",
        "step_start:numbers",
        "step_output:doubled",
        "step_output:doubled",
        "step_complete:numbers",
        "step_complete:doubled",
        "pipeline_complete",
    ]
    assert [e.sequence for e in events] == list(range(1, 9))
    assert events[0].data["graph"] == "doubled"
    assert events[0].data["params"] == {"n": 2}
    assert [e.data for e in events if e.event_type == "step_output"] == [0, 2]
    assert events[-1].data["result"] == 2
    assert execution.status == "completed"
    assert await execution.result() == 2


@virtual_time
async def test_several_outputs_give_a_dict() -> None:
    @rxs.graph
    def both() -> Any:
        numbers = rxs.source([1, 2])
        return {"sum": numbers.pipe(ops.sum()), "none": numbers.pipe(ops.filter(lambda n: n > 5))}

    assert await both.run() == {"sum": 3, "none": None}


@virtual_time
async def test_a_node_runs_once_however_many_branches_read_it() -> None:
    opened = 0

    def numbers() -> Iterator[int]:
        nonlocal opened
        opened += 1
        yield from range(5)

    @rxs.graph
    def shared() -> Any:
        source = rxs.source(numbers)
        return {"a": source.pipe(ops.count()), "b": source.pipe(ops.sum()), "c": source}

    assert await shared.run() == {"a": 5, "b": 10, "c": 4}
    assert opened == 1


@virtual_time
async def test_what_the_users_function_raised_is_told_with_its_node_and_line() -> None:
    @rxs.graph
    def failing() -> Any:
        return rxs.source([1, 0]).pipe(ops.map(lambda n: 1 // n)).named("inverse")

    execution = await started(failing)
    events = await events_of(execution)
    with pytest.raises(NodeError, match=r"'inverse' \(at engine/test_execution.py:\d+\)") as caught:
        await execution.result()

    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert kinds(events)[-3:] == ["step_output:inverse", "step_error:inverse", "pipeline_error"]
    assert events[-2].data["error"]["kind"] == "user"
    assert events[-2].data["will_retry"] is False
    assert "'inverse'" in events[-1].data["error"]["message"]
    assert "Traceback" not in str(events[-1].data)
    assert execution.status == "failed"


@virtual_time
async def test_an_error_of_the_world_keeps_its_kind() -> None:
    @rxs.graph
    def failing() -> Any:
        def broken() -> Iterator[int]:
            yield 1
            raise WorldError("the wire is cut")

        return rxs.source(broken).named("wire")

    execution = await started(failing)
    with pytest.raises(WorldError, match="the wire is cut"):
        await execution.result()

    last = (await events_of(execution))[-1]
    assert last.data["error"] == {
        "kind": "world",
        "code": "world_error",
        "message": f"node 'wire' (at {execution.plan.by_id['wire'].where}): the wire is cut",
    }


@virtual_time
async def test_an_element_without_json_form_is_the_authors_fault_and_earlier_ones_stay() -> None:
    @rxs.graph
    def opaque() -> Any:
        return rxs.source([1, {"inner": object()}, 3]).named("things")

    execution = await started(opaque)
    with pytest.raises(CodecError, match=r"things emitted .*\$\.inner is an object"):
        await execution.result()
    outputs = [e.data for e in await events_of(execution) if e.event_type == "step_output"]
    assert outputs == [1]


@virtual_time
async def test_an_element_over_one_mebibyte_is_refused_with_the_way_out() -> None:
    @rxs.graph
    def large() -> Any:
        return rxs.source(["x" * (1024 * 1024)]).named("text")

    with pytest.raises(CodecError, match=r"rxstream.Binary") as caught:
        await large.run()
    assert caught.value.code == "element_too_large"


@virtual_time
async def test_a_binary_is_told_by_reference_and_kept_beside() -> None:
    @rxs.graph
    def picture() -> Any:
        return rxs.source([rxs.Binary(b"\x89PNG", "image/png")]).named("picture")

    async with rxs.Engine() as engine:
        execution = await engine.start(picture)
        await execution.wait()
        told = next(e.data for e in await events_of(execution) if e.event_type == "step_output")
        kept = await engine.log.blob(execution.id, told["sha256"])

    assert (told["type"], told["size"], told["media_type"]) == ("binary", 4, "image/png")
    assert told["href"] == f"/api/executions/{execution.id}/blobs/{told['sha256']}"
    assert kept == rxs.Binary(b"\x89PNG", "image/png")


class TestProgress:
    @virtual_time
    async def test_ten_a_second_reach_the_log_and_the_last_always(self) -> None:
        @rxs.graph
        def slow() -> Any:
            async def work() -> AsyncIterator[int]:
                for n in range(101):
                    rxs.progress(n, f"step {n}")
                    await asyncio.sleep(0.01)
                yield 1

            return rxs.source(work).named("work")

        told = [
            e.data for e in await events_of(await started(slow)) if e.event_type == "step_progress"
        ]
        assert told[-1] == {"percentage": 100.0, "message": "step 100", "status": "running"}
        assert 10 <= len(told) <= 12

    @virtual_time
    async def test_a_mapper_may_report_too(self) -> None:
        @rxs.graph
        def g() -> Any:
            return rxs.source([1]).pipe(ops.do_action(lambda n: rxs.progress(50))).named("half")

        events = await events_of(await started(g))
        assert "step_progress:half" in kinds(events)

    def test_outside_a_node_it_is_refused(self) -> None:
        with pytest.raises(AuthorError, match="outside a running node"):
            rxs.progress(1)


class TestEndings:
    @virtual_time
    async def test_cancel_ends_now_and_says_why(self) -> None:
        closed = asyncio.Event()

        async def forever() -> AsyncIterator[int]:
            try:
                yield 1
                await asyncio.Event().wait()
            finally:
                closed.set()

        @rxs.graph
        def g() -> Any:
            return rxs.source(forever)

        execution = await started(g)
        await asyncio.sleep(1)
        execution.cancel("enough")
        with pytest.raises(ExecutionCancelled, match="enough"):
            await execution.result()

        assert closed.is_set()
        assert execution.status == "cancelled"
        last = (await events_of(execution))[-1]
        assert (last.event_type, last.data) == ("pipeline_cancelled", {"reason": "enough"})

    @virtual_time
    async def test_stop_lets_what_is_under_way_finish(self) -> None:
        @rxs.graph
        def g() -> Any:
            return endless().pipe(ops.buffer_with_count(1000)).named("pages")

        execution = await started(g)
        await asyncio.sleep(0.055)
        execution.stop()
        await execution.wait()

        events = await events_of(execution)
        assert [e.data for e in events if e.event_type == "step_output"] == [[0, 1, 2, 3, 4, 5]]
        assert events[-1].data == {"reason": "stopped"}

    @virtual_time
    async def test_the_last_listener_leaving_ends_it_after_a_grace(self) -> None:
        async with rxs.Engine(grace_s=5) as engine:
            execution = await engine.start(endless, on_last_listener="cancel")
            with execution.listening():
                await asyncio.sleep(100)
            await asyncio.sleep(4)
            with execution.listening():
                await asyncio.sleep(100)
            assert execution.status == "running"
            await asyncio.sleep(5.1)
            assert execution.status == "cancelled"

    @virtual_time
    async def test_detached_it_runs_on(self) -> None:
        async with rxs.Engine(grace_s=5) as engine:
            execution = await engine.start(endless, detached=False)
            with execution.listening():
                pass
            execution.detach()
            await asyncio.sleep(60)
            assert execution.status == "running"

    @virtual_time
    async def test_after_the_end_every_way_to_leave_is_refused(self) -> None:
        execution = await started(doubled, n=1)
        await execution.wait()
        for leave in (execution.cancel, execution.stop, execution.detach):
            with pytest.raises(AlreadyEnded, match="completed"):
                leave()

    @virtual_time
    async def test_cancelling_twice_is_refused_the_second_time(self) -> None:
        execution = await started(endless)
        execution.cancel()
        with pytest.raises(AlreadyEnded):
            execution.cancel()
        await execution.wait()


class _Writes(rxs.Sink[Any]):
    """Keeps what it is given; may be slow, or raise at a batch."""

    name = "writes"

    def __init__(self, delay: float = 0.0, broken: bool = False) -> None:
        self.delay = delay
        self.broken = broken
        self.items: list[Any] = []
        self.opened = 0

    @asynccontextmanager
    async def open(self, port: Port) -> AsyncIterator[Any]:
        async def write(items: Any) -> None:
            if self.broken:
                raise OSError("the disk is gone")
            await asyncio.sleep(self.delay)
            self.items += items

        self.opened += 1
        yield write
        self.opened -= 1


class TestSinks:
    @virtual_time
    async def test_as_a_node_it_gets_every_element_and_is_left_before_the_end(self) -> None:
        sink = _Writes(delay=1)

        @rxs.graph
        def g() -> Any:
            rxs.source(range(200)).to(sink)

        await g.run()
        assert sink.items == list(range(200))
        assert sink.opened == 0

    @virtual_time
    async def test_a_slow_one_holds_back_its_source(self) -> None:
        pulled = 0

        def numbers() -> Iterator[int]:
            nonlocal pulled
            for number in range(10_000):
                pulled = number
                yield number

        @rxs.graph
        def g() -> Any:
            rxs.source(numbers).to(_Writes(delay=1))

        execution = await started(g)
        await asyncio.sleep(10.5)
        assert pulled <= 64 * 12
        execution.cancel()
        await execution.wait()

    @virtual_time
    async def test_one_that_raises_fails_the_execution(self) -> None:
        @rxs.graph
        def g() -> Any:
            rxs.source([1]).to(_Writes(broken=True), name="disk")

        execution = await started(g)
        with pytest.raises(NodeError, match=r"'disk'.*the disk is gone"):
            await execution.result()
        assert (await events_of(execution))[-1].data["error"]["kind"] == "world"

    @virtual_time
    async def test_an_error_before_it_reaches_it_too(self) -> None:
        class Publishes(_Writes):
            published = False

            @asynccontextmanager
            async def open(self, port: Port) -> AsyncIterator[Any]:
                async with super().open(port) as write:
                    yield write
                    self.published = True

        sink = Publishes()

        @rxs.graph
        def g() -> Any:
            rxs.source([1, 0]).pipe(ops.map(lambda n: 1 // n)).to(sink)

        with pytest.raises(NodeError, match="map_1"):
            await g.run()
        assert sink.items == [1]
        assert not sink.published

    @virtual_time
    async def test_subscribed_it_reads_the_log_from_the_first_event(self) -> None:
        sink = _Writes(delay=1)
        execution = await started(doubled, n=10)
        subscription = execution.subscribe(sink)
        await execution.wait()
        await subscription.wait()

        assert [e.sequence for e in sink.items] == list(range(1, len(sink.items) + 1))
        assert sink.items[-1].terminal
        assert subscription.error is None

    @virtual_time
    async def test_subscribed_one_that_raises_leaves_alone(self) -> None:
        execution = await started(doubled, n=10)
        broken = execution.subscribe(_Writes(broken=True))
        await broken.wait()

        assert isinstance(broken.error, OSError)
        assert await execution.result() == 18

    @virtual_time
    async def test_subscribed_it_can_be_removed_while_running(self) -> None:
        sink = _Writes()
        execution = await started(endless)
        subscription = execution.subscribe(sink)
        await asyncio.sleep(0.1)
        await subscription.close()
        seen = len(sink.items)
        await asyncio.sleep(0.1)

        assert len(sink.items) == seen > 0
        execution.cancel()
        await execution.wait()

"""Executions and a log that is slow, full or gone: nobody waits for ever and no ending is made up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import rxstream as rxs
from rxstream import operators as ops
from rxstream.errors import CodecError, LogError
from rxstream.events import MAX_EVENT_BYTES
from rxstream.log import Commit
from rxstream.source import Port
from rxstream.testing import virtual_time
from tests.engine.parts import FullLog, SlowLog, events_of, now, started, told, within


@rxs.graph
def ticks() -> Any:
    """Ten a second, for ever."""
    return rxs.interval(0.1)


@rxs.graph
def waits(seconds: float = 10.0) -> Any:
    return rxs.timer(seconds)


class TestSlow:
    @virtual_time
    async def test_a_queued_start_that_is_admitted_meanwhile_returns(self) -> None:
        async with rxs.Engine(SlowLog(), max_running=1) as engine:
            first = await engine.start(waits, {"seconds": 9.7})
            await asyncio.sleep(9.5)
            assert not first.ended
            queued = await within(60, engine.start(waits))
            assert (await within(60, told(queued)))[-1] == "pipeline_complete"

    @virtual_time
    async def test_cancelling_at_any_moment_ends_it_once(self) -> None:
        for tenth in range(1, 60, 2):
            async with rxs.Engine(SlowLog(), max_running=1) as engine:
                running = await engine.start(waits, {"seconds": 1})
                queued = await engine.start(waits, {"seconds": 1})
                await asyncio.sleep(tenth / 10)
                for execution in (queued, running):
                    if execution.unsettled():
                        execution.cancel()
                for execution in (running, queued):
                    events = await within(10, events_of(execution))
                    assert [e.sequence for e in events] == list(range(1, len(events) + 1))
                    assert [e.terminal for e in events].count(True) == 1
                    assert events[-1].terminal

    @virtual_time
    async def test_a_start_that_is_given_up_leaves_nothing_running(self) -> None:
        async with rxs.Engine(SlowLog(), max_running=1) as engine:
            for _ in range(2):  # one begins, one would queue
                with pytest.raises(TimeoutError):
                    await within(0.1, engine.start(waits))
            await asyncio.sleep(5)
            assert engine.statistics().statuses == {"cancelled": 2}

    @virtual_time
    async def test_a_boundary_before_an_output_that_waits_has_not_stalled(self) -> None:
        class Slower(SlowLog):
            delay = 5

        @rxs.graph
        def g() -> Any:
            return rxs.source(range(9_000)).pipe(ops.map(str), ops.block(4)).named("n")

        async with rxs.Engine(Slower()) as engine:
            execution = await engine.start(g)
            assert await execution.result() == "8999"

    @virtual_time
    async def test_whoever_iterates_slowly_behind_a_boundary_has_not_stalled(self) -> None:
        seen = []
        async for n in rxs.source(range(200)).pipe(ops.block(4)):
            seen.append(n)
            await asyncio.sleep(2)
        assert seen == list(range(200))

    @virtual_time
    async def test_progress_while_the_last_commit_waits_does_not_follow_the_end(self) -> None:
        async def talks() -> AsyncIterator[int]:
            try:
                yield 1
                await asyncio.Event().wait()
            finally:
                for n in range(5):
                    rxs.progress(n)

        @rxs.graph
        def g() -> Any:
            return rxs.source(talks)

        async with rxs.Engine(SlowLog()) as engine:
            execution = await engine.start(g)
            await asyncio.sleep(3)
            execution.cancel()
            assert (await within(10, told(execution)))[-1] == "pipeline_cancelled"
            assert execution.status == "cancelled"


class TestRefusing:
    @virtual_time
    async def test_a_failed_commit_is_given_again_before_the_end(self) -> None:
        log = FullLog()
        async with rxs.Engine(log) as engine:
            execution = await engine.start(ticks)
            await asyncio.sleep(1)
            log.full = True
            await asyncio.sleep(5)
            execution.cancel()
            await asyncio.sleep(5)
            assert not execution.ended
            log.full = False
            events = await within(10, events_of(execution))
        numbers = [e.data for e in events if e.event_type == "step_output"]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) >= 59
        assert events[-1].event_type == "pipeline_cancelled"

    @virtual_time
    async def test_for_ever_it_fails_and_its_readers_are_told(self) -> None:
        log = FullLog()
        async with rxs.Engine(log) as engine:
            execution = await engine.start(ticks)
            reading = asyncio.ensure_future(events_of(execution))
            await asyncio.sleep(1)
            log.full = True
            with pytest.raises(LogError, match="could not be recorded: the disk is full"):
                await within(100, reading)
            with pytest.raises(LogError, match="disk is full"):
                await execution.result()
            with pytest.raises(LogError, match="could not be recorded"):
                await within(1, events_of(execution))
            assert execution.status == "failed"
            log.full = False
            assert await (await engine.start(waits)).result() == 0

    @virtual_time
    async def test_closing_the_engine_does_not_wait_for_it(self) -> None:
        log = FullLog()
        engine = rxs.Engine(log)
        await engine.open()
        execution = await engine.start(ticks)
        await asyncio.sleep(1)
        log.full = True
        await asyncio.sleep(3)
        begun = now()
        await engine.close()
        assert now() - begun < 2
        with pytest.raises(LogError):
            await execution.result()

    @virtual_time
    async def test_from_the_start_on_the_start_fails_and_takes_no_place(self) -> None:
        log = FullLog()
        async with rxs.Engine(log, max_running=1, max_queued=1) as engine:
            await engine.start(waits)
            log.full = True
            with pytest.raises(LogError, match="full"):
                await within(100, engine.start(waits))
            log.full = False
            assert (await engine.start(waits, {"seconds": 0})).status == "queued"

    @virtual_time
    async def test_a_log_that_breaks_its_contract_ends_the_execution(self) -> None:
        class Broken(FullLog):
            def _commit(self, commit: Commit) -> asyncio.Future[int]:
                if self.full:
                    raise KeyError("a bug")
                return super()._commit(commit)

        log = Broken()
        async with rxs.Engine(log) as engine:
            execution = await engine.start(ticks)
            await asyncio.sleep(1)
            log.full = True
            with pytest.raises(LogError, match="a bug"):
                await within(10, execution.result())

    @virtual_time
    async def test_a_log_that_is_closed_under_it_ends_the_execution(self) -> None:
        engine = rxs.Engine()
        await engine.open()
        execution = await engine.start(ticks)
        await engine.log.close()
        with pytest.raises(LogError, match="not open"):
            await within(10, execution.result())
        await engine.close()

    @virtual_time
    async def test_a_commit_that_is_given_up_ends_the_execution(self) -> None:
        class Leaves(FullLog):
            def _commit(self, commit: Commit) -> asyncio.Future[int]:
                if not self.full:
                    return super()._commit(commit)
                future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
                future.cancel()
                return future

        log = Leaves()
        async with rxs.Engine(log) as engine:
            execution = await engine.start(ticks)
            await asyncio.sleep(1)
            log.full = True
            with pytest.raises(LogError, match="during a commit"):
                await within(10, execution.result())

    @virtual_time
    async def test_the_first_commit_of_one_that_could_run_fails_its_start(self) -> None:
        log = FullLog()
        async with rxs.Engine(log, max_running=1) as engine:
            log.full = True
            with pytest.raises(LogError, match="full"):
                await within(100, engine.start(waits))
            log.full = False
            assert (await engine.start(waits)).status == "running"

    @virtual_time
    async def test_while_opening_the_log_is_closed_again(self) -> None:
        class Unreadable(rxs.MemoryLog):
            async def records(self, **asked: Any) -> Any:
                raise LogError("cannot read")

        log = Unreadable()
        with pytest.raises(LogError, match="cannot read"):
            await rxs.Engine(log).open()
        assert not log.is_open

    @virtual_time
    async def test_large_elements_wait_in_bounded_memory(self) -> None:
        pulled = 0

        @rxs.graph
        def large() -> Any:
            def texts() -> Any:
                nonlocal pulled
                while True:
                    pulled += 1
                    yield "x" * 500_000

            return rxs.source(texts)

        log = FullLog()
        async with rxs.Engine(log) as engine:
            await engine.start(large)
            log.full = True
            await asyncio.sleep(10)
            assert pulled < 200


class TestClose:
    @virtual_time
    async def test_it_takes_about_a_second_whatever_resists(self) -> None:
        async def stuck() -> AsyncIterator[int]:
            try:
                yield 1
                await asyncio.Event().wait()
            finally:
                await asyncio.Event().wait()

        @rxs.graph
        def g() -> Any:
            return rxs.source(stuck)

        engine = rxs.Engine(max_running=3)
        await engine.open()
        all_states = [await engine.start(g) for _ in range(5)]
        await asyncio.sleep(1)
        all_states[0].cancel()
        await asyncio.sleep(0.5)
        begun = now()
        await engine.close()
        assert now() - begun <= 1.5
        assert {execution.status for execution in all_states} == {"cancelled"}

    @virtual_time
    async def test_subscribed_sinks_may_read_to_the_end(self) -> None:
        sink = _Reads(0.01)
        async with rxs.Engine() as engine:
            execution = await engine.start(waits, {"seconds": 1})
            subscription = execution.subscribe(sink)
            await asyncio.sleep(0.5)
        assert sink.last == "pipeline_cancelled"
        assert subscription.error is None

    @virtual_time
    async def test_one_that_is_too_slow_is_removed(self) -> None:
        sink = _Reads(100)
        async with rxs.Engine() as engine:
            execution = await engine.start(waits, {"seconds": 1})
            subscription = execution.subscribe(sink)
            await execution.wait()
            begun = now()
        assert now() - begun <= 1.5
        assert subscription.task.cancelled()
        assert sink.closed

    @virtual_time
    async def test_twice_is_once(self) -> None:
        engine = rxs.Engine()
        await engine.open()
        await engine.start(ticks)
        await asyncio.gather(engine.close(), engine.close())
        await engine.close()


class _Reads(rxs.Sink[Any]):
    name = "reads"

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.last = ""
        self.closed = False

    @asynccontextmanager
    async def open(self, port: Port) -> AsyncIterator[Any]:
        port.progress(1)  # nobody's

        async def write(events: Any) -> None:
            await asyncio.sleep(self.delay)
            self.last = events[-1].event_type

        try:
            yield write
        finally:
            self.closed = True


class TestResults:
    @virtual_time
    @pytest.mark.parametrize("spare", [2, 100, 2_000])
    async def test_one_too_large_for_the_last_event_is_null_there(self, spare: int) -> None:
        text = "x" * (MAX_EVENT_BYTES - spare)

        @rxs.graph
        def g() -> Any:
            return rxs.source([text])

        execution = await started(g)
        last = (await within(10, events_of(execution)))[-1]
        assert last.event_type == "pipeline_complete"
        assert last.data["result"] == (text if spare > 1_024 else None)
        assert await execution.result() == text

    @virtual_time
    async def test_an_element_over_the_limit_fails_its_node(self) -> None:
        @rxs.graph
        def g() -> Any:
            return rxs.source(["x" * MAX_EVENT_BYTES]).named("big")

        with pytest.raises(CodecError, match=r"big emitted.*over the limit"):
            await g.run()

    @virtual_time
    async def test_an_element_that_was_changed_afterwards_fails_the_execution(self) -> None:
        element: list[Any] = [1]

        @rxs.graph
        def g() -> Any:
            late = rxs.timer(1).pipe(ops.do_action(lambda _: element.append(object())))
            return {"element": rxs.source([element]), "late": late}

        execution = await started(g)
        with pytest.raises(CodecError):
            await within(10, execution.result())
        assert (await told(execution))[-1] == "pipeline_error"

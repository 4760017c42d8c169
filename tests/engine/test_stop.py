"""`stop`: sources end, what is under way goes on to its end, and nothing begins anew."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import rxstream as rxs
from rxstream import operators as ops
from rxstream.errors import ExecutionCancelled
from rxstream.source import Emitter, Port, SourcePort
from rxstream.testing import virtual_time
from tests.engine.parts import SlowLog, now, one_second, outputs, started, told, within


async def eager() -> AsyncIterator[int]:
    for n in range(1_000):
        yield n
    await asyncio.Event().wait()


class Batches(rxs.Source[int]):
    """Three at a time, for ever; counts the runs that are open."""

    open_now = 0

    async def open(self, port: SourcePort) -> AsyncIterator[list[int]]:
        n = 0
        self.open_now += 1
        try:
            while True:
                yield [n, n + 1, n + 2]
                n += 3
                await asyncio.sleep(0.1)
        finally:
            self.open_now -= 1


class Pushes(rxs.PushSource[int]):
    """Pushes three at once, then waits."""

    connected = False

    def connect(self, emitter: Emitter[int], port: Port) -> Callable[[], None]:
        self.connected = True
        for n in range(3):
            emitter.next(n)
        return lambda: setattr(self, "connected", False)


async def stopped(graph: Any, after: float) -> list[Any]:
    """What a graph published that was stopped."""
    execution = await started(graph)
    await asyncio.sleep(after)
    execution.stop()
    with pytest.raises(ExecutionCancelled, match="stopped"):
        await within(2_000, execution.result())
    return await outputs(execution)


@virtual_time
async def test_what_an_asynchronous_source_gave_is_not_lost() -> None:
    @rxs.graph
    def g() -> Any:
        return rxs.source(eager).pipe(ops.map_async(one_second))

    seen = await stopped(g, 2.5)
    assert seen == list(range(len(seen)))
    assert len(seen) > 60


@virtual_time
async def test_what_a_source_of_batches_gave_is_not_lost_and_it_is_closed() -> None:
    source = Batches()

    @rxs.graph
    def g() -> Any:
        return rxs.source(source)

    seen = await stopped(g, 0.95)
    assert seen == list(range(30))
    assert source.open_now == 0


@virtual_time
async def test_what_was_pushed_is_not_lost_and_it_is_left() -> None:
    source = Pushes()

    @rxs.graph
    def g() -> Any:
        return rxs.source(source).pipe(ops.map_async(one_second))

    assert await stopped(g, 0.5) == [0, 1, 2]
    assert not source.connected


@virtual_time
@pytest.mark.parametrize("late", [eager, Pushes(), range(3)])
async def test_what_has_not_begun_does_not_begin(late: Any) -> None:
    @rxs.graph
    def g() -> Any:
        return rxs.concat(rxs.source(eager), rxs.source(late).named("late"))

    execution = await started(g)
    await asyncio.sleep(1)
    execution.stop()
    seen = await within(10, told(execution))
    assert not [kind for kind in seen if kind.endswith(":late")]


@virtual_time
async def test_a_generator_may_stop_its_own_execution() -> None:
    box: list[rxs.Execution] = []

    def numbers() -> Iterator[int]:
        for n in range(100_000):
            if n == 10:
                box[0].stop()
            yield n

    @rxs.graph
    def g() -> Any:
        return rxs.source(numbers)

    async with rxs.Engine() as engine:
        box.append(await engine.start(g))
        seen = await within(10, outputs(box[0]))
    assert seen == list(range(len(seen)))
    assert 11 <= len(seen) <= 10 + 64


@virtual_time
@pytest.mark.parametrize("kind", ["items", "batches"])
async def test_an_asynchronous_source_may_stop_its_own_execution(kind: str) -> None:
    box: list[rxs.Execution] = []

    async def items() -> AsyncIterator[int]:
        await asyncio.sleep(1)
        for n in range(1_000):
            if n == 10:
                box[0].stop()
            yield n

    class Tens(rxs.Source[int]):
        async def open(self, port: SourcePort) -> AsyncIterator[list[int]]:
            await asyncio.sleep(1)
            box[0].stop()
            yield list(range(11))
            yield [99]

    @rxs.graph
    def g() -> Any:
        return rxs.source(items if kind == "items" else Tens())

    async with rxs.Engine() as engine:
        box.append(await engine.start(g))
        assert await within(10, outputs(box[0])) == list(range(11))


@virtual_time
async def test_no_other_round_begins_and_the_last_is_not_lost() -> None:
    async def three() -> AsyncIterator[int]:
        for n in range(3):
            yield n
            await asyncio.sleep(1)

    async def slowly(item: int) -> int:
        await asyncio.sleep(1.5)
        return item

    @rxs.graph
    def g() -> Any:
        return rxs.source(three).pipe(ops.map_async(slowly), ops.repeat())

    assert await stopped(g, 5.7) == [0, 1, 2, 0, 1]


@virtual_time
async def test_no_other_attempt_begins_after_an_error() -> None:
    async def fails(item: int) -> int:
        await asyncio.sleep(1)
        raise ValueError(item)

    @rxs.graph
    def g() -> Any:
        return rxs.source(eager).pipe(ops.map_async(fails), ops.retry())

    execution = await started(g)
    await asyncio.sleep(2.5)
    execution.stop()
    await within(10, execution.wait())
    assert execution.status == "failed"
    assert now() == 3.0


@virtual_time
async def test_no_other_attempt_begins_that_waits_for_the_last_to_close() -> None:
    async def source() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(3)

    def fails(item: int) -> int:
        raise ValueError(item)

    @rxs.graph
    def g() -> Any:
        return rxs.source(source).pipe(ops.block(), ops.map(fails), ops.retry())

    execution = await started(g)
    await asyncio.sleep(1)
    execution.stop()
    await within(10, execution.wait())
    assert execution.status == "cancelled"


@virtual_time
async def test_stopping_what_is_just_being_admitted_ends_it() -> None:
    @rxs.graph
    def g() -> Any:
        return rxs.timer(10)

    async with rxs.Engine(SlowLog(), max_running=1) as engine:
        first, second = await engine.start(g), await engine.start(g)
        await first.wait()
        await asyncio.sleep(0.1)
        assert second.status == "running"
        second.stop()
        second_events = await within(10, told(second))
        # the first says that it waited
        assert second_events == ["step_progress", "pipeline_start", "pipeline_cancelled"]


async def test_a_producer_on_a_thread_is_let_go() -> None:
    refused = threading.Event()
    threads: list[threading.Thread] = []
    connected = asyncio.Event()

    class Threaded(rxs.PushSource[int]):
        policy = "block"
        capacity = 4

        def connect(self, emitter: Emitter[int], port: Port) -> Callable[[], None]:
            def produce() -> None:
                while emitter.next(0, timeout=10):
                    pass
                refused.set()

            threads.append(threading.Thread(target=produce))
            threads[0].start()
            connected.set()
            return lambda: None

    @rxs.graph
    def g() -> Any:
        return rxs.source(Threaded()).pipe(ops.map_async(one_second))

    execution = await started(g)
    await connected.wait()
    execution.stop()
    await asyncio.to_thread(threads[0].join)
    assert refused.is_set()
    execution.cancel()
    await execution.wait()

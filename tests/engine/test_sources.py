"""What can be a source, when it is opened, and how those that push are kept in bounds."""

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import reactivex as rx
from reactivex import operators as rxo
from reactivex.subject import Subject

import rxstream as rxs
from rxstream import operators as ops
from rxstream.errors import BufferOverflow, GraphError
from rxstream.source import Emitter, Policy, Port
from rxstream.testing import virtual_time


async def listed(stream: rxs.Stream[Any]) -> list[Any]:
    return [item async for item in stream]


def plain() -> Iterator[int]:
    yield from (1, 2, 3)


async def asynchronous() -> AsyncIterator[int]:
    for n in (1, 2, 3):
        await asyncio.sleep(1)
        yield n


async def coroutine() -> list[int]:
    await asyncio.sleep(1)
    return [1, 2, 3]


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (plain, [1, 2, 3]),
        (plain(), [1, 2, 3]),
        (functools.partial(plain), [1, 2, 3]),
        (lambda: plain(), [1, 2, 3]),
        (asynchronous, [1, 2, 3]),
        (lambda: asynchronous(), [1, 2, 3]),
        (coroutine, [[1, 2, 3]]),
        (lambda: 5, [5]),
        ([1, 2, 3], [1, 2, 3]),
        (range(1, 4), [1, 2, 3]),
        (rx.of(1, 2, 3), [1, 2, 3]),
        (rx.interval(1).pipe(rxo.take(2)), [0, 1]),
    ],
)
def test_everything_that_produces_is_a_source(origin: Any, expected: list[Any]) -> None:
    @virtual_time
    async def elements() -> list[Any]:
        return await listed(rxs.source(origin))

    assert elements() == expected


@virtual_time
async def test_a_function_is_called_anew_for_each_run() -> None:
    stream = rxs.source(plain)
    assert await listed(stream) == await listed(stream) == [1, 2, 3]


@virtual_time
async def test_a_late_source_is_not_opened_before_its_turn() -> None:
    opened: list[float] = []

    def second() -> Iterator[int]:
        opened.append(asyncio.get_running_loop().time())
        yield 4

    assert await listed(rxs.concat(rxs.source(asynchronous), rxs.source(second))) == [1, 2, 3, 4]
    assert opened == [3.0]


@virtual_time
async def test_a_generator_is_closed_when_nobody_wants_more() -> None:
    closed: list[str] = []

    def generator() -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            closed.append("plain")

    async def agenerator() -> AsyncIterator[int]:
        try:
            for n in range(100):
                yield n
        finally:
            closed.append("async")

    await listed(rxs.source(generator).pipe(ops.take(2)))
    await listed(rxs.source(agenerator).pipe(ops.take(2)))
    assert closed == ["plain", "async"]


def test_what_cannot_be_a_source_is_told() -> None:
    with pytest.raises(GraphError, match="int is not a source"):
        rxs.source(3)
    waiting = coroutine()
    with pytest.raises(GraphError, match="coroutine function"):
        rxs.source(waiting)


class Pushes(rxs.PushSource[int]):
    """Hands its emitter to the test."""

    def __init__(self, policy: Policy = "fail", capacity: int = 4) -> None:
        self.policy = policy
        self.capacity = capacity
        self.emitter: Emitter[int]
        self.connected = asyncio.Event()
        self.left = False

    def connect(self, emitter: Emitter[int], port: Port) -> Callable[[], None]:
        self.emitter = emitter
        self.connected.set()

        def leave() -> None:
            self.left = True

        return leave


class TestPush:
    @virtual_time
    async def test_elements_and_end_go_through(self) -> None:
        source = Pushes()
        reading = asyncio.ensure_future(listed(rxs.source(source)))
        await source.connected.wait()
        assert source.emitter.next(1)
        assert source.emitter.next(2)
        source.emitter.complete()
        assert not source.emitter.next(3)
        assert await reading == [1, 2]
        assert source.left

    @virtual_time
    async def test_an_error_goes_through_once(self) -> None:
        source = Pushes()
        reading = asyncio.ensure_future(listed(rxs.source(source)))
        await source.connected.wait()
        source.emitter.error(OSError("gone"))
        source.emitter.error(OSError("again"))
        with pytest.raises(OSError, match="gone"):
            await reading

    @pytest.mark.parametrize(
        ("policy", "expected"),
        [("drop_oldest", [6, 7, 8, 9]), ("latest", [6, 7, 8, 9]), ("drop_newest", [0, 1, 2, 3])],
    )
    def test_a_burst_is_cut_by_the_policy(self, policy: Policy, expected: list[int]) -> None:
        @virtual_time
        async def burst() -> list[int]:
            source = Pushes(policy)
            reading = asyncio.ensure_future(listed(rxs.source(source)))
            await source.connected.wait()
            for n in range(10):
                source.emitter.next(n)
            source.emitter.complete()
            return await reading

        assert burst() == expected

    @virtual_time
    async def test_the_policy_of_the_graph_is_the_policy_of_the_inbox(self) -> None:
        source = Pushes("fail", 4)
        stream = rxs.source(source).pipe(ops.coalesce(lambda a, b: a + b))
        reading = asyncio.ensure_future(listed(stream))
        await source.connected.wait()
        for n in range(10):
            source.emitter.next(n)
        source.emitter.complete()
        assert sum(await reading) == 45

    @virtual_time
    async def test_too_much_without_a_policy_fails_with_the_way_out(self) -> None:
        source = Pushes("fail", 4)
        reading = asyncio.ensure_future(listed(rxs.source(source)))
        await source.connected.wait()
        for n in range(10):
            source.emitter.next(n)
        with pytest.raises(BufferOverflow, match="drop_oldest"):
            await reading

    async def test_a_thread_waits_for_room_and_nothing_is_lost(self) -> None:
        source = Pushes("block", 4)
        stream = rxs.source(source)

        def produce() -> None:
            for n in range(2_000):
                assert source.emitter.next(n, timeout=10)
            source.emitter.complete()

        reading = asyncio.ensure_future(listed(stream))
        await source.connected.wait()
        thread = threading.Thread(target=produce)
        thread.start()
        assert await reading == list(range(2_000))
        await asyncio.to_thread(thread.join)

    async def test_a_waiting_thread_is_let_go_when_nobody_wants_more(self) -> None:
        source = Pushes("block", 4)
        refused = threading.Event()

        def produce() -> None:
            while source.emitter.next(0, timeout=10):
                pass
            refused.set()

        reading = asyncio.ensure_future(listed(rxs.source(source).pipe(ops.take(10))))
        await source.connected.wait()
        thread = threading.Thread(target=produce)
        thread.start()
        assert await reading == [0] * 10
        await asyncio.to_thread(thread.join)
        assert refused.is_set()

    @virtual_time
    async def test_on_the_loop_a_full_block_buffer_is_refused(self) -> None:
        source = Pushes("block", 4)
        reading = asyncio.ensure_future(listed(rxs.source(source)))
        await source.connected.wait()
        for n in range(4):
            source.emitter.next(n)
        with pytest.raises(BufferOverflow):
            source.emitter.next(4)
        source.emitter.complete()
        assert await reading == [0, 1, 2, 3]

    async def test_a_foreign_observable_on_another_thread(self) -> None:
        subject: Subject[int] = Subject()
        reading = asyncio.ensure_future(listed(rxs.source(subject)))
        while not subject.observers:  # noqa: ASYNC110  # a subject says nothing when it is subscribed
            await asyncio.sleep(0)

        def produce() -> None:
            for n in range(500):
                subject.on_next(n)
            subject.on_completed()

        thread = threading.Thread(target=produce)
        thread.start()
        assert await reading == list(range(500))
        await asyncio.to_thread(thread.join)

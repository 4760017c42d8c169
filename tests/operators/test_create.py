"""Streams made of nothing but arguments."""

from __future__ import annotations

import asyncio
import concurrent.futures
from datetime import timedelta
from typing import Any

import pytest
import reactivex
from reactivex.disposable import Disposable
from reactivex.scheduler import CurrentThreadScheduler
from reactivex.scheduler.eventloop import AsyncIOScheduler

import rxstream
from rxstream.operators._clock import wall_now
from rxstream.stream import Stream
from tests.operators.parts import Bad, heard, items, nexts, told, virtually


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (rxstream.of(1, 2), nexts(1, 2)),
        (rxstream.of(), nexts()),
        (rxstream.just(1), nexts(1)),
        (rxstream.return_value(None), nexts(None)),
        (rxstream.repeat_value("x", 2), nexts("x", "x")),
        (rxstream.repeat_value("x").take(3), nexts("x", "x", "x")),
        (rxstream.repeat_value("x", -1).take(1), nexts("x")),
        (rxstream.repeat_value("x", 0), nexts()),
        (rxstream.from_iterable([1, 2]), nexts(1, 2)),
        (rxstream.from_([1, 2]), nexts(1, 2)),
        (rxstream.from_list([1, 2]), nexts(1, 2)),
        (rxstream.range(3), nexts(0, 1, 2)),
        (rxstream.range(1, 4), nexts(1, 2, 3)),
        (rxstream.range(1, 8, 3), nexts(1, 4, 7)),
        (rxstream.range(1, None, 3).take(2), nexts(1, 4)),
        (rxstream.empty(), nexts()),
        (rxstream.throw("no"), [("error", "no")]),
        (rxstream.throw(Bad("bad")), [("error", "bad")]),
        (rxstream.generate(1, lambda x: x < 5, lambda x: x * 2), nexts(1, 2, 4)),
        (rxstream.from_callable(lambda: 5), nexts(5)),
        (rxstream.start(lambda: 5), nexts(5)),
        (rxstream.to_async(lambda a, b: a + b)(1, 2), nexts(3)),
    ],
    ids=lambda value: value.spec.name if isinstance(value, Stream) else "",
)
def test_a_stream_of_values(stream: Stream[Any], expected: Any) -> None:
    assert told(stream) == expected
    assert told(stream) == expected, "and again"


@pytest.mark.parametrize(
    "make",
    [
        lambda lib: lib.range(4),
        lambda lib: lib.range(1, 9, 2),
        lambda lib: lib.generate(1, lambda x: x < 9, lambda x: x * 2),
        lambda lib: lib.repeat_value(1, 3),
        lambda lib: lib.from_callable(lambda: [][0]),
        lambda lib: lib.for_in([1, 2], lambda x: lib.of(x, x)),
        lambda lib: lib.concat_with_iterable(lib.of(x) for x in (1, 2)),
        lambda lib: lib.concat_with_iterable([lib.of(1), lib.of(2)]),
        lambda lib: lib.catch_with_iterable(s for s in (lib.throw("a"), lib.of(1), lib.of(2))),
        lambda lib: lib.catch_with_iterable([lib.throw("a"), lib.of(1)]),
        lambda lib: lib.catch_with_iterable(s for s in (lib.throw("a"), lib.throw("b"))),
        lambda lib: lib.catch_with_iterable(iter(())),
        lambda lib: lib.defer(lambda _: lib.of(1, 2)),
        lambda lib: lib.defer(lambda _: [][0]),
        lambda lib: lib.using(lambda: None, lambda _: lib.of(1)),
        lambda lib: lib.from_callback(lambda a, done: done(a))(1),
    ],
)
def test_it_is_as_in_reactivex(make: Any) -> None:
    async def main() -> Any:
        return await heard(make(rxstream))

    assert virtually(main()) == told(make(reactivex))


def test_ticks_come_once_a_period() -> None:
    async def main() -> Any:
        clock = asyncio.get_running_loop().time
        found = []
        for stream in (
            rxstream.interval(timedelta(seconds=2)).take(3),
            rxstream.timer(1.5),
            rxstream.timer(0.5, 2).take(3),
            rxstream.timer(wall_now() + timedelta(seconds=14)),
        ):
            begun = clock()
            found.append([(round(clock() - begun, 3), item) async for item in stream])
        return found

    assert virtually(main()) == [
        [(2, 0), (4, 1), (6, 2)],
        [(1.5, 0)],
        [(0.5, 0), (2.5, 1), (4.5, 2)],
        [(2, 0)],
    ]


def test_ticks_are_not_made_up_for_after_a_pause() -> None:
    async def main() -> Any:
        clock = asyncio.get_running_loop().time
        found: list[float] = []

        async def slow(item: int) -> int:
            await asyncio.sleep(10 if item == 0 else 0)
            found.append(clock())
            return item

        ticks = rxstream.interval(1.0).block(1).map_async(slow).take(200)
        return await items(ticks), found

    ticks, found = virtually(main())
    assert ticks == list(range(200))
    assert found[0] == 11


def test_states_come_each_after_its_time() -> None:
    async def main() -> Any:
        clock = asyncio.get_running_loop().time
        stream = rxstream.generate_with_relative_time(
            1, lambda x: x < 5, lambda x: x * 2, lambda x: float(x)
        )
        return [(clock(), item) async for item in stream]

    assert virtually(main()) == [(1, 1), (3, 2), (7, 4)]


def test_never_is_never() -> None:
    async def main() -> Any:
        await asyncio.wait_for(items(rxstream.never()), 1000)

    with pytest.raises(TimeoutError):
        virtually(main())


def test_futures_are_awaited() -> None:
    async def main() -> Any:
        loop = asyncio.get_running_loop()

        async def one() -> int:
            return 1

        async def broken() -> int:
            raise Bad("no")

        threaded: concurrent.futures.Future[int] = concurrent.futures.Future()
        loop.call_later(1, threaded.set_result, 3)
        return [
            await heard(rxstream.from_future(loop.create_task(one()))),
            await heard(rxstream.from_future(loop.create_task(broken()))),
            await heard(rxstream.from_future(threaded)),
            await heard(rxstream.start_async(lambda: loop.create_task(one()))),
            await heard(rxstream.start_async(one)),  # type: ignore[arg-type]  # more than reactivex takes
            await heard(rxstream.defer(lambda _: loop.create_task(one()))),
        ]

    assert virtually(main()) == [
        nexts(1),
        [("error", "no")],
        nexts(3),
        nexts(1),
        nexts(1),
        nexts(1),
    ]


def test_a_future_that_nobody_wants_is_cancelled() -> None:
    async def main() -> bool:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        found = await heard(rxstream.from_future(future).take_until(rxstream.timer(1.0)))
        await asyncio.sleep(1)
        assert found == [("end",)]
        return future.cancelled()

    assert virtually(main())


def test_a_resource_is_disposed_however_it_ends() -> None:
    disposed: list[str] = []

    def using(name: str, make: Any) -> Any:
        return rxstream.using(lambda: Disposable(lambda: disposed.append(name)), make)

    async def main() -> Any:
        return [
            await heard(using("end", lambda _: rxstream.of(1))),
            await heard(using("error", lambda _: rxstream.throw("no"))),
            await heard(using("left", lambda _: rxstream.interval(1.0)).take(1)),
        ]

    assert virtually(main()) == [nexts(1), [("error", "no")], nexts(0)]
    assert disposed == ["end", "error", "left"]


def test_what_is_read_at_run_time_is_read_with_backpressure() -> None:
    pulled = 0

    def counting() -> Any:
        nonlocal pulled
        for number in range(100_000):
            pulled += 1
            yield number

    async def main() -> Any:
        inner = rxstream.source(counting)
        return await items(rxstream.defer(lambda _: inner).take(3))

    assert virtually(main()) == [0, 1, 2]
    assert pulled < 1000


def test_a_subscribe_function_pushes() -> None:
    def subscribe(observer: Any, scheduler: Any) -> Any:
        observer.on_next(1)
        observer.on_next(2)
        observer.on_completed()

    assert virtually(heard(rxstream.create(subscribe))) == nexts(1, 2)


def test_marbles_are_reactivexs() -> None:
    async def main() -> Any:
        scheduler = AsyncIOScheduler(asyncio.get_running_loop())
        return [
            await heard(rxstream.from_marbles("-a-b|")),
            await heard(rxstream.cold("-a-b|")),
            await heard(rxstream.hot("-a-b|", scheduler=scheduler)),
        ]

    assert virtually(main()) == [nexts("a", "b")] * 3


@pytest.mark.parametrize(
    "make",
    [
        lambda s: rxstream.return_value(1, s),
        lambda s: rxstream.from_iterable([1], s),
        lambda s: rxstream.range(1, 2, 1, s),
        lambda s: rxstream.from_callable(lambda: 1, s),
        lambda s: rxstream.start(lambda: 1, s),
        lambda s: rxstream.interval(0.1, s).map(lambda _: 1).take(1),
        lambda s: rxstream.timer(0.1, None, s).map(lambda _: 1),
    ],
)
def test_a_scheduler_that_is_given_is_used(make: Any) -> None:
    async def main() -> Any:
        return await heard(make(AsyncIOScheduler(asyncio.get_running_loop())))

    assert virtually(main()) == nexts(1)
    assert rxstream.just(1, CurrentThreadScheduler()).spec.arguments["scheduler"]

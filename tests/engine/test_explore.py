"""Streams without an engine: subscribed, awaited, iterated, and mixed with plain reactivex."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import reactivex as rx
from reactivex import operators as rxo
from reactivex.internal.exceptions import SequenceContainsNoElementsError
from reactivex.subject import Subject

import rxstream as rxs
from rxstream import operators as ops
from rxstream.errors import AuthorError
from rxstream.testing import virtual_time
from tests.engine.parts import turns_until


def collect(observable: Any) -> list[Any]:
    seen: list[Any] = []
    observable.subscribe(seen.append, lambda e: seen.append(repr(e)), lambda: seen.append("end"))
    return seen


def raises(*_: Any) -> None:
    """An observer that cannot take it."""
    raise ZeroDivisionError


class TestWithoutALoop:
    def test_subscribe_runs_at_once(self) -> None:
        assert collect(rxs.source([1, 2]).pipe(ops.map(lambda n: n * 2))) == [2, 4, "end"]

    def test_a_subject_is_heard_at_once(self) -> None:
        subject: Subject[int] = Subject()
        seen = collect(rxs.source(subject).pipe(ops.map(lambda n: n * 2)))
        subject.on_next(1)
        assert seen == [2]
        subject.on_completed()
        assert seen == [2, "end"]

    def test_a_disposed_subscription_hears_nothing_more(self) -> None:
        subject: Subject[int] = Subject()
        seen: list[int] = []
        subscription = rxs.source(subject).subscribe(seen.append)
        subject.on_next(1)
        subscription.dispose()
        subject.on_next(2)
        assert seen == [1]
        assert not subject.observers

    def test_what_needs_a_loop_says_so(self) -> None:
        async def later() -> AsyncIterator[int]:
            yield 1

        assert "asyncio.run" in collect(rxs.source(later))[0]

    def test_an_error_of_the_observer_reaches_whoever_subscribed(self) -> None:
        with pytest.raises(ZeroDivisionError):
            rxs.source([1]).subscribe(raises)
        with pytest.raises(ZeroDivisionError):
            rxs.source([1]).subscribe(on_completed=raises)
        with pytest.raises(ZeroDivisionError):
            rxs.source([1]).pipe(ops.take(1)).subscribe(on_completed=raises)

    def test_a_stream_is_welcome_in_plain_reactivex(self) -> None:
        merged = rx.merge(rxs.source([1, 2]), rx.of(3)).pipe(rxo.to_list())
        assert sorted(collect(merged)[0]) == [1, 2, 3]

    def test_reactivex_groups_and_flattens_inside_a_stream(self) -> None:
        stream = rxs.source(range(10)).pipe(
            rxo.group_by(lambda n: n % 3), rxo.flat_map(lambda group: group.pipe(rxo.count()))
        )
        assert collect(stream) == [4, 3, 3, "end"]


class TestOnALoop:
    @virtual_time
    async def test_awaiting_gives_the_last_element(self) -> None:
        assert await rxs.source([1, 2, 3]) == 3
        with pytest.raises(SequenceContainsNoElementsError):
            await rxs.source([])

    @virtual_time
    async def test_an_error_is_raised_where_it_is_awaited(self) -> None:
        with pytest.raises(ZeroDivisionError):
            await rxs.source([0]).pipe(ops.map(lambda n: 1 // n))

    @virtual_time
    async def test_leaving_a_loop_early_closes_what_was_opened(self) -> None:
        closed = asyncio.Event()

        async def ticks() -> AsyncIterator[int]:
            try:
                while True:
                    yield 1
                    await asyncio.sleep(1)
            finally:
                closed.set()

        iterator = aiter(rxs.source(ticks))
        await anext(iterator)
        await iterator.aclose()  # type: ignore[attr-defined]  # it is an asynchronous generator
        assert closed.is_set()

    @virtual_time
    async def test_an_error_of_the_observer_reaches_the_loops_handler(self) -> None:
        seen: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: seen.append(context["exception"])
        )
        rxs.interval(1).subscribe(raises)
        await asyncio.sleep(2)
        assert isinstance(seen[0], ZeroDivisionError)

    @virtual_time
    async def test_a_subscription_its_observer_disposes_hears_nothing_more(self) -> None:
        seen: list[int] = []

        def see(n: int) -> None:
            seen.append(n)
            if n == 50_000:
                subscription.dispose()

        subscription = rxs.source(range(100_000)).pipe(ops.skip(1)).subscribe(see)
        await turns_until(lambda: 50_000 in seen)
        await asyncio.sleep(1)
        assert seen[-1] == 50_000

    @virtual_time
    async def test_timed_reactivex_operators_run_on_the_loops_clock(self) -> None:
        stream = rxs.source(rx.interval(10)).pipe(rxo.delay(5), rxo.take(2))
        assert [n async for n in stream] == [0, 1]
        assert asyncio.get_running_loop().time() == 25

    async def test_a_sink_outside_a_graph_is_refused(self) -> None:
        class Nowhere(rxs.Sink[Any]):
            def open(self, port: Any) -> Any: ...

        with pytest.raises(AuthorError, match="outside a graph"):
            rxs.source([1]).to(Nowhere())
        with pytest.raises(AuthorError, match="not a Sink"):
            rxs.source([1]).to("file")  # type: ignore[arg-type]  # the mistake is meant

    @virtual_time
    async def test_our_operators_on_groups_and_windows_lose_nothing(self) -> None:
        groups = rxs.source(range(10)).pipe(
            ops.group_by(lambda n: n % 2), ops.flat_map(lambda group: group.pipe(ops.sum()))
        )
        assert sorted([n async for n in groups]) == [20, 25]
        windows = rxs.source(range(5)).pipe(
            ops.window_with_count(2), ops.flat_map(lambda window: window.pipe(ops.to_list()))
        )
        assert [items async for items in windows] == [[0, 1], [2, 3], [4]]

"""How the reading of what a function gives for each element fails, is cancelled and ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import reactivex
from reactivex import operators as rx
from reactivex.disposable import Disposable

import rxstream
from rxstream.errors import AuthorError, StallError
from rxstream.stream import Stream
from rxstream.testing import assert_released
from tests.operators.flattened import (
    Inner,
    Pulled,
    future,
    same,
    soon,
)
from tests.operators.parts import Bad, at, heard, items, nexts, ops, told, virtually


class TestErrors:
    def test_an_error_of_one_ends_the_others(self) -> None:
        inner = Inner()

        async def failing(item: Any) -> AsyncIterator[Any]:
            await asyncio.sleep(1.5)
            raise Bad("inside")
            yield item

        async def main() -> Any:
            async with assert_released():
                return await heard(
                    rxstream.range(4).merge_map(lambda x: failing(x) if x == 2 else inner(x))
                )

        found = virtually(main())
        assert found[-1] == ("error", "inside")
        assert len(found) == 4
        assert sorted(inner.closed) == [0, 1, 3]

    @pytest.mark.parametrize(
        "function",
        [
            lambda x: [1, int(x), 2 // (x - 3)],
            lambda x: (_ for _ in [1, x, 2 // (x - 3)]),
            lambda x: rxstream.of(x).map(lambda y: 1 // (y - 3)),
            lambda x: reactivex.of(x).pipe(rx.do_action(lambda y: 1 // (x - 3))),
            lambda x: soon(x) if x != 3 else bad(),
        ],
    )
    def test_it_names_the_node_and_is_told_once(self, function: Any) -> None:
        @rxstream.graph
        def failing() -> Any:
            return rxstream.range(9).merge_map(function, 1).named("flat")

        async def main() -> Any:
            async with rxstream.Engine() as engine:
                execution = await engine.start(failing)
                await execution.wait()
                return [e async for e in execution.events()], execution.statistics()

        events, statistics = virtually(main())
        assert [e.step_id for e in events if e.event_type == "step_error"] == ["flat"]
        assert [e.step_id for e in events if e.event_type == "step_start"].count("flat") == 1
        (node,) = (n for n in statistics.nodes if n.node == "flat")
        assert (node.state, node.errors) == ("failed", 1)

    def test_an_error_in_a_stream_inside_names_its_node_there(self) -> None:
        stream = rxstream.of(1).merge_map(lambda x: rxstream.of(x).map(lambda y: 1 // 0))
        with pytest.raises(ZeroDivisionError) as caught:
            virtually(items(stream))
        assert getattr(caught.value, "node", None) == "merge_map_1.map_1"

    def test_what_came_before_it_goes_first(self) -> None:
        async def slow(item: int) -> int:
            await asyncio.sleep(1)
            return item

        def function(item: int) -> Any:
            return bad() if item == 0 else list(range(10)) if item == 1 else 1 // 0

        stream = rxstream.range(2).pipe(ops.merge_map(function), ops.block(2), ops.map_async(slow))
        assert virtually(heard(stream)) == [*nexts(*range(10))[:-1], ("error", "bad")]
        stream = rxstream.of(1, 2).pipe(ops.merge_map(function), ops.block(2), ops.map_async(slow))
        found = virtually(heard(stream))
        assert found[:-1] == nexts(*range(10))[:-1]
        assert found[-1][0] == "error"

    def test_an_error_of_the_input_ends_what_is_read(self) -> None:
        inner = Inner(99)
        found = virtually(heard(at((0, 1), (2.5, Bad("outside"))).merge_map(inner)))
        assert found == [("next", (1, 0)), ("next", (1, 1)), ("error", "outside")]
        assert inner.closed == [1]

    @pytest.mark.parametrize("given", [None, 3, "text", b"bytes"])
    def test_what_produces_nothing_is_refused(self, given: Any) -> None:
        with pytest.raises(AuthorError, match=type(given).__name__) as caught:
            virtually(items(rxstream.of(1).merge_map(lambda _: given)))
        assert caught.value.code == "not_flattenable"
        twin = ops.merge_map(lambda _: given).spec.rx()  # type: ignore[attr-defined]  # an Operator
        assert told(reactivex.of(1).pipe(twin))[0][0] == "error"

    def test_what_it_raises_whatever_it_is_is_an_error(self) -> None:
        def leave(_: int) -> Any:
            raise asyncio.CancelledError

        assert virtually(heard(rxstream.of(1).merge_map(leave)))[0][0] == "error"

    def test_an_awaited_thing_that_was_cancelled_is_an_error(self) -> None:
        def cancelled(_: int) -> asyncio.Future[int]:
            made = future(1)
            made = asyncio.get_running_loop().create_future()
            made.cancel()
            return made

        assert virtually(heard(rxstream.of(1).merge_map(cancelled)))[0][0] == "error"

    def test_a_stall_inside_is_found(self) -> None:
        def stuck(_: int) -> Stream[Any]:
            numbers = rxstream.range(10_000)
            return rxstream.zip(numbers, numbers.filter(lambda n: n == 9_999))

        with pytest.raises(StallError, match=r"merge_map_1\.zip_1"):
            virtually(items(rxstream.of(1).merge_map(stuck)))

    def test_a_subscription_that_raises_is_an_error(self) -> None:
        def subscribe(observer: Any, scheduler: Any = None) -> Any:
            raise Bad("not today")

        stream = rxstream.of(1).merge_map(lambda _: reactivex.Observable(subscribe))
        assert virtually(heard(stream)) == [("error", "not today")]


async def bad() -> Any:
    await asyncio.sleep(0.5)
    raise Bad("bad")


class TestEnds:
    def test_whoever_leaves_closes_what_is_read(self) -> None:
        inner = Inner(99)
        disposed: list[int] = []

        def foreign(item: int) -> Any:
            def subscribe(observer: Any, scheduler: Any = None) -> Disposable:
                return Disposable(lambda: disposed.append(item))

            return reactivex.Observable(subscribe)

        kinds: list[Any] = [
            inner,
            foreign,
            lambda x: rxstream.source(lambda: inner(x)).map_async(same),
            lambda x: asyncio.sleep(99),
        ]

        async def main() -> None:
            async with assert_released():
                async for _ in rxstream.range(4).merge_map(lambda x: kinds[x](x)):
                    return

        virtually(main())
        assert sorted(inner.closed) == sorted(inner.opened) == [0, 2]
        assert disposed == [1]

    def test_a_coroutine_that_was_not_begun_is_closed(self) -> None:
        """Python would warn of one that is never awaited, and warnings are errors here."""
        assert told(rxstream.of(1).merge_map(same))[0][0] == "error"  # it needs a loop

        def at_once(item: int) -> Any:
            return [1] if item == 0 else same(item)

        assert virtually(heard(rxstream.of(0, 1).merge_map(at_once).take(1))) == nexts(1)
        both = rxstream.source(Pulled(-1))  # at the same time
        stream = both.merge_map(lambda x: at_once(x + 1)).take_while(lambda _: False)
        assert virtually(heard(stream)) == nexts()

        async def main() -> Any:
            both = rxstream.merge(rxstream.of(1).merge_map(same), rxstream.throw(Bad("at once")))
            return await heard(both)

        assert virtually(main())[-1] == ("error", "at once")

    def test_an_error_that_comes_while_it_is_closed_is_logged(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        async def resisting(_: int) -> int:
            try:
                await asyncio.sleep(99)
            finally:
                raise Bad("while closing")

        async def main() -> None:
            async for _ in rxstream.of(0, 1).merge_map(
                lambda x: resisting(x) if x else rxstream.timer(1)
            ):
                return

        virtually(main())
        assert "while closing" in capsys.readouterr().out

    def test_stopping_ends_sources_and_lets_what_was_begun_go_on(self) -> None:
        inner = Inner(10**6)
        kinds: list[Any] = [
            inner,
            soon,
            lambda x: rxstream.interval(0.3),
            lambda x: reactivex.interval(0.7),
        ]

        @rxstream.graph
        def endless() -> Any:
            return rxstream.range(4).concat(rxstream.never()).merge_map(lambda x: kinds[x](x))

        async def main() -> Any:
            async with rxstream.Engine() as engine:
                execution = await engine.start(endless)
                await asyncio.sleep(0.5)
                execution.stop()
                await execution.wait()
                return [e.data async for e in execution.events() if e.event_type == "step_output"]

        found = virtually(main())
        assert [1, -1] in found
        assert inner.closed == [0]

    def test_what_would_be_opened_after_a_stop_ends_at_once(self) -> None:
        inner = Inner(10**6)

        @rxstream.graph
        def endless() -> Any:
            return rxstream.range(40).merge_map(inner, max_concurrent=1)

        async def main() -> None:
            async with rxstream.Engine() as engine:
                execution = await engine.start(endless)
                await asyncio.sleep(2.5)
                execution.stop()
                await execution.wait()

        virtually(main())
        assert inner.closed == inner.opened == [0]

    def test_a_stream_inside_may_say_how_far_it_is(self) -> None:
        def telling(number: int) -> int:
            rxstream.progress(number * 10)
            return number

        @rxstream.graph
        def flat() -> Any:
            return rxstream.of(5).merge_map(lambda x: rxstream.of(x).map(telling)).named("flat")

        async def main() -> Any:
            async with rxstream.Engine() as engine:
                execution = await engine.start(flat)
                await execution.wait()
                return [e async for e in execution.events() if e.event_type == "step_progress"]

        ((event),) = virtually(main())
        assert (event.step_id, event.data["percentage"]) == ("flat", 50.0)

    def test_another_attempt_waits_until_what_was_read_is_closed(self) -> None:
        inner = Inner(99)

        async def failing(item: int) -> int:
            await asyncio.sleep(1.5)
            if len(inner.opened) < 3:
                raise Bad("again")
            return item

        def either(item: int) -> Any:
            return failing(item) if item else rxstream.source(lambda: inner(item)).map_async(same)

        stream = rxstream.range(2).pipe(ops.merge_map(either), ops.retry(3), ops.take(4))
        virtually(heard(stream))
        assert len(inner.opened) == 3
        assert inner.most == 1

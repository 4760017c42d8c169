"""What a function gives for each element, read within credit: what it may give, in what order, its end."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import reactivex
from reactivex import operators as rx
from reactivex.disposable import Disposable
from reactivex.subject import Subject

import rxstream
from rxstream.errors import AuthorError, GraphError, StallError
from rxstream.operator import Operator, OperatorSpec
from rxstream.source import Emitter, Port, PushSource, Source, SourcePort
from rxstream.stream import Stream
from rxstream.testing import assert_released
from tests.operators.parts import Bad, at, heard, items, nexts, ops, told, virtually


class Inner:
    """Asynchronous generators of three elements a second apart, that count themselves."""

    def __init__(self, count: int = 3) -> None:
        self.count = count
        self.opened: list[Any] = []
        self.closed: list[Any] = []
        self.most = 0

    async def __call__(self, item: Any) -> AsyncIterator[Any]:
        self.opened.append(item)
        self.most = max(self.most, len(self.opened) - len(self.closed))
        try:
            for number in range(self.count):
                await asyncio.sleep(1)
                yield item, number
        finally:
            await asyncio.sleep(0)
            self.closed.append(item)


class Pulled(Source[int]):
    def __init__(self, item: int) -> None:
        self.item = item

    async def open(self, port: SourcePort) -> AsyncIterator[list[int]]:
        yield [self.item, -self.item]


class Pushed(PushSource[int]):
    def __init__(self, item: int) -> None:
        self.item = item

    def connect(self, emitter: Emitter[int], port: Port) -> Callable[[], None]:
        emitter.next(self.item)
        emitter.next(-self.item)
        emitter.complete()
        return lambda: None


async def soon(item: int) -> tuple[int, ...]:
    await asyncio.sleep(1)
    return item, -item


def two(item: int) -> Iterator[int]:
    yield item
    yield -item


async def two_asynchronously(item: int) -> AsyncIterator[int]:
    for each in two(item):
        yield each


def future(item: int) -> asyncio.Future[int]:
    made: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    made.set_result(item)
    return made


def foreign_future(item: int) -> concurrent.futures.Future[int]:
    made: concurrent.futures.Future[int] = concurrent.futures.Future()
    made.set_result(item)
    return made


async def same(item: int) -> int:
    return item


MANY: dict[str, Callable[[Any], Any]] = {
    "list": lambda x: [x, -x],
    "tuple": lambda x: (x, -x),
    "iterable": lambda x: {x: 0, -x: 0} if x else range(1),
    "generator": two,
    "asynchronous generator": two_asynchronously,
    "stream": lambda x: rxstream.of(x, -x),
    "stream that waits": lambda x: rxstream.of(x, -x).map_async(same),
    "observable": lambda x: reactivex.of(x, -x),
    "source": Pulled,
    "push source": Pushed,
}
ONE: dict[str, Callable[[int], Any]] = {
    "coroutine": same,
    "future": future,
    "foreign future": foreign_future,
}


@pytest.mark.parametrize("kind", MANY)
@pytest.mark.parametrize("most", [1, 2, 99])
def test_it_may_give_many_elements(kind: str, most: int) -> None:
    async def main() -> Any:
        async with assert_released():
            return await items(rxstream.range(1, 70).merge_map(MANY[kind], most))

    found = virtually(main())
    expected = [each for x in range(1, 70) for each in (x, -x)]
    assert sorted(found) == sorted(expected)
    if most == 1:
        assert found == expected


@pytest.mark.parametrize("kind", ONE)
def test_it_may_give_one_element_later(kind: str) -> None:
    async def main() -> Any:
        async with assert_released():
            return await items(rxstream.range(70).merge_map(ONE[kind], 3))

    assert sorted(virtually(main())) == list(range(70))


@pytest.mark.parametrize("kind", [*MANY, *ONE])
def test_what_is_opened_by_reactivex_is_flattened_by_it(kind: str) -> None:
    """Between an operator that opens Observables and this one its twin runs."""
    function = (MANY | ONE)[kind]
    if kind in ("source", "push source"):
        function = lambda x: rxstream.source((Pulled if kind == "source" else Pushed)(x))  # noqa: E731  # short

    def flatten(group: Any) -> Any:
        return group.pipe(ops.merge_map(function)) if kind != "iterable" else group

    async def main() -> Any:
        return await items(rxstream.of(1, 2).group_by(lambda x: x).merge_map(flatten))

    assert set(virtually(main())) >= {1, 2}


@pytest.mark.parametrize("kind", [*MANY, *ONE])
def test_the_twin_takes_whatever_the_native_one_takes(kind: str) -> None:
    async def main() -> Any:
        twin = ops.merge_map((MANY | ONE)[kind]).spec.rx()  # type: ignore[attr-defined]  # an Operator
        return await items(rxstream.source(reactivex.of(1, 2).pipe(twin)))

    assert set(virtually(main())) >= {1, 2}


class TestBounds:
    def test_so_many_are_read_at_a_time(self) -> None:
        inner = Inner()
        found = virtually(heard(rxstream.range(5).merge_map(inner, max_concurrent=2)))
        assert inner.most == 2
        assert len(found) == 16
        assert inner.closed == [0, 1, 2, 3, 4]

    def test_so_many_wait_then_what_feeds_it_does(self) -> None:
        pulled: list[int] = []
        inner = Inner(1)

        async def main() -> None:
            numbers = rxstream.range(100).do_action(pulled.append)
            async for _ in numbers.merge_map(inner, 2, max_waiting=3):
                assert len(pulled) <= len(inner.opened) + 3 + 2  # taken, and not begun

        virtually(main())
        assert len(inner.opened) == 100

    def test_a_policy_before_it_says_what_waits(self) -> None:
        inner = Inner(1)

        async def main() -> Any:
            source = at(*((0.1 * n, n) for n in range(10)))
            return await items(source.pipe(ops.latest(), ops.merge_map(inner, 1)))

        assert virtually(main()) == [(0, 0), (9, 0)]

    @pytest.mark.parametrize("kind", MANY)
    def test_nothing_is_read_that_cannot_be_of_use(self, kind: str) -> None:
        begun: list[int] = []

        def begin(item: int) -> Any:
            begun.append(item)
            return MANY[kind](item)

        found = virtually(heard(rxstream.range(1, 99).merge_map(begin, 1).take(3)))
        assert found == nexts(1, -1, 2)
        assert begun == [1, 2]

    def test_a_slow_reader_holds_inner_sources_back(self) -> None:
        pulled = 0

        def endless(_: int) -> Iterator[int]:
            nonlocal pulled
            while True:
                pulled += 1
                yield pulled

        async def slow(item: int) -> int:
            await asyncio.sleep(1)
            return item

        async def main() -> None:
            stream = rxstream.of(1, 2).pipe(
                ops.merge_map(endless), ops.block(4), ops.map_async(slow)
            )
            count = 0
            async for _ in stream:
                count += 1
                assert pulled <= count + 4 + 2
                if count == 30:
                    return

        virtually(main())

    def test_a_stream_inside_is_held_back_too(self) -> None:
        pulled = 0

        def counting() -> Iterator[int]:
            nonlocal pulled
            while True:
                pulled += 1
                yield pulled

        async def main() -> None:
            async with assert_released():
                stream = rxstream.of(0).merge_map(lambda _: rxstream.source(counting).map(str))
                async for item in stream.pipe(ops.block(4), ops.map_async(same)):
                    assert pulled <= int(item) + 70
                    if item == "300":
                        return

        virtually(main())

    def test_those_that_share_the_room_take_turns(self) -> None:
        def endless(item: int) -> Any:
            return rxstream.repeat_value(item)

        async def slow(item: int) -> int:
            await asyncio.sleep(1)
            return item

        stream = rxstream.of(1, 2, 3).pipe(
            ops.merge_map(endless), ops.block(1), ops.map_async(slow)
        )
        found = virtually(items(stream.take(30)))
        assert {found.count(n) for n in (1, 2, 3)} <= {8, 9, 10, 11, 12}

    def test_numbers_below_one_are_refused(self) -> None:
        with pytest.raises(GraphError, match="max_concurrent"):
            ops.merge_map(two, 0)
        with pytest.raises(GraphError, match="max_waiting"):
            ops.merge_map(two, max_waiting=0)


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


class TestWithoutALoop:
    def test_what_needs_none_runs_at_once(self) -> None:
        stream = rxstream.range(1, 4).merge_map(
            lambda x: rxstream.of(x, -x).map(lambda y: y * 2), 1
        )
        assert told(stream) == nexts(2, -2, 4, -4, 6, -6)
        assert told(rxstream.of(1).merge_map(lambda x: rxstream.throw("no"))) == [("error", "no")]
        assert told(rxstream.range(9).merge_map(lambda x: rxstream.range(9)).take(3)) == nexts(
            0, 1, 2
        )

    def test_the_error_of_an_observer_is_its_own(self) -> None:
        def observe(_: Any) -> None:
            raise Bad("of the observer")

        for function in (lambda x: rxstream.of(x), lambda x: [x]):
            seen: list[Any] = []
            with pytest.raises(Bad, match="of the observer"):
                rxstream.of(1).merge_map(function).subscribe(observe, seen.append)
            assert seen == []

    def test_a_stream_inside_that_cannot_be_made_is_an_error(self) -> None:
        def make() -> Any:
            raise Bad("cannot be made")

        broken = Operator(OperatorSpec("broken", "op", make=make))
        stream = rxstream.of(1).merge_map(lambda x: rxstream.of(x).pipe(broken))
        assert told(stream) == [("error", "cannot be made")]
        assert virtually(heard(stream)) == [("error", "cannot be made")]

    def test_a_stream_inside_that_cannot_be_drawn_is_an_error(self) -> None:
        def wrong(x: int) -> Any:
            return rxstream.of(x).group_by(str)

        ((kind, text),) = told(rxstream.of(1).merge_map(wrong))
        assert kind == "error"
        assert "Observables" in text


class TestNamesOfReactivex:
    """`flat_map` and its kin, where they go beyond reactivex."""

    def test_coroutines_and_asynchronous_generators_will_do(self) -> None:
        assert virtually(items(rxstream.range(3).flat_map(same))) == [0, 1, 2]
        found = virtually(items(rxstream.range(3).concat_map(two_asynchronously)))
        assert found == [0, 0, 1, -1, 2, -2]

    def test_a_text_is_its_letters(self) -> None:
        assert told(rxstream.of("ab", "c").flat_map(lambda text: text)) == nexts("a", "b", "c")

    def test_without_a_function_the_elements_are_read(self) -> None:
        streams = rxstream.of([1, 2], (3,))
        assert told(streams.flat_map()) == nexts(1, 2, 3)
        assert told(streams.flat_map_indexed()) == nexts(1, 2, 3)
        assert told(streams.switch_map()) == nexts(1, 2, 3)
        assert told(streams.switch_map_indexed()) == nexts(1, 2, 3)

    def test_without_a_function_they_are_read_between_observables_too(self) -> None:
        for flatten in (ops.flat_map, ops.flat_map_indexed, ops.switch_map, ops.switch_map_indexed):
            found = virtually(items(rxstream.of(1, 1).group_by(str).pipe(flatten())))
            assert found == [1, 1]

    def test_the_same_may_be_read_for_every_element(self) -> None:
        assert told(rxstream.of(1, 2).flat_map([7, 8])) == nexts(7, 8, 7, 8)
        assert told(rxstream.of(1, 2).flat_map_indexed(rxstream.of(7))) == nexts(7, 7)

    def test_one_after_the_other_holds_back_what_feeds_it(self) -> None:
        pulled: list[int] = []
        inner = Inner(1)

        async def main() -> None:
            async for _ in rxstream.range(500).do_action(pulled.append).concat_map(inner):
                assert len(pulled) <= len(inner.opened) + 65

        virtually(main())
        assert inner.most == 1

    def test_the_next_element_takes_the_place_of_the_one_before_though_nobody_reads(self) -> None:
        inner = Inner(99)

        async def slow(item: Any) -> Any:
            await asyncio.sleep(100)
            return item

        async def main() -> Any:
            async with assert_released():
                source = at((0, "a"), (2.5, "b"), (50, "c")).switch_map(inner)
                stream = source.pipe(ops.block(1), ops.map_async(slow))
                return await items(stream.take(4))

        found = virtually(main())
        assert [item for item, _ in found] == ["a", "a", "c", "c"]
        assert inner.closed == inner.opened == ["a", "c"]  # nobody could read what "b" gave

    def test_a_hot_observable_is_subscribed_at_once(self) -> None:
        subject: Subject[int] = Subject()

        def begin(_: int) -> Any:
            asyncio.get_running_loop().call_soon(subject.on_next, 5)
            return subject.pipe(rx.take(1))

        assert virtually(items(rxstream.of(0).flat_map(begin))) == [5]

"""What a function gives for each element, read within credit: what it may give, in what order, its end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import reactivex
from reactivex import operators as rx
from reactivex.subject import Subject

import rxstream
from rxstream.errors import GraphError
from rxstream.operator import Operator, OperatorSpec
from rxstream.testing import assert_released
from tests.operators.flattened import (
    MANY,
    ONE,
    Inner,
    Pulled,
    Pushed,
    same,
    two,
    two_asynchronously,
)
from tests.operators.parts import Bad, at, heard, items, nexts, ops, told, virtually


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

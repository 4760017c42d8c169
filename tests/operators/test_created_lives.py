"""A source stored at any moment and made anew goes on as if nothing had been, with nothing lost or doubled.

Each case is played to the end, then again for each moment, where the unit and its runtime are thrown away and
made anew from bytes. What ticks also goes on at the same times.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rxstream
from rxstream import statecodec
from rxstream.engine.island import Port
from rxstream.engine.op import ALL
from rxstream.engine.runtime import Runtime
from rxstream.engine.sources import unit_for
from rxstream.engine.unit import Unit
from rxstream.errors import AuthorError, GraphError
from rxstream.graph.plan import Plan
from rxstream.operators._clock import wall_now
from rxstream.stream import Stream, source
from tests.ids import stable
from tests.operators.bench import Unwatched
from tests.operators.lives import TICK, Reader, Told, same, settled
from tests.operators.parts import Bad, virtually

Make = Callable[[], Stream[Any]]

PERIOD = 41 / 64
"""Of which no multiple below 10 seconds is a multiple of `TICK`."""


class Squares(Sequence[int]):
    """A sequence that makes each element when it is asked for it."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __len__(self) -> int:
        return 9

    def __getitem__(self, index: Any) -> Any:
        self.asked.append(index)
        if index >= len(self):
            raise IndexError
        return index * index


def counted() -> Iterator[int]:
    yield from (5, 6, 7, 8)


class Counting:
    def __call__(self, count: int) -> Iterator[int]:
        yield from range(count)


class Called:
    def __call__(self) -> Iterator[int]:
        yield from counted()


async def slowly() -> AsyncIterator[int]:
    for number in range(4):
        await asyncio.sleep(PERIOD)
        yield number


class Slowly:
    def __aiter__(self) -> AsyncIterator[int]:
        return slowly()


class Plainly:
    """Its iterator has nothing that could be closed."""

    def __aiter__(self) -> Plainly:
        return self

    def __init__(self) -> None:
        self._left = 3

    async def __anext__(self) -> int:
        self._left -= 1
        if self._left < 0:
            raise StopAsyncIteration
        return self._left


class Afresh:
    def __aiter__(self) -> AsyncIterator[int]:
        return Plainly()


async def answered() -> str:
    await asyncio.sleep(PERIOD)
    return "answer"


PULLED: dict[str, Make] = {
    "of": lambda: rxstream.of("a", "b", None, "d"),
    "return_value": lambda: rxstream.return_value(None),
    "empty": rxstream.empty,
    "throw": lambda: rxstream.throw(Bad("no")),
    "range": lambda: rxstream.range(3, 17, 2),
    "from_list": lambda: rxstream.from_list([1, 2, 3]),
    "from_str": lambda: rxstream.from_iterable("häß"),
    "from_deque": lambda: rxstream.from_iterable(deque([1, 2, 3])),
    "from_sequence": lambda: rxstream.from_iterable(Squares()),
    "repeat_value": lambda: rxstream.repeat_value("x", 7),
    "repeat_endless": lambda: rxstream.repeat_value("x"),
    "generate": lambda: rxstream.generate(1, lambda x: x < 50, lambda x: x * 2),
    "from_callable": lambda: rxstream.from_callable(lambda: 5),
    "start": lambda: rxstream.start(lambda: 6),
    "source_of_a_list": lambda: source([1, 2, 3, 4]),
    "repeatable_function": lambda: source(counted, repeatable=True),
    "repeatable_partial": lambda: source(partial(Counting(), 5), repeatable=True),
    "repeatable_object": lambda: source(Called(), repeatable=True),
    "repeatable_iterable": lambda: source({1: 2, 3: 4}.items(), repeatable=True),
}
TIMED: dict[str, Make] = {
    "interval": lambda: rxstream.interval(PERIOD),
    "timer": lambda: rxstream.timer(timedelta(seconds=3 * PERIOD)),
    "timer_with_period": lambda: rxstream.timer(2.1, PERIOD),
    "timer_at": lambda: rxstream.timer(wall_now() + timedelta(seconds=2.1)),
    "generate_with_relative_time": lambda: rxstream.generate_with_relative_time(
        1, lambda x: x < 9, lambda x: x + 1, lambda x: x * PERIOD / 4
    ),
    "never": rxstream.never,
}
ASYNC: dict[str, Make] = {
    "start_async": lambda: rxstream.start_async(answered),  # type: ignore[arg-type]  # a coroutine will do
    "repeatable_generator": lambda: source(slowly, repeatable=True),
    "repeatable_async_iterable": lambda: source(Slowly(), repeatable=True),
    "repeatable_without_close": lambda: source(Afresh(), repeatable=True),
}
ALL_CASES = {**PULLED, **TIMED, **ASYNC}


def begun(plan: Plan, reader: Reader, state: bytes | None = None) -> Unit:
    """The unit of a graph of one source, made anew."""
    (node,) = plan.nodes
    assert node.spec.make is not None
    unit = unit_for(node.spec.make())
    runtime = Runtime(plan, Unwatched())
    unit.attach(runtime, node, [], Port([reader], runtime.counters(node)))
    if state is not None:
        unit.restore(statecodec.decode(state))
    runtime.start([unit])
    return unit


def played(
    make: Make,
    *,
    cuts: Collection[int] = (),
    room: int = 1,
    ticks: int = 24,
    forget: bool = False,
) -> Told:
    """What a source tells a reader that has room for so much more every second moment."""

    async def main() -> Told:
        plan = rxstream.graph(make).build()
        clock = asyncio.get_running_loop().time
        reader = Reader(0)
        unit = begun(plan, reader)
        for tick in range(ticks):
            await asyncio.sleep(tick * TICK - clock())
            await settled()
            if tick in cuts and not unit.closed:
                state = statecodec.encode(unit.snapshot())
                unit.close()
                unit = begun(plan, reader, None if forget else state)
            if tick % 2:
                reader.left += room
                unit.ready()
            await settled()
        unit.close()
        await settled()
        return reader.told

    found: Told = virtually(main())
    return found


def elements(told: Told) -> list[Any]:
    return [item for _, item in told]


@pytest.mark.parametrize("make", ALL_CASES.values(), ids=ALL_CASES)
def test_it_says_that_it_can_be_resumed(make: Make) -> None:
    (node,) = rxstream.graph(make).build().nodes
    assert node.resumable


@pytest.mark.parametrize("make", PULLED.values(), ids=PULLED)
@pytest.mark.parametrize("room", [1, 2])
def test_a_pulled_source_stored_at_any_moment_goes_on_by_index(make: Make, room: int) -> None:
    whole = played(make, room=room)
    assert whole
    for moment in range(24):
        assert same(played(make, room=room, cuts=[moment]), whole)
    assert same(played(make, room=room, cuts=range(24)), whole)


@pytest.mark.parametrize("make", TIMED.values(), ids=TIMED)
@pytest.mark.parametrize("room", [1, 100])
def test_a_source_that_ticks_goes_on_after_the_seconds_that_were_left(
    make: Make, room: int
) -> None:
    whole = played(make, room=room)
    for moment in range(1, 24):
        assert same(played(make, room=room, cuts=[moment]), whole)
    assert same(played(make, room=room, cuts=range(1, 24)), whole)


def test_ticks_that_a_slow_reader_gets_late_are_counted_on() -> None:
    for moment in range(1, 24):
        told = played(lambda: rxstream.interval(0.2817), cuts=[moment])
        assert elements(told) == list(range(len(told)))


@pytest.mark.parametrize("make", ASYNC.values(), ids=ASYNC)
def test_what_is_asynchronous_runs_again_and_what_was_emitted_is_left_out(make: Make) -> None:
    whole = elements(played(make, ticks=48))
    assert whole[-1] == "|"
    for moment in range(24):
        assert elements(played(make, cuts=[moment], ticks=64)) == whole


def test_a_value_that_was_emitted_is_not_asked_for_again() -> None:
    calls = []

    async def asked() -> int:
        calls.append(1)
        return 7

    def make() -> Stream[int]:
        return rxstream.start_async(asked)  # type: ignore[arg-type]  # a coroutine will do

    assert elements(played(make, cuts=[2])) == [7, "|"]
    assert len(calls) == 1


def test_a_timer_that_has_rung_only_ends() -> None:
    plan = rxstream.graph(lambda: rxstream.timer(1)).build()

    async def main() -> list[Any]:
        reader = Reader(1)
        unit = begun(plan, reader)
        await asyncio.sleep(2)
        state = statecodec.encode(unit.snapshot())  # there is no room to go on and end
        unit.close()
        reader.left = 1
        begun(plan, reader, state)
        await asyncio.sleep(2)
        return elements(reader.told)

    assert virtually(main()) == [0, "|"]


def test_a_source_that_forgets_its_place_is_caught() -> None:
    make = PULLED["range"]
    assert same(played(make, forget=True), played(make))
    assert not same(played(make, cuts=[6], forget=True), played(make))


def test_a_sequence_is_asked_only_for_what_follows() -> None:
    squares = Squares()
    assert list(rxstream.from_iterable(squares).spec.make().from_offset(6)) == [36, 49, 64]  # type: ignore[misc]  # it has one
    assert squares.asked == [6, 7, 8, 9]


@given(st.lists(st.integers()), st.integers(0, 20), st.sampled_from([list, tuple, deque]))
def test_head_and_rest_are_the_whole(items: list[int], offset: int, kind: Any) -> None:
    for made in (
        rxstream.from_iterable(kind(items)),
        rxstream.of(*items),
        rxstream.range(len(items)),
        rxstream.source(dict(enumerate(items)).values(), repeatable=True),
    ):
        assert made.spec.make is not None
        origin = made.spec.make()
        whole = list(origin())
        offset = min(offset, len(whole))
        assert list(islice(origin(), offset)) + list(origin.from_offset(offset)) == whole


def test_a_repetition_that_gives_less_than_before_is_an_error_and_no_end() -> None:
    made = source(counted, repeatable=True)
    assert made.spec.make is not None
    with pytest.raises(AuthorError, match="gave only 4 elements when it was run again after 9"):
        made.spec.make().from_offset(9)
    plan = rxstream.graph(lambda: source(slowly, repeatable=True)).build()

    async def main() -> Any:
        reader = Reader(ALL)
        begun(plan, reader, statecodec.encode((9, (), False, None)))
        await asyncio.sleep(10)
        return elements(reader.told)

    assert virtually(main())[0][:3] == ("failed", "author", "not_repeatable")


@pytest.mark.parametrize(
    "make",
    [
        lambda: source(counted),
        lambda: source(slowly),
        lambda: source(answered),
        lambda: rxstream.from_iterable({1, 2}),
        lambda: rxstream.from_iterable(iter([1])),
        lambda: rxstream.defer(lambda _: rxstream.of(1)),
        lambda: rxstream.from_marbles("1|"),
        lambda: rxstream.create(lambda observer, _: None),
    ],
)
def test_what_may_not_give_the_same_again_cannot_be_resumed(make: Make) -> None:
    (node,) = rxstream.graph(make).build().nodes
    assert not node.resumable


@pytest.mark.parametrize("origin", [iter([1]), answered, slowly(), rxstream.Stream], ids=stable)
def test_what_can_be_read_only_once_is_not_repeatable(origin: Any) -> None:
    with pytest.raises(GraphError, match="cannot be repeatable: only a generator function can"):
        source(origin, repeatable=True)


def test_a_generator_that_was_resumed_is_closed_when_nobody_wants_more() -> None:
    closed = []

    def opened() -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            closed.append(1)

    plan = rxstream.graph(lambda: source(opened, repeatable=True)).build()

    async def main() -> None:
        reader = Reader(1)
        unit = begun(plan, reader, statecodec.encode(5))
        unit.ready()
        await settled()
        assert elements(reader.told) == [5]
        unit.close()
        assert closed == [1]

    virtually(main())

"""A line tells what the same stream tells as a wired graph; nothing is wired for it."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rxstream as rxs
from rxstream import operators as ops
from rxstream.engine.explore import _known
from rxstream.engine.fusion import FUSE
from rxstream.engine.line import line_of
from rxstream.errors import AuthorError, GraphError
from rxstream.testing import virtual_time
from tests.engine.parts import logged, turns_until

STEPS: dict[str, Callable[[], Any]] = {
    "add": lambda: ops.map(lambda n: n + 1),
    "divide": lambda: ops.map(lambda n: 60 // n),
    "odd": lambda: ops.filter(lambda n: n % 2),
    "sum": lambda: ops.scan(lambda total, n: total + n, 0),
    "running": lambda: ops.scan(lambda total, n: total * 2 - n),
    "same": ops.as_observable,
}


def told(stream: rxs.Stream[Any], wired: bool = False) -> list[Any]:
    """Elements, then the end: of an error its class, its node, where that is made, and its notes."""
    seen: list[Any] = []

    def failed(error: Any) -> None:
        seen.append((type(error), error.node, error.where, error.__notes__))

    token = FUSE.set(not wired)
    try:
        stream.subscribe(seen.append, failed, lambda: seen.append("end"))
    finally:
        FUSE.reset(token)
    return seen


def each(numbers: list[int], broken: bool) -> Callable[[], Iterator[int]]:
    def generate() -> Iterator[int]:
        yield from numbers
        if broken:
            raise OSError("gone")

    return generate


def line(*names: str, source: Any = (5, 3, 0, 2)) -> rxs.Stream[Any]:
    stream: rxs.Stream[Any] = rxs.source(source).pipe(*(STEPS[name]() for name in names))
    assert line_of(stream) is not None
    return stream


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(sorted(STEPS)), max_size=8),
    st.lists(st.integers(-3, 9), max_size=40),
    st.booleans(),
)
def test_it_tells_what_a_wired_graph_tells(
    names: list[str], numbers: list[int], broken: bool
) -> None:
    stream = line(*names, source=each(numbers, broken))
    assert told(stream) == told(stream, wired=True)
    assert told(stream) == told(stream)


@settings(deadline=None)
@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=4), st.integers(1, 300))
def test_on_a_loop_it_tells_the_same_in_turns(names: list[str], count: int) -> None:
    stream = line(*names, source=range(1, count))
    atonce = told(stream)

    @virtual_time
    async def on_a_loop() -> list[Any]:
        seen = told(stream)
        await asyncio.sleep(1)
        return seen

    assert on_a_loop() == atonce


@pytest.mark.parametrize(
    "stream",
    [
        rxs.source([1]).pipe(ops.take(1)),
        rxs.source([1]).pipe(ops.do_action(print)),
        rxs.merge(rxs.source([1]), rxs.source([2])),
        rxs.source([1]).pipe(*(ops.map(str) for _ in range(80))),
        rxs.source([1]).pipe(ops.group_by(bool)),
        rxs.source([1]).map(str).latest(),
        rxs.source([1]).retry(2),
    ],
    ids=lambda stream: str(stream.spec.name),
)
def test_what_is_more_than_a_line_is_wired(stream: rxs.Stream[Any]) -> None:
    assert line_of(stream) is None


def test_an_element_reaches_the_observer_before_the_next_is_pulled() -> None:
    order: list[str] = []

    def numbers() -> Iterator[int]:
        for n in range(2):
            order.append(f"pull {n}")
            yield n

    def see_mapped(n: int) -> int:
        order.append(f"map {n}")
        return n

    line(source=numbers).pipe(ops.map(see_mapped), ops.filter(lambda n: True)).subscribe(
        lambda n: order.append(f"see {n}")
    )
    assert order == ["pull 0", "map 0", "see 0", "pull 1", "map 1", "see 1"]


class TestIds:
    def test_a_name_given_later_is_the_one_an_error_says(self) -> None:
        stream = line("divide")
        assert told(stream)[-1][1] == "map_1"
        stream.named("inverse")
        assert told(stream)[-1][1] == "inverse"

    def test_two_nodes_of_one_name_are_refused(self) -> None:
        stream = rxs.source([1]).named("one").pipe(ops.map(str)).named("one")
        with pytest.raises(GraphError, match="two nodes"):
            stream.subscribe()

    def test_a_plan_is_drawn_once(self) -> None:
        stream = rxs.source([1]).pipe(ops.take(1))
        plan = _known(stream).plan(stream)
        assert _known(stream).plan(stream) is plan
        stream.named("first")
        assert _known(stream).plan(stream).outputs == {"output": "first"}

    def test_an_error_that_says_its_node_keeps_it(self) -> None:
        def inner(n: int) -> None:
            raise rxs.errors.NodeError("inside", node="elsewhere")

        errors: list[Any] = []
        rxs.source([1]).pipe(ops.map(inner)).subscribe(on_error=errors.append)
        assert errors[0].node == "elsewhere"


class TestLeaving:
    def source(self, closed: list[str]) -> Callable[[], Iterator[int]]:
        def endless() -> Iterator[int]:
            try:
                while True:
                    yield 1
            finally:
                closed.append("closed")

        return endless

    @virtual_time
    async def test_a_disposed_run_pulls_nothing_more_and_closes_its_source(self) -> None:
        closed: list[str] = []
        seen: list[int] = []
        run = line("add", source=self.source(closed)).subscribe(seen.append)
        count = len(seen)
        run.dispose()
        run.dispose()
        await asyncio.sleep(1)
        assert (closed, len(seen)) == (["closed"], count)
        assert count

    @virtual_time
    async def test_a_run_disposed_by_its_observer_tells_no_more(self) -> None:
        seen: list[Any] = []
        closed: list[str] = []

        def see(n: int) -> None:
            seen.append(n)
            if len(seen) > 20_000:
                run.dispose()

        run = line("add", source=self.source(closed)).subscribe(
            see, on_completed=lambda: seen.append("end")
        )
        await turns_until(lambda: bool(closed))
        assert (len(seen), seen[-1]) == (20_001, 2)

    @pytest.mark.parametrize("raises", [False, True])
    @virtual_time
    async def test_a_run_disposed_by_its_own_source_tells_no_more(self, raises: bool) -> None:
        seen: list[Any] = []

        def numbers() -> Iterator[int]:
            for n in range(100_000):
                if n == 50_000:
                    run.dispose()
                    if raises:
                        raise OSError
                yield n

        run = line(source=numbers).subscribe(seen.append, seen.append, lambda: seen.append("end"))
        await turns_until(lambda: len(seen) >= 50_000)
        await asyncio.sleep(1)
        assert len(seen) == 50_000

    def test_an_observer_that_raises_has_left(self) -> None:
        closed: list[str] = []
        with pytest.raises(ZeroDivisionError):
            line("add", source=self.source(closed)).subscribe(lambda n: n // 0)
        assert closed == ["closed"]

    def test_an_observer_that_raises_at_the_end_raises_to_whoever_subscribed(self) -> None:
        with pytest.raises(ZeroDivisionError):
            line("add").subscribe(on_completed=lambda: print(1 // 0))
        with pytest.raises(ZeroDivisionError, match="in node 'map_1'"):
            line("divide").subscribe()

    def test_a_source_that_raises_while_it_closes_is_logged(self) -> None:
        def numbers() -> Iterator[int]:
            try:
                yield 1
            finally:
                raise OSError("stuck")

        with logged() as entries, pytest.raises(ZeroDivisionError):
            line("add", source=numbers).subscribe(lambda n: n // 0)
        assert entries[0]["error"] == "OSError('stuck')"
        assert entries[0]["node"] == "numbers_1"

    def test_a_stray_cancellation_is_an_error(self) -> None:
        def cancelled(n: int) -> None:
            raise asyncio.CancelledError

        for stream, see in ((line(), cancelled), (line().pipe(ops.map(cancelled)), print)):
            errors: list[Any] = []
            stream.subscribe(see, errors.append)
            assert type(errors[0]) is RuntimeError

    @pytest.mark.parametrize("stops", [KeyboardInterrupt, SystemExit])
    def test_an_interrupt_is_nobodys_error(self, stops: type[BaseException]) -> None:
        def interrupt(n: int) -> int:
            raise stops

        with pytest.raises(stops):
            line().pipe(ops.map(interrupt)).subscribe()


class TestOnALoop:
    @virtual_time
    async def test_others_get_their_turn(self) -> None:
        seen: list[Any] = []
        line("add", source=range(50_000)).subscribe(seen.append)
        assert await turns_until(lambda: len(seen) == 50_000) > 1

    @virtual_time
    async def test_an_error_of_the_observer_reaches_the_loops_handler(self) -> None:
        errors: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: errors.append(context["exception"])
        )
        run = line("add", source=range(100_000)).subscribe(lambda n: 1 // (n - 50_000))
        await turns_until(lambda: bool(errors))
        assert isinstance(errors[0], ZeroDivisionError)
        run.dispose()


class TestProgress:
    def test_a_function_may_report_it(self) -> None:
        ports: list[Any] = []

        def function(n: int) -> int:
            rxs.progress(50, "half")
            rxs.progress(None)
            ports.append(rxs.engine.CURRENT.get())
            return n

        assert told(line().pipe(ops.map(function)))[-1] == "end"
        assert (ports[0].node_id, ports[0].execution_id) == ("map_1", "")
        ports[0].progress(60)  # what a function handed on may say it later

    def test_what_is_no_percentage_is_refused(self) -> None:
        stream = line().pipe(ops.map(lambda n: rxs.progress("half")))  # type: ignore[arg-type]  # meant
        assert told(stream)[-1][:2] == (ValueError, "map_1")

    def test_an_observer_may_not(self) -> None:
        with pytest.raises(AuthorError, match="outside a running node"):
            line("add").subscribe(rxs.progress)

    def test_what_an_observer_inside_a_node_reports_is_that_nodes(self) -> None:
        def function(n: int) -> int:
            line("add").subscribe(rxs.progress)
            return n

        assert told(line().pipe(ops.map(function)))[-1] == "end"

    def test_an_observer_has_no_part_in_what_runs_inside_it(self) -> None:
        def report(n: int) -> int:
            rxs.progress(n)
            return n

        inner = line().pipe(ops.map(report))
        seen: list[int] = []
        line("add").subscribe(lambda _: print(inner.subscribe(seen.append)))
        assert seen == [5, 3, 0, 2] * 4

    def test_nothing_of_it_is_left_afterwards(self) -> None:
        line("divide").subscribe(on_error=lambda error: None)
        assert rxs.engine.CURRENT.get() is None

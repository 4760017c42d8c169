"""Fused or not, nobody can tell: elements, batches, errors and counters are the same."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rxstream as rxs
from rxstream import operators as ops
from rxstream.engine.fusion import FUSE, Fused, fuse
from rxstream.engine.island import Port, Stage
from rxstream.engine.statistics import NodeCounters
from rxstream.testing import virtual_time

STEPS: dict[str, Callable[[], Any]] = {
    "add": lambda: ops.map(lambda n: n + 1),
    "divide": lambda: ops.map(lambda n: 60 // n),
    "odd": lambda: ops.filter(lambda n: n % 2),
    "sum": lambda: ops.scan(lambda total, n: total + n, 0),
    "running": lambda: ops.scan(lambda total, n: total * 2 - n),
    "few": lambda: ops.take(7),
    "pairs": lambda: ops.pairwise(),
    "unpair": lambda: ops.map(lambda n: n[0] if isinstance(n, tuple) else n),
}


MORE: Any = ops.skip(0)
"""Makes more than a line of it, so that it is wired."""


@contextmanager
def fusion(on: bool) -> Generator[None, None, None]:
    token = FUSE.set(on)
    try:
        yield
    finally:
        FUSE.reset(token)


@virtual_time
async def ran(names: list[str], numbers: list[int], on: bool) -> tuple[Any, ...]:
    """What an execution tells and counts."""

    @rxs.graph
    def g() -> Any:
        return rxs.source(numbers).pipe(*(STEPS[name]() for name in names))

    async with rxs.Engine(fuse=on) as engine:
        execution = await engine.start(g)
        await execution.wait()
        statistics = execution.statistics()
        events = [(e.event_type, e.step_id, e.data) async for e in execution.events()]
    told = [event for event in events if event[0] in ("step_output", "step_error")]
    counted = [(n.node, n.elements_in, n.elements_out, n.errors, n.state) for n in statistics.nodes]
    return execution.status, told, counted if execution.status == "completed" else None


@given(
    st.lists(st.sampled_from(sorted(STEPS)), max_size=8),
    st.lists(st.integers(-3, 9), max_size=40),
)
def test_an_execution_is_the_same(names: list[str], numbers: list[int]) -> None:
    assert ran(names, numbers, on=True) == ran(names, numbers, on=False)


def test_an_error_names_the_node_whose_function_raised() -> None:
    errors: list[Any] = []
    rxs.source([1, 2, 0]).pipe(
        ops.map(lambda n: n), ops.map(lambda n: 1 // n), ops.filter(bool), ops.map(str), MORE
    ).subscribe(on_error=errors.append)
    assert errors[0].node == "map_2"


def test_what_came_before_an_error_goes_first() -> None:
    seen: list[Any] = []
    rxs.source([4, 2, 1, 0, 5]).pipe(
        ops.map(lambda n: n), ops.map(lambda n: 4 // n), MORE
    ).subscribe(seen.append, lambda error: seen.append(type(error)))
    assert seen == [1, 2, 4, ZeroDivisionError]


def test_elements_after_the_one_that_raised_are_not_looked_at() -> None:
    seen: list[int] = []

    def see(n: int) -> int:
        seen.append(n)
        return n

    inverses = rxs.source([3, 0, 2]).pipe(ops.map(see), ops.map(lambda n: 1 // n), MORE)
    inverses.subscribe(on_error=lambda error: None)
    assert seen == [3, 0]


@pytest.mark.parametrize("numbers", [[4, 2, 0], [4, 2, 1]])
def test_what_ends_behind_it_ends_it_also_where_it_raised_later(numbers: list[int]) -> None:
    seen: list[Any] = []
    rxs.source(numbers).pipe(
        ops.map(lambda n: n), ops.map(lambda n: 4 // n), ops.take_while(lambda n: n < 2)
    ).subscribe(seen.append, seen.append, lambda: seen.append("end"))
    assert seen == [1, "end"]


@pytest.mark.parametrize("stops", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_is_nobodys_error(stops: type[BaseException]) -> None:
    def interrupt(n: int) -> int:
        raise stops

    with pytest.raises(stops):
        rxs.source([1]).pipe(ops.map(lambda n: n), ops.map(interrupt), MORE).subscribe()


def test_a_long_chain_is_several_functions() -> None:
    add: Any = ops.map(lambda n: n + 1)
    stream = rxs.source(range(100)).pipe(*[add] * 60, MORE)
    seen: list[int] = []
    stream.subscribe(seen.append)
    assert seen == list(range(60, 160))


def test_it_is_switched_off_by_one_setting() -> None:
    def stage(reader: Any) -> Stage:
        node = rxs.graph(lambda: rxs.source([1]).pipe(ops.map(str))).build().nodes[1]
        return Stage(node, node.spec.make(), Port([reader], NodeCounters()), Any, lambda *_: None)  # type: ignore[arg-type]  # nothing runs

    inner = stage(object())
    assert isinstance(fuse(stage(inner)), Fused)
    with fusion(False):
        assert isinstance(fuse(stage(inner)), Stage)

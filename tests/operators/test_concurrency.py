"""Asynchronous functions, and what a full queue does."""

from __future__ import annotations

import asyncio
import operator
from typing import Any

import pytest
from reactivex.scheduler import ImmediateScheduler

import rxstream
from rxstream.errors import GraphError
from rxstream.operator import Operator
from rxstream.stream import source
from tests.operators.parts import Bad, at, heard, items, nexts, ops, told, virtually


class Working:
    """An asynchronous function that counts itself."""

    def __init__(self, spans: dict[int, float] | None = None) -> None:
        self.spans = spans or {}
        self.begun = 0
        self.cancelled = 0
        self.now = 0
        self.most = 0

    async def __call__(self, item: int) -> int:
        self.begun += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(self.spans.get(item, 1.0))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.now -= 1
        if item < 0:
            raise Bad(f"no {item}")
        return item * 10


async def timed(stream: Any) -> tuple[list[tuple[Any, ...]], float]:
    begun = asyncio.get_running_loop().time()
    found = await heard(stream)
    return found, asyncio.get_running_loop().time() - begun


def test_one_at_a_time_unless_said_otherwise() -> None:
    work = Working()
    found, took = virtually(timed(rxstream.range(5).map_async(work)))
    assert found == nexts(0, 10, 20, 30, 40)
    assert (took, work.most) == (5.0, 1)


def test_several_run_and_results_keep_their_order() -> None:
    work = Working({0: 5.0, 1: 1.0, 2: 1.0})
    found, took = virtually(timed(rxstream.range(6).map_async(work, concurrency=3)))
    assert found == nexts(0, 10, 20, 30, 40, 50)
    assert (took, work.most) == (5.0, 3)


def test_results_may_come_as_they_are_done() -> None:
    work = Working({0: 5.0, 1: 3.0, 2: 1.0})
    stream = rxstream.range(3).map_async(work, concurrency=3, ordered=False)
    assert virtually(heard(stream)) == nexts(20, 10, 0)


def test_no_more_are_begun_than_can_go_on() -> None:
    work = Working()
    found = virtually(heard(rxstream.range(100).map_async(work, concurrency=50).take(3)))
    assert found == nexts(0, 10, 20)
    assert work.begun == 3


def test_an_error_cancels_those_under_way() -> None:
    work = Working({-1: 1.0, 5: 100.0})
    found, took = virtually(timed(rxstream.of(1, -1, 5, 6).map_async(work, concurrency=3)))
    assert found == [("next", 10), ("error", "no -1")]
    assert took == 1.0
    assert work.cancelled >= 1


def test_an_error_out_of_order_comes_at_once() -> None:
    work = Working({1: 50.0, -1: 1.0})
    found, took = virtually(timed(rxstream.of(1, -1).map_async(work, 2, ordered=False)))
    assert (found, took) == ([("error", "no -1")], 1.0)


def test_nothing_runs_on_when_nobody_wants_more() -> None:
    work = Working({1: 1000.0})

    async def main() -> Any:
        found = await items(rxstream.of(0, 1).map_async(work, concurrency=2).take(1))
        await asyncio.sleep(1)
        return found

    assert virtually(main()) == [0]
    assert work.now == 0


def test_an_error_of_the_source_comes_after_the_results() -> None:
    stream = at((0, 1), (0.5, 2), (0.6, Bad("gone"))).map_async(Working(), 5)
    assert virtually(heard(stream)) == [("next", 10), ("next", 20), ("error", "gone")]


def test_a_function_that_is_cancelled_from_elsewhere_is_an_error() -> None:
    async def work(item: int) -> int:
        raise asyncio.CancelledError

    found = virtually(heard(rxstream.of(1).map_async(work)))
    assert found == [("error", "what the function awaited was cancelled")]


def test_a_function_need_not_be_asynchronous() -> None:
    assert virtually(heard(rxstream.of(1).map_async(lambda x: x + 1))) == nexts(2)  # type: ignore[arg-type, return-value]  # on purpose


def test_elements_pass_an_asynchronous_predicate() -> None:
    async def even(item: int) -> bool:
        await asyncio.sleep(1)
        return item % 2 == 0

    found = virtually(heard(rxstream.range(6).filter_async(even, concurrency=3)))
    assert found == nexts(0, 2, 4)


def test_an_asynchronous_function_needs_a_loop() -> None:
    async def work(item: int) -> int:
        return item

    ((kind, text),) = told(rxstream.of(1).map_async(work))
    assert kind == "error"
    assert "event loop" in text


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(GraphError, match="concurrency"):
        ops.map_async(Working(), concurrency=0)
    with pytest.raises(GraphError, match="concurrency"):
        ops.filter_async(Working(), concurrency=0)
    with pytest.raises(GraphError, match="n must be"):
        ops.drop_oldest(0)
    spec = ops.map_async(Working()).spec  # type: ignore[attr-defined]  # an Operator
    with pytest.raises(GraphError, match="flattens"):
        spec.rx()


POLICIES: list[tuple[Any, list[Any]]] = [
    (ops.latest(), [0, 9]),
    (ops.drop_oldest(3), [0, 7, 8, 9]),
    (ops.drop_newest(3), [0, 1, 2, 3]),
    (ops.coalesce(operator.add), [0, 45]),
    (ops.block(3), list(range(10))),
]


@pytest.mark.parametrize(
    ("policy", "expected"), POLICIES, ids=lambda value: getattr(value, "spec", value) and ""
)
def test_a_policy_says_what_a_full_queue_does(policy: Operator, expected: list[Any]) -> None:
    """The first element is under way when the others come at once."""
    gate = asyncio.Event()

    async def slow(item: int) -> int:
        await gate.wait()
        return item

    async def burst() -> Any:
        yield 0
        await asyncio.sleep(1)
        for item in range(1, 10):
            yield item

    async def main() -> Any:
        asyncio.get_running_loop().call_later(5, gate.set)
        return await items(source(burst).map(lambda x: x).pipe(policy, ops.map_async(slow)))

    assert virtually(main()) == expected


def test_a_full_queue_may_be_an_error() -> None:
    async def slow(item: int) -> int:
        await asyncio.sleep(1)
        return item

    stream = rxstream.range(1000).pipe(ops.fail(2), ops.map_async(slow))
    found = virtually(heard(stream))
    assert found[-1][0] == "error"
    assert "was full" in found[-1][1]


def test_schedulers_are_reactivexs() -> None:
    scheduler = ImmediateScheduler()
    for name in ("observe_on", "subscribe_on"):
        found = virtually(heard(getattr(rxstream.of(1, 2), name)(scheduler)))
        assert found == nexts(1, 2)

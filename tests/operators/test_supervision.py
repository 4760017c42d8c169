"""Supervision: silence that is too long, other streams, other values."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

import rxstream
from rxstream.errors import (
    ExecutionTimeout,
    GraphError,
)
from rxstream.operators._supervising import DefaultOnError, Fallback
from rxstream.stream import Stream, source
from rxstream.testing import SlowSink, run, virtual_time
from tests.operators.bench import Bench
from tests.operators.parts import Bad, at, nexts, ops, told, virtually
from tests.operators.test_backoff import stored
from tests.operators.test_timing import told as when

REFUSED = ConnectionRefusedError("refused")


# -- timeouts ----------------------------------------------------------------------------------


def test_a_silent_node_is_named() -> None:
    found = when(lambda: at((1, "a"), (2, "b"), (9, "c")).named("slow").idle_timeout(5))
    assert found[:2] == [(1, "a"), (2, "b")]
    due, message = found[2]
    assert due == 7
    assert message.startswith("'slow' (at at operators/parts.py:")
    assert message.endswith(") gave no element for 5 s")


def test_a_stream_that_speaks_often_enough_goes_through() -> None:
    found = when(lambda: at((1, "a"), (5, "b"), (9, "c")).idle_timeout(5))
    assert found == [(1, "a"), (5, "b"), (9, "c"), (9, "|")]


def test_a_slow_reader_is_not_the_silence_of_the_source() -> None:
    slow = SlowSink(seconds=60)

    @rxstream.graph
    def slowly() -> None:
        rxstream.range(200).idle_timeout(5).to(slow)

    async def main() -> None:
        await slowly.run()

    run(main())
    assert slow.received == list(range(200))


def test_a_whole_stream_has_its_time() -> None:
    def stream(seconds: float) -> Stream[Any]:
        return at((1, "a"), (2, "b"), (3, "c")).named("all").total_timeout(seconds)

    found = when(lambda: stream(2.5))
    assert found[:2] == [(1, "a"), (2, "b")]
    assert found[2][0] == 2.5
    assert found[2][1].endswith("did not end within 2.5 s")
    assert when(lambda: stream(3.5)) == [(1, "a"), (2, "b"), (3, "c"), (3, "|")]


def test_each_attempt_has_its_own_time() -> None:
    begun = 0

    async def second_is_fast() -> AsyncIterator[int]:
        nonlocal begun
        begun += 1
        if begun == 1:
            await asyncio.sleep(1_000)
        yield begun

    found = when(
        lambda: source(second_is_fast).idle_timeout(5).retry_with_backoff(jitter="none", first=1)
    )
    assert found == [(6, 2), (6, "|")]


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_time_that_is_none_is_refused(seconds: float) -> None:
    for operator in (ops.idle_timeout, ops.total_timeout):
        with pytest.raises(GraphError, match="must be above 0"):
            operator(seconds)


def test_a_timeout_goes_on_with_what_was_left() -> None:
    async def main() -> Any:
        clock = asyncio.get_running_loop().time
        first = Bench(ops.idle_timeout(10))
        await asyncio.sleep(6)
        state = stored(first.unit.snapshot())
        second = Bench(ops.idle_timeout(10), state)
        begun = clock()
        await asyncio.sleep(3.9)
        assert second.told == []
        await asyncio.sleep(0.2)
        return state, second.unit.due - begun, type(second.told[0])  # type: ignore[attr-defined]  # a Watched

    assert virtually(main()) == (4.0, 4.0, ExecutionTimeout)


# -- another stream, another value -------------------------------------------------------------


def broken(error: Exception) -> Stream[Any]:
    """One element, then an error."""
    return rxstream.of(1).concat(rxstream.throw(error))


def test_another_stream_goes_on_where_one_failed() -> None:
    assert told(broken(REFUSED).fallback(rxstream.of("a", "b"))) == nexts(1, "a", "b")
    assert told(rxstream.throw(REFUSED).fallback(rxstream.of("a"))) == nexts("a")
    assert told(rxstream.of(1).fallback(rxstream.of("a"))) == nexts(1)
    assert told(broken(REFUSED).fallback(broken(Bad("too")))) == [
        ("next", 1),
        ("next", 1),
        ("error", "too"),
    ]


def test_another_stream_is_for_certain_failures_only() -> None:
    def stream(error: Exception) -> Stream[Any]:
        return broken(error).fallback(rxstream.of("a"), only=("transient", "timeout"))

    assert told(stream(REFUSED)) == nexts(1, "a")
    assert told(stream(Bad("a bug"))) == [("next", 1), ("error", "a bug")]


@virtual_time
async def test_the_other_stream_is_started_when_its_turn_comes_and_counted() -> None:
    started: list[float] = []

    async def other() -> AsyncIterator[str]:
        started.append(asyncio.get_running_loop().time())
        yield "x"

    @rxstream.graph
    def fallen() -> Any:
        return at((5, 1), (6, REFUSED)).fallback(source(other), only="transient").named("safe")

    async with rxstream.Engine() as engine:
        execution = await engine.start(fallen)
        assert await execution.result() == "x"
        safe = next(n for n in execution.statistics().nodes if n.node == "safe")
    assert started == [6]
    assert (safe.errors, safe.elements_out) == (1, 2)


def test_a_fallback_goes_on_with_the_stream_it_was_at() -> None:
    class Edge:
        error = None
        opened = False

        def open(self) -> None:
            self.opened = True

    for current in (0, 1):
        first, second = Fallback(None), Fallback(None)
        first.current = current
        second.restore(first.snapshot())
        edges: Any = [Edge(), Edge()]
        second.inputs = edges
        second.start()
        assert [edge.opened for edge in edges] == [False, bool(current)]


def test_a_value_may_stand_for_an_error() -> None:
    assert told(broken(REFUSED).default_on_error(0)) == nexts(1, 0)
    assert told(rxstream.of(1).default_on_error(0)) == nexts(1)
    assert told(broken(Bad("a bug")).default_on_error(0, only="transient")) == [
        ("next", 1),
        ("error", "a bug"),
    ]
    assert DefaultOnError(0, None).snapshot() is None


def test_reactivexs_operators_mean_the_same_between_inner_streams() -> None:
    def inner(operator: Any, error: Exception) -> Any:
        windows = broken(error).window_with_count(1)
        return told(windows.pipe(operator).merge_all())

    other = rxstream.of(rxstream.of(7))
    for operator in (
        ops.fallback(other, "transient"),
        ops.default_on_error(rxstream.of(7), "transient"),
    ):
        assert inner(operator, REFUSED)[:1] == [("next", 1)]
        assert inner(operator, Bad("a bug"))[-1] == ("error", "a bug")

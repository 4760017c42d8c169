"""Where we differ from reactivex on purpose, and what a mapper must not do to a stream."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import reactivex
from reactivex import operators as rx
from reactivex.internal.exceptions import ArgumentOutOfRangeException
from reactivex.notification import OnError

import rxstream
from tests.operators.parts import Bad, nexts, ops, told


def test_a_stop_iteration_of_a_function_is_an_error_and_not_an_end() -> None:
    def broken(item: Any) -> Any:
        raise StopIteration

    for operator in (ops.map(broken), ops.filter(broken), ops.scan(lambda a, x: broken(x), 0)):
        found = told(rxstream.of(1, 2).pipe(operator))
        assert [kind for kind, *_ in found] == ["error"]


def test_extremes_need_an_order_and_no_difference() -> None:
    assert told(rxstream.of("b", "a", "c").min()) == nexts("a")
    assert told(rxstream.of("b", "a", "c").max()) == nexts("c")
    days = [datetime(2026, 1, day, tzinfo=UTC) for day in (2, 3, 1)]
    assert told(rxstream.from_iterable(days).max()) == nexts(days[1])
    theirs = told(reactivex.of("b", "a").pipe(rx.min()))
    assert theirs[0][0] == "error", "reactivex subtracts"


def test_skipping_until_a_stream_that_never_speaks_ends_here_only() -> None:
    assert told(rxstream.of(1).skip_until(rxstream.empty())) == [("end",)]
    assert told(reactivex.of(1).pipe(rx.skip_until(reactivex.empty()))) == []


def test_the_last_by_index_is_the_last_here_only() -> None:
    assert told(rxstream.of(1, 2, 3)[-1]) == nexts(3)
    assert told(reactivex.of(1, 2, 3)[-1]) == nexts()


def test_keys_that_cannot_be_hashed_are_compared() -> None:
    values: list[Any] = [{1}, frozenset({1}), {1}, [1], (1,), [1], frozenset({2}), {2}]
    found = told(rxstream.from_iterable(values).distinct())
    assert found == told(reactivex.from_iterable(values).pipe(rx.distinct()))


def test_what_is_never_equal_to_itself_is_always_new() -> None:
    nan = float("nan")
    assert len(told(rxstream.of(nan, nan).distinct())) == 3
    assert len(told(reactivex.of(nan, nan).pipe(rx.distinct()))) == 3


def test_what_an_observer_raises_is_an_error() -> None:
    def broken(*_: Any) -> None:
        raise Bad("deaf")

    assert told(rxstream.of(1).do_action(broken)) == [("error", "deaf")]
    assert told(rxstream.of(1).do_action(None, None, broken)) == [("next", 1), ("error", "deaf")]
    assert told(rxstream.throw("no").do_action(None, broken)) == [("error", "deaf")]


def test_a_notification_of_an_error_is_an_error() -> None:
    assert told(rxstream.of(OnError(Bad("no"))).dematerialize()) == [("error", "no")]


@pytest.mark.parametrize("name", ["take", "skip", "element_at", "element_at_or_default"])
def test_a_negative_count_is_refused(name: str) -> None:
    with pytest.raises(ArgumentOutOfRangeException):
        getattr(ops, name)(-1)


def test_numbers_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ArgumentOutOfRangeException):
        ops.buffer_with_count(0)
    with pytest.raises(ArgumentOutOfRangeException):
        ops.buffer_with_time_or_count(1, 0)
    with pytest.raises(TypeError, match="Negative step"):
        ops.slice(1, 2, -1)

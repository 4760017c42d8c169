"""Operators that start something anew, or run something beside the loop, after a crash at any commit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rxstream as rxs
from rxstream.testing import crash_everywhere
from tests.engine.crashing import as_bags, slowly, ticks
from tests.operators.parts import Bad, ops


def up_to(last: int) -> rxs.Stream[int]:
    """0, 1, 2 … and an error that may pass."""

    def checked(number: int) -> int:
        if number > last:
            raise ConnectionResetError("gone")
        return number

    return ticks(last + 2).map(checked)


async def picky(number: int) -> int:
    await slowly(number)
    if number % 4 == 0:
        raise Bad(str(number))
    return number


def retried() -> Any:
    return up_to(6).scan(lambda a, b: a + b, 0).retry(3)


def retried_with_pauses() -> Any:
    retry = ops.retry_with_backoff(3, first=0.05, jitter="none")
    return up_to(4).pipe(ops.map_async(slowly, 2), retry)


def retried_within_retries() -> Any:
    return up_to(2).retry(2).map(lambda n: -n).retry(2)


def repeated() -> Any:
    return ticks(5).pairwise().repeat(3)


def done_while() -> Any:
    return ticks(8).pipe(ops.take(7), ops.do_while(lambda _: False))


def caught() -> Any:
    return up_to(3).catch(up_to(2)).catch(ticks(4).map(lambda n: n + 100))


def caught_in_a_retry() -> Any:
    late = ticks(4, apart=10).idle_timeout(1)
    return rxs.concat(up_to(3), late).retry(2).catch(ticks(3))


def resumed_next() -> Any:
    return up_to(3).on_error_resume_next(up_to(2))


def timed_out() -> Any:
    return rxs.concat(ticks(5), ticks(3, apart=10)).timeout(1, ticks(4))


def lettered() -> Any:
    good, dead = ticks(20).pipe(ops.map_async_with_dead_letters(picky, 3))
    return {"good": good, "dead": dead}


def filtered() -> Any:
    async def odd(number: int) -> bool:
        return bool(await slowly(number) % 2)

    return ticks(20).filter_async(odd, 3)


def in_order() -> Any:
    return ticks(12).concat_map(slowly)


def zipped() -> Any:
    return ticks(12).zip_with_iterable("abcdefgh")


@pytest.mark.parametrize(
    "graph",
    [
        *(retried, retried_within_retries, repeated, done_while, caught, caught_in_a_retry),
        *(resumed_next, timed_out, lettered, filtered, in_order, zipped),
    ],
)
def test_nothing_is_told_twice_or_lost(graph: Callable[[], Any]) -> None:
    assert crash_everywhere(rxs.graph(graph)) > 5


@pytest.mark.parametrize("flat", [ops.flat_map, ops.merge_map])
def test_coroutines_that_ran_are_asked_again(flat: Any) -> None:
    def g() -> Any:
        return ticks(12).pipe(flat(slowly))

    assert crash_everywhere(rxs.graph(g), by=as_bags) > 5


def test_a_retry_has_no_more_attempts_than_it_had_left() -> None:
    def without_seconds(seen: Any) -> Any:
        return [items if node else list(map(type, items)) for node, items in seen.items()]

    assert crash_everywhere(rxs.graph(retried_with_pauses), by=without_seconds) > 5

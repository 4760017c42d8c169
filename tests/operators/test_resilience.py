"""Operators that go on after an end or an error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import rxstream
from rxstream.stream import Stream, source
from tests.operators.parts import Bad, at, heard, in_virtual_time, nexts, ops, told, virtually


def flaky(failures: int) -> Callable[[], Iterator[str]]:
    """A generator function that fails so many times, after one element."""
    begun = 0

    def each() -> Iterator[str]:
        nonlocal begun
        begun += 1
        yield f"attempt {begun}"
        if begun <= failures:
            raise Bad(f"failure {begun}")

    return each


def broken() -> Stream[Any]:
    """One element, then an error."""
    return rxstream.of(1).concat(rxstream.throw("no"))


def test_what_failed_is_started_anew() -> None:
    found = told(source(flaky(2)).map(str.upper).retry(5))
    assert found == nexts("ATTEMPT 1", "ATTEMPT 2", "ATTEMPT 3")


def test_the_last_error_is_told_when_all_attempts_are_used() -> None:
    assert told(source(flaky(9)).retry(2)) == [
        ("next", "attempt 1"),
        ("next", "attempt 2"),
        ("error", "failure 2"),
    ]


def test_attempts_may_be_without_number() -> None:
    assert len(told(source(flaky(50)).retry())) == 52


def test_state_begins_anew_with_each_attempt() -> None:
    found = told(source(flaky(2)).scan(lambda total, x: total + x).retry(3))
    assert found == nexts("attempt 1", "attempt 2", "attempt 3")


def test_an_attempt_of_timed_parts_is_left_when_nobody_wants_more() -> None:
    found = in_virtual_time(lambda: rxstream.interval(1.0).take(2).repeat().take(5))
    assert found == nexts(0, 1, 0, 1, 0)


def test_what_ended_is_started_anew() -> None:
    assert told(rxstream.of(1, 2).repeat(2)) == nexts(1, 2, 1, 2)
    assert told(rxstream.of(1).repeat(0)) == [("end",)]
    assert told(rxstream.throw("no").repeat(3)) == [("error", "no")]
    assert told(rxstream.of(1, 2).repeat().take(5)) == nexts(1, 2, 1, 2, 1)


def test_an_attempt_within_an_attempt() -> None:
    assert told(source(flaky(1)).retry(2).repeat(2)) == nexts("attempt 1", "attempt 2", "attempt 3")


def test_rounds_are_begun_while_a_condition_holds() -> None:
    left = 2

    def more(stream: Any) -> bool:
        nonlocal left
        assert isinstance(stream, Stream)
        left -= 1
        return left >= 0

    assert told(rxstream.of(1).while_do(more)) == nexts(1, 1)
    left = 2
    assert told(rxstream.of(1).do_while(more)) == nexts(1, 1, 1)
    left = 0
    assert told(rxstream.of(1).while_do(more)) == [("end",)]


def test_a_condition_that_fails_is_an_error() -> None:
    def clueless(stream: Any) -> bool:
        raise Bad("no idea")

    assert told(rxstream.of(1).while_do(clueless)) == [("error", "no idea")]


def test_another_stream_goes_on_where_one_failed() -> None:
    second = rxstream.of("a", "b")
    assert told(broken().catch(second)) == nexts(1, "a", "b")
    assert told(rxstream.of(1).catch(second)) == nexts(1)
    assert told(rxstream.catch(broken(), broken(), second)) == nexts(1, 1, "a", "b")
    assert told(rxstream.catch(broken(), rxstream.throw("too"))) == [("next", 1), ("error", "too")]


def test_the_stream_that_goes_on_is_not_started_before() -> None:
    started: list[int] = []

    def second() -> Iterator[str]:
        started.append(1)
        yield "x"

    found = in_virtual_time(lambda: at((5, 1)).catch(source(second)))
    assert found == nexts(1)
    assert started == []


def test_a_function_may_say_what_goes_on() -> None:
    def recover(error: Exception, stream: Any) -> Any:
        return rxstream.of(f"after {error}") if str(error) == "no" else stream

    async def main() -> Any:
        return await heard(rxstream.of(1).concat(rxstream.throw("no")).catch(recover))

    assert virtually(main()) == nexts(1, "after no")


def test_a_function_may_begin_the_stream_again() -> None:
    async def main() -> Any:
        return await heard(source(flaky(1)).catch(lambda error, stream: stream))

    assert virtually(main()) == nexts("attempt 1", "attempt 2")


def test_errors_are_passed_over() -> None:
    assert told(broken().on_error_resume_next(rxstream.of(2))) == nexts(1, 2)
    assert told(rxstream.of(1).on_error_resume_next(broken())) == nexts(1, 1)
    assert told(rxstream.on_error_resume_next(broken(), broken(), rxstream.of(3))) == nexts(1, 1, 3)


def test_a_function_is_told_what_went_wrong_before_its_turn() -> None:
    async def main() -> Any:
        return await heard(
            rxstream.on_error_resume_next(
                broken(), lambda error: rxstream.of(str(error)), lambda error: rxstream.of(error)
            )
        )

    assert virtually(main()) == nexts(1, "no", None)


def test_a_finally_action_runs_once_whichever_way_it_ends() -> None:
    ran: list[str] = []
    told(rxstream.of(1).finally_action(lambda: ran.append("end")))
    told(rxstream.throw("no").finally_action(lambda: ran.append("error")))
    told(rxstream.of(1, 2, 3).finally_action(lambda: ran.append("left")).take(1))
    assert ran == ["end", "error", "left"]


def test_a_finally_action_that_fails_is_an_error_or_is_logged() -> None:
    def unable() -> None:
        raise Bad("cannot")

    assert told(rxstream.of(1).finally_action(unable)) == [("next", 1), ("error", "cannot")]
    assert told(rxstream.throw("no").finally_action(unable)) == [("error", "cannot")]
    assert told(rxstream.of(1, 2).finally_action(unable).take(1)) == nexts(1)


def test_a_time_out_may_be_given_for_each_element() -> None:
    def make(**given: Any) -> Any:
        return lambda: at((1, 1), (2, 2), (9, 9)).pipe(
            ops.timeout_with_mapper(rxstream.timer(5.0), lambda item: rxstream.timer(3.0), **given)
        )

    assert in_virtual_time(make(other=rxstream.of("x"))) == nexts(1, 2, "x")
    assert in_virtual_time(make()) == [("next", 1), ("next", 2), ("error", "Timeout")]


@pytest.mark.parametrize("name", ["retry", "repeat", "while_do", "do_while"])
def test_what_is_started_anew_is_shown_as_such(name: str) -> None:
    operator = getattr(ops, name)(*([print] if "do" in name else [3]))
    assert operator.spec.wraps
    assert operator.spec.told

"""Starting again what failed: pauses, chance, limits, and what is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from random import Random
from typing import Any

import pytest

import rxstream
from rxstream.errors import (
    CircuitOpen,
    ExecutionTimeout,
    GraphError,
    RxStreamError,
    WorldError,
)
from rxstream.failures import Budget, classify_failure
from rxstream.operators._backoff import Backoff, RetryWithBackoff
from rxstream.operators._regions import Retry
from rxstream.stream import Stream, source
from rxstream.testing import assert_released, run, virtual_time
from tests.engine.parts import events_of
from tests.operators.bench import plain
from tests.operators.parts import Bad, at, nexts, ops, told, virtually
from tests.operators.test_timing import told as when

REFUSED = ConnectionRefusedError("refused")


class Service:
    """A source that is refused so often, each time so many seconds after it was opened."""

    def __init__(self, failures: int, seconds: float = 0.0, error: Exception = REFUSED) -> None:
        self.failures = failures
        self.seconds = seconds
        self.error = error
        self.opened: list[float] = []

    async def __call__(self) -> AsyncIterator[str]:
        self.opened.append(round(asyncio.get_running_loop().time(), 3))
        if self.seconds:
            await asyncio.sleep(self.seconds)
        if len(self.opened) <= self.failures:
            raise self.error
        yield f"attempt {len(self.opened)}"


def retried(service: Service, *args: Any, **kwargs: Any) -> Stream[str]:
    """A service behind the operator, without chance unless it is asked for."""
    return source(service, name="service").retry_with_backoff(*args, **{"jitter": "none", **kwargs})


def outcome(make: Callable[[], Stream[Any]]) -> Any:
    """The last element of a stream in virtual time, or the error it ends with."""

    async def main() -> Any:
        try:
            return await make()
        except Exception as error:
            return error

    return virtually(main())


def stored(state: Any) -> Any:
    """A state that can be stored."""
    assert plain(state), state
    return state


def test_pauses_grow_to_the_maximum() -> None:
    service = Service(6)
    assert outcome(lambda: retried(service, 7, first=1, factor=3, maximum=20)) == "attempt 7"
    assert service.opened == [0, 1, 4, 13, 33, 53, 73]


def test_full_jitter_takes_any_part_of_the_pause() -> None:
    service = Service(3)
    stream = retried(service, first=1, factor=2, jitter="full", random=Random(7))
    assert outcome(lambda: stream) == "attempt 4"
    chance = Random(7)
    expected = [0.0]
    for longest in (1, 2, 4):
        expected.append(expected[-1] + longest * chance.random())
    assert service.opened == [round(each, 3) for each in expected]


def test_a_first_pause_of_nothing_begins_the_next_at_once() -> None:
    service = Service(2)
    assert outcome(lambda: retried(service, first=0)) == "attempt 3"
    assert service.opened == [0, 0, 0]


def test_a_pause_is_cut_short_by_who_wants_no_more() -> None:
    async def main() -> float:
        async with assert_released():
            stream = retried(Service(99), first=100, maximum=100)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(5):
                    await stream
        return asyncio.get_running_loop().time()

    assert virtually(main()) == 5


def test_when_the_attempts_are_used_it_says_how_often_and_in_how_long() -> None:
    error = outcome(lambda: retried(Service(9, seconds=1), 3, first=1, factor=2))
    assert isinstance(error, RxStreamError)
    assert (error.kind, error.code) == ("world", "retries_exhausted")
    assert str(error) == (
        "gave up after 3 attempts in 6 s (3 attempts at most); the last error: "
        "ConnectionRefusedError: refused"
    )
    assert error.detail == {"attempts": 3, "seconds": 6.0}
    assert error.node == "retry_with_backoff_1"
    assert error.__cause__ is REFUSED
    assert getattr(REFUSED, "node", None) == "service_1"


def test_one_attempt_is_one_attempt() -> None:
    error = outcome(lambda: retried(Service(9, error=TimeoutError()), 1))
    assert isinstance(error, ExecutionTimeout), "as much somebody's fault as its cause"
    assert str(error).startswith("gave up after 1 attempt in 0 s (1 attempts at most)")


def test_a_budget_limits_retries_in_its_time() -> None:
    service = Service(99, seconds=2)
    error = outcome(
        lambda: retried(service, None, first=1, factor=1, budget=Budget(3, per_seconds=60))
    )
    assert service.opened == [0, 3, 6, 9]
    assert "gave up after 4 attempts in 11 s (3 retries in 60 s at most)" in str(error)


def test_a_budget_comes_back_with_time() -> None:
    service = Service(5, seconds=2)
    assert (
        outcome(lambda: retried(service, None, first=8, factor=1, budget=Budget(3, 25)))
        == "attempt 6"
    )
    assert service.opened == [0, 10, 20, 30, 40, 50]


def test_good_running_begins_a_new_row() -> None:
    durations = [0, 0, 50, 0, 0]
    opened: list[float] = []

    async def uneven() -> AsyncIterator[int]:
        opened.append(asyncio.get_running_loop().time())
        yield len(opened)
        await asyncio.sleep(durations[len(opened) - 1])
        raise REFUSED

    error = outcome(
        lambda: source(uneven).retry_with_backoff(
            3, first=1, factor=10, jitter="none", reset_after=50
        )
    )
    assert opened == [0, 1, 11, 62, 72]
    assert error.detail == {"attempts": 3, "seconds": 61.0}


def test_only_errors_of_certain_kinds_are_retried() -> None:
    service = Service(9, error=Bad("a bug"))
    error = outcome(lambda: retried(service))
    assert error is service.error, "it goes on as it is"
    assert service.opened == [0]
    assert outcome(lambda: retried(Service(2, error=Bad("a bug")), only=None)) == "attempt 3"
    assert outcome(lambda: retried(Service(2, error=Bad("a bug")), only="fatal")) == "attempt 3"


def test_an_error_may_say_when_to_come_again() -> None:
    service = Service(3, error=CircuitOpen("open", 5))
    assert outcome(lambda: retried(service, first=1, factor=4)) == "attempt 4"
    assert service.opened == [0, 5, 10, 26], "at least what it says"
    service = Service(1, error=CircuitOpen("open", 500))
    assert outcome(lambda: retried(service, maximum=30)) == "attempt 2"
    assert service.opened == [0, 30], "but no more than the maximum"


def test_elements_of_an_attempt_that_failed_have_gone_on() -> None:
    def stream() -> Stream[Any]:
        return at((1, "a"), (2, REFUSED)).retry_with_backoff(2, first=3, jitter="none", only=None)

    found = when(stream)
    assert found[:2] == [(1, "a"), (6, "a")]
    assert found[2][0] == 7


@virtual_time
async def test_events_say_which_attempt_it_is_and_whether_another_may_follow() -> None:
    @rxstream.graph
    def flaky() -> Any:
        return retried(Service(9), 3).named("again")

    async with rxstream.Engine() as engine:
        execution = await engine.start(flaky)
        events = await events_of(execution)
        starts = [
            e.metadata for e in events if (e.event_type, e.step_id) == ("step_start", "service_1")
        ]
        errors = [
            (e.step_id, e.data["attempt"], e.data["will_retry"])
            for e in events
            if e.event_type == "step_error"
        ]
        with pytest.raises(WorldError, match="gave up"):
            await execution.result()
    assert starts == [None, {"attempt": 2}, {"attempt": 3}]
    assert errors == [
        ("service_1", 1, True),
        ("service_1", 2, True),
        ("service_1", 3, False),
        ("again", 1, False),
    ]


@virtual_time
@pytest.mark.parametrize(
    ("given", "error", "expected"),
    [
        ({}, Bad("a bug"), [False]),
        ({"attempts": None, "budget": Budget(1, 60)}, REFUSED, [True, False]),
        ({"attempts": 2, "reset_after": 60}, REFUSED, [True, False]),
    ],
    ids=["not among them", "budget", "short of good running"],
)
async def test_an_error_that_no_attempt_follows_says_so(
    given: dict[str, Any], error: Exception, expected: list[bool]
) -> None:
    @rxstream.graph
    def flaky() -> Any:
        return retried(Service(9, error=error), **given)

    async with rxstream.Engine() as engine:
        events = await events_of(await engine.start(flaky))
    told = [
        e.data["will_retry"] for e in events if e.step_id == "service_1" and "error" in e.event_type
    ]
    assert told == expected


@virtual_time
async def test_a_stop_does_not_wait_for_the_pause() -> None:
    @rxstream.graph
    def flaky() -> Any:
        return retried(Service(9), first=1_000, maximum=1_000)

    async with rxstream.Engine() as engine:
        execution = await engine.start(flaky)
        await asyncio.sleep(5)
        execution.stop()
        await execution.wait()
        assert execution.status == "cancelled"
        assert asyncio.get_running_loop().time() == pytest.approx(5, abs=1)


def test_a_pause_needs_a_clock() -> None:
    def refused() -> Iterator[int]:
        raise REFUSED
        yield

    assert told(source(refused).retry_with_backoff(first=0)) != []
    found = told(source(refused).retry_with_backoff(jitter="none"))
    assert "needs an event loop" in found[0][1]


def test_a_retry_without_pause_runs_without_a_loop_too() -> None:
    begun = 0

    def flaky() -> Iterator[int]:
        nonlocal begun
        begun += 1
        if begun < 3:
            raise REFUSED
        yield begun

    assert told(source(flaky).retry_with_backoff(first=0)) == nexts(3)


@pytest.mark.parametrize(
    "given",
    [
        {"attempts": 0},
        {"attempts": None},
        {"first": -1},
        {"first": float("nan")},
        {"factor": 0.5},
        {"maximum": float("inf")},
        {"jitter": "some"},
        {"only": ()},
        {"only": "odd"},
        {"reset_after": -1},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(GraphError):
        ops.retry_with_backoff(**given)


def test_the_policy_is_in_the_graph() -> None:
    stream: Any = ops.retry_with_backoff(None, budget=Budget(3, 60), reset_after=9)
    assert stream.spec.arguments == {
        "first": 0.1,
        "factor": 2.0,
        "maximum": 30.0,
        "jitter": "full",
        "budget": "3 retries in 60 s",
        "only": "timeout, transient",
        "reset_after": 9,
    }


def test_a_backoff_goes_on_from_a_snapshot() -> None:
    def make() -> Backoff:
        return Backoff(5, 1, 2, 30, "none", Budget(3, 60), None, lambda: 1.0)

    first, second = make(), make()
    assert [first.failed(0, 1), first.failed(2, 3)] == [1, 2]
    second.restore(stored(first.snapshot(10)), 110)
    assert second.since == 100
    assert [second.failed(110, 111), second.failed(120, 121)] == [4, None]
    assert second.limit == "3 retries in 60 s at most"


class Anew:
    """What a wrapping unit asks of a runtime, its regions only counted."""

    def __init__(self, unit: Any) -> None:
        self.unit = unit
        self.attempts: list[tuple[int, bool]] = []
        unit.runtime = self
        unit.out = self
        self.counters = self
        self.elements_in = 0
        self.time = 100.0

    def now(self) -> float:
        return self.time

    def region(self, unit: Any, receiver: Any, attempt: int, follows: Any) -> None:
        self.attempts.append((attempt, follows(REFUSED)))


def test_an_attempt_under_way_is_begun_again_with_its_number() -> None:
    first = Retry(5)
    runtime = Anew(first)
    first.step()
    assert runtime.attempts == [(1, True)]
    first.ended, first.error = True, REFUSED
    first.step()
    assert runtime.attempts == [(1, True), (2, True)]
    second = Retry(5)
    runtime = Anew(second)
    second.restore(stored(first.snapshot()))
    second.step()
    assert runtime.attempts == [(2, True)]


def test_a_pause_goes_on_from_a_snapshot() -> None:
    @rxstream.graph
    def alone() -> Any:
        return retried(Service(9), first=8, maximum=100).named("it")

    async def main() -> Any:
        async with rxstream.Engine() as engine:
            execution = await engine.start(alone)
            await asyncio.sleep(3)
            runtime = execution.runtime
            unit = next(u for u in runtime.units if u.node.id == "it")
            assert isinstance(unit, RetryWithBackoff)
            return stored(unit.snapshot())

    state = run(main())
    attempt, under_way, left, error, _ = state
    assert (attempt, under_way, left) == (1, False, 5.0)
    assert error[:3] == ("world", "ConnectionRefusedError", "refused")
    second: Any = ops.retry_with_backoff(first=8, jitter="none").spec.make()  # type: ignore[attr-defined]  # an Operator
    runtime = Anew(second)
    second.restore(state)
    assert isinstance(second.error, WorldError)
    assert classify_failure(second.error) == "transient"
    assert second.backoff.failures == 1
    second._left = 0.0  # the time has passed
    second.step()
    assert runtime.attempts == [(2, True)]
    second.ended, second.error = True, REFUSED
    assert second.pause() == 16


def test_an_end_before_the_snapshot_is_asked_about_afterwards() -> None:
    first = Retry(1)
    first.attempt, first.error = 1, REFUSED
    second = Retry(1)
    second.restore(first.snapshot())
    assert second.pause() is None


def test_an_attempt_that_goes_on_has_run_since_it_was_begun() -> None:
    def make() -> tuple[RetryWithBackoff, Anew]:
        backoff = Backoff(3, 1, 2, 30, "none", None, 60, lambda: 1.0)
        unit = RetryWithBackoff(backoff, None)
        return unit, Anew(unit)

    (first, _), (between, _), (second, clock) = make(), make(), make()
    first.step()
    first.begun_at -= 50
    between.restore(stored(first.snapshot()))
    second.restore(stored(between.snapshot()))  # it was cut again before its first step
    clock.time += 15
    second.step()
    assert clock.time - second.begun_at == 65
    assert second.attempt == 1
    first.backoff.failures = second.backoff.failures = 2
    assert second.follows(REFUSED), "it has run for long enough to begin another row"
    assert not first.follows(REFUSED)


def test_what_is_asked_for_by_an_error_is_waited_for_after_a_store() -> None:
    first, second = (ops.retry_with_backoff(first=0).spec.make() for _ in range(2))  # type: ignore[attr-defined]  # an Operator
    Anew(first)
    Anew(second)
    first.attempt, first.error = 1, CircuitOpen("open", 7)
    second.restore(stored(first.snapshot()))
    assert second.pause() == 7

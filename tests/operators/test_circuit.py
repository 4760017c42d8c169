"""The circuit breaker: its table, and calls that share one."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

import rxstream
from rxstream.errors import CircuitOpen, GraphError
from rxstream.failures import classify_failure
from rxstream.operators.circuit import Circuit, CircuitState, CircuitStatistics, circuit_breaker
from rxstream.testing import run, virtual_time
from tests.operators.bench import plain

CLOSED, OPEN, HALF_OPEN = CircuitState


def circuit(half_open: int = 1) -> Circuit:
    """Opens at the second failure within 10 s, for 30 s."""
    return Circuit(2, 10.0, 30.0, half_open)


def opened(half_open: int = 1) -> Circuit:
    """A circuit that opened at 1 s."""
    it = circuit(half_open)
    for now in (0.0, 1.0):
        it.failed(it.begin(), now)
    assert it.state is OPEN
    return it


class Service:
    """An asynchronous function that raises what it is told to, and remembers when it was called."""

    def __init__(self, *errors: BaseException | None) -> None:
        self.errors = list(errors)
        self.called: list[float] = []

    async def fetch(self, item: Any) -> Any:
        self.called.append(asyncio.get_running_loop().time())
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        return item


# -- the table ---------------------------------------------------------------------------------


def test_it_opens_at_so_many_failures_within_so_long() -> None:
    it = circuit()
    it.failed(it.begin(), 0.0)
    it.failed(it.begin(), 10.1)
    assert it.state is CLOSED
    it.succeeded(it.begin())
    it.failed(it.begin(), 20.0)
    assert it.state is OPEN


def test_an_open_one_waits_then_lets_a_trial_through() -> None:
    it = opened()
    assert it.wait(1.0) == 30.0
    assert it.wait(30.5) == 0.5
    assert it.wait(31.0) is None
    assert it.state is HALF_OPEN
    it.begin()
    assert it.wait(31.0) == 0.0, "one trial at a time"


def test_a_trial_that_goes_well_closes_it() -> None:
    it = opened()
    it.wait(31.0)
    it.succeeded(it.begin())
    assert it.state is CLOSED
    it.failed(it.begin(), 32.0)
    assert it.state is CLOSED, "what failed before is forgotten"


def test_a_trial_that_fails_opens_it_again() -> None:
    it = opened()
    it.wait(31.0)
    it.failed(it.begin(), 33.0)
    assert (it.state, it.wait(33.0)) == (OPEN, 30.0)


def test_all_trials_must_go_well() -> None:
    it = opened(half_open=2)
    it.wait(31.0)
    first = it.begin()
    assert it.wait(31.0) is None
    second = it.begin()
    assert it.wait(31.0) == 0.0
    it.succeeded(first)
    assert it.state is HALF_OPEN
    it.succeeded(second)
    assert it.state is CLOSED


def test_a_trial_that_was_cancelled_makes_room_for_another() -> None:
    it = opened()
    it.wait(31.0)
    it.left(it.begin())
    assert it.wait(31.0) is None


def test_calls_of_an_earlier_period_say_nothing() -> None:
    it = circuit()
    early = [it.begin() for _ in range(3)]
    it.failed(early[0], 0.0)
    it.failed(early[1], 0.0)
    it.wait(30.0)
    assert it.state is HALF_OPEN
    it.failed(early[2], 30.0)
    it.succeeded(early[2])
    it.left(early[2])
    assert it.state is HALF_OPEN
    assert it.wait(30.0) is None


def test_a_circuit_goes_on_from_a_snapshot() -> None:
    first, second = opened(), circuit()
    state = first.snapshot(11.0)
    assert plain(state)
    second.restore(state, 111.0)
    assert (second.state, second.wait(111.0)) == (OPEN, 20.0)
    first, second = circuit(), circuit()
    first.failed(first.begin(), 5.0)
    second.restore(first.snapshot(6.0), 106.0)
    second.failed(second.begin(), 107.0)
    assert second.state is OPEN


# -- calls -------------------------------------------------------------------------------------


@virtual_time
async def test_calls_are_refused_at_once_while_it_is_open() -> None:
    service = Service(ConnectionResetError(), TimeoutError())
    guarded = circuit_breaker(service.fetch, failures=2, open_for=30)
    for expected in (ConnectionResetError, TimeoutError):
        with pytest.raises(expected):
            await guarded(1)
    await asyncio.sleep(10)
    with pytest.raises(CircuitOpen, match="'fetch' is open: not called for 20 s more") as refused:
        await guarded(1)
    assert refused.value.retry_after == 20
    assert classify_failure(refused.value) == "transient"
    assert guarded.statistics() == CircuitStatistics(OPEN, 2, 1, 2, 1)
    await asyncio.sleep(20)
    assert await guarded(7) == 7
    assert guarded.state is CLOSED
    assert service.called == [0, 0, 30]


@virtual_time
async def test_others_wait_for_the_end_of_the_trial() -> None:
    service = Service(ConnectionResetError())

    async def slow(item: Any) -> Any:
        await service.fetch(item)
        await asyncio.sleep(5)
        return item

    guarded = circuit_breaker(slow, failures=1, open_for=1)
    with pytest.raises(ConnectionResetError):
        await guarded(1)
    await asyncio.sleep(1)
    trial = asyncio.create_task(guarded(2))
    await asyncio.sleep(1)
    with pytest.raises(CircuitOpen, match="half open: not called before its trial has ended"):
        await guarded(3)
    trial.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trial
    assert await guarded(4) == 4


@virtual_time
async def test_an_error_that_does_not_count_proves_that_it_is_there() -> None:
    malformed = json.JSONDecodeError("no", "", 0)
    service = Service(malformed, ConnectionResetError(), malformed)
    guarded = circuit_breaker(service.fetch, failures=1, open_for=1)
    for error in (json.JSONDecodeError, ConnectionResetError):
        with pytest.raises(error):
            await guarded(1)
    assert guarded.state is OPEN
    await asyncio.sleep(1)
    with pytest.raises(json.JSONDecodeError):
        await guarded(1)
    assert guarded.state is CLOSED


@virtual_time
async def test_any_error_may_count() -> None:
    service = Service(json.JSONDecodeError("no", "", 0))
    guarded = circuit_breaker(service.fetch, failures=1, counted=None)
    with pytest.raises(json.JSONDecodeError):
        await guarded(1)
    assert guarded.state is OPEN


def test_several_executions_share_one() -> None:
    service = Service(*[ConnectionResetError()] * 3)
    guarded = circuit_breaker(service.fetch, failures=3, open_for=60)

    @rxstream.graph
    def fetching() -> Any:
        good, dead = rxstream.of(1, 2).map_async_with_dead_letters(guarded, name="fetch")
        return {"good": good.to_list(), "dead": dead.map(lambda d: d["error"]["code"]).to_list()}

    async def main() -> list[Any]:
        async with rxstream.Engine() as engine:
            return [await (await engine.start(fetching)).result() for _ in range(2)]

    reset, refused = "ConnectionResetError", "circuit_open"
    assert run(main()) == [
        {"good": [], "dead": [reset, reset]},
        {"good": [], "dead": [reset, refused]},
    ]


def test_retrying_heeds_the_circuit() -> None:
    service = Service(*[ConnectionResetError()] * 2)

    async def main() -> Any:
        guarded = circuit_breaker(service.fetch, failures=2, open_for=20)
        stream = rxstream.of("x").map_async(guarded)
        return await stream.retry_with_backoff(9, first=1, factor=1, jitter="none")

    assert run(main()) == "x"
    assert service.called == [0, 1, 21], "the second pause is as long as the circuit is open"


def test_the_graph_shows_the_breaker() -> None:
    async def fetch(item: int) -> int:
        return item

    guarded = circuit_breaker(fetch, failures=3, within=5)

    @rxstream.graph
    def fetching() -> Any:
        return rxstream.of(1).map_async(guarded).named("fetch")

    shown = fetching.build().by_id["fetch"].arguments["fn"]
    assert shown == repr(guarded)
    assert shown == "circuit_breaker(fetch, failures=3, within=5, open_for=30, half_open=1)"


def test_a_clock_may_be_given() -> None:
    now = 0.0
    service = Service(ConnectionResetError())
    guarded = circuit_breaker(service.fetch, failures=1, open_for=60, clock=lambda: now)

    async def main() -> Any:
        nonlocal now
        with pytest.raises(ConnectionResetError):
            await guarded(1)
        with pytest.raises(CircuitOpen):
            await guarded(1)
        now = 60.0
        return await guarded(2)

    assert asyncio.run(main()) == 2


@pytest.mark.parametrize(
    "given",
    [{"failures": 0}, {"half_open": 0}, {"within": 0}, {"open_for": 0}, {"counted": "odd"}],
    ids=str,
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(GraphError):
        circuit_breaker(Service().fetch, **given)

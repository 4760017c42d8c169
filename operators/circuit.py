"""A circuit breaker: calls that keep failing are refused for a while instead of being made.

    state      call                          success            failure
    closed     made                          closed             open, when it is the last of so many
    open       refused until its time has    -                  -
               come, then half open
    half open  so many are made as a trial,  closed, when all   open
               others refused                have gone well

`Circuit` is the table and holds no clock; `CircuitBreaker` is a function guarded by one. It is an object of
the user's: nodes and executions that are given the same one share it. One event loop may use it at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Generic, ParamSpec, TypeVar

import structlog

from rxstream.errors import CircuitOpen, GraphError
from rxstream.failures import Failure, checked, classify_failure
from rxstream.operators._clock import loop_time

__all__ = ["Circuit", "CircuitBreaker", "CircuitState", "CircuitStatistics", "circuit_breaker"]

P = ParamSpec("P")
R = TypeVar("R")

COUNTED: Final[tuple[Failure, ...]] = ("transient", "timeout", "fatal")
"""Failures that speak against what is called; a malformed element or a cancelled call does not."""

_log = structlog.get_logger("rxstream.operators")


class CircuitState(StrEnum):
    """What happens to a call."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


_SAID: Final[dict[CircuitState, Callable[[float], str]]] = {
    CircuitState.OPEN: lambda wait: f"open: not called for {wait:.3g} s more",
    CircuitState.HALF_OPEN: lambda wait: "half open: not called before its trial has ended",
}


@dataclass(frozen=True)
class CircuitStatistics:
    """A breaker now: its state, calls made, refused, and failed in a way that counts, and times it opened."""

    state: CircuitState
    calls: int
    refused: int
    failures: int
    opened: int


class Circuit:
    """The states of a breaker. Times are seconds of any one clock."""

    def __init__(self, failures: int, within: float, open_for: float, half_open: int) -> None:
        self.failures = failures
        self.within = within
        self.open_for = open_for
        self.half_open = half_open
        self.state = CircuitState.CLOSED
        self.period = 0
        """Grows with each change of state; what a call of an earlier one tells is of no use."""
        self.opened_at = 0.0
        self._failed: deque[float] = deque(maxlen=failures)
        self._trials = 0
        """Trials under way or gone well."""
        self._well = 0

    def wait(self, now: float) -> float | None:
        """None if a call may be made now, else how many seconds to wait; may leave `open`."""
        if self.state is CircuitState.OPEN:
            left = self.opened_at + self.open_for - now
            if left > 0:
                return left
            self._go(CircuitState.HALF_OPEN)
        if self.state is CircuitState.HALF_OPEN and self._trials >= self.half_open:
            return 0.0
        return None

    def begin(self) -> int:
        """A call is made; returns the period it belongs to."""
        if self.state is CircuitState.HALF_OPEN:
            self._trials += 1
        return self.period

    def succeeded(self, period: int) -> None:
        """A call of that period went well."""
        if period == self.period and self.state is CircuitState.HALF_OPEN:
            self._well += 1
            if self._well == self.half_open:
                self._go(CircuitState.CLOSED)

    def failed(self, period: int, now: float) -> None:
        """A call of that period failed in a way that counts."""
        if period != self.period:
            return
        self._failed.append(now)
        enough = len(self._failed) == self.failures and now - self._failed[0] <= self.within
        if enough or self.state is CircuitState.HALF_OPEN:
            self.opened_at = now
            self._go(CircuitState.OPEN)

    def left(self, period: int) -> None:
        """A call of that period was cancelled: it says nothing, and another may be made instead."""
        if period == self.period and self.state is CircuitState.HALF_OPEN:
            self._trials -= 1

    def _go(self, state: CircuitState) -> None:
        self.state = state
        self.period += 1
        self._trials = self._well = 0
        self._failed.clear()

    def snapshot(self, now: float) -> tuple[Any, ...]:
        """Its state as plain data, times as seconds ago; trials under way are forgotten."""
        failed = tuple(now - at for at in self._failed)
        return (self.state.value, now - self.opened_at, failed)

    def restore(self, state: tuple[Any, ...], now: float) -> None:
        """Go on from a snapshot."""
        name, opened, failed = state
        self._go(CircuitState(name))
        self.opened_at = now - opened
        self._failed.extend(now - ago for ago in failed)


class CircuitBreaker(Generic[P, R]):
    """An asynchronous function behind a circuit. Made by `circuit_breaker`."""

    def __init__(
        self,
        function: Callable[P, Awaitable[R]],
        circuit: Circuit,
        counted: frozenset[Failure] | None,
        clock: Callable[[], float],
    ) -> None:
        self.circuit = circuit
        self.name = str(getattr(function, "__name__", type(function).__name__))
        self.__name__ = repr(self)  # what a graph shows of a function
        self._function = function
        self._counted = counted
        self._clock = clock
        self._calls = self._refused = self._failures = self._opened = 0

    @property
    def state(self) -> CircuitState:
        """What happened to the last call; an open circuit is half open only with the next one."""
        return self.circuit.state

    def statistics(self) -> CircuitStatistics:
        """What can be seen of it now."""
        return CircuitStatistics(
            self.state, self._calls, self._refused, self._failures, self._opened
        )

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function. Raises `CircuitOpen` at once where the circuit lets nothing through."""
        circuit, before = self.circuit, self.circuit.state
        wait = circuit.wait(self._clock())
        self._told(before)
        if wait is not None:
            self._refused += 1
            raise CircuitOpen(f"the circuit of {self.name!r} is {_SAID[circuit.state](wait)}", wait)
        self._calls += 1
        period = circuit.begin()
        try:
            result = await self._function(*args, **kwargs)
        except Exception as error:
            before = circuit.state
            if self._counted is None or classify_failure(error) in self._counted:
                self._failures += 1
                circuit.failed(period, self._clock())
            else:  # it has answered
                circuit.succeeded(period)
            self._told(before, error)
            raise
        except BaseException:
            circuit.left(period)
            raise
        before = circuit.state
        circuit.succeeded(period)
        self._told(before)
        return result

    def _told(self, before: CircuitState, error: Exception | None = None) -> None:
        state = self.circuit.state
        if state is before:
            return
        self._opened += state is CircuitState.OPEN
        shown = None if error is None else type(error).__name__
        _log.warning("circuit changed", circuit=self.name, state=state.value, error=shown)

    def __repr__(self) -> str:
        c = self.circuit
        return (
            f"circuit_breaker({self.name}, failures={c.failures}, within={c.within:g}, "
            f"open_for={c.open_for:g}, half_open={c.half_open})"
        )


def circuit_breaker(
    fn: Callable[P, Awaitable[R]],
    *,
    failures: int = 5,
    within: float = 10.0,
    open_for: float = 30.0,
    half_open: int = 1,
    counted: Failure | Collection[Failure] | None = COUNTED,
    clock: Callable[[], float] = loop_time,
) -> CircuitBreaker[P, R]:
    """The asynchronous function, not called for a while when it keeps failing: for `map_async` and its kin.

        guarded = circuit_breaker(fetch, failures=5, within=10, open_for=30)
        pages = urls.map_async(guarded, concurrency=4)

    After `failures` failures within `within` seconds calls raise `CircuitOpen` at once, for `open_for`
    seconds. Then `half_open` calls are let through: if all go well the circuit closes, if one fails it
    opens again. `CircuitOpen` is classified transient and says `retry_after`, which `retry_with_backoff`
    heeds. Failures that are not `counted` prove that what is called is there. A call that began before the
    circuit changed says nothing any more. Give the same object to several nodes or executions to share it.
    """
    if failures < 1 or half_open < 1 or not within > 0 or not open_for > 0:
        raise GraphError(
            "circuit_breaker needs failures and half_open of at least 1, within and open_for above 0 "
            f"seconds, not {failures}, {half_open}, {within} and {open_for}"
        )
    chosen = checked("circuit_breaker", "counted", counted)
    return CircuitBreaker(fn, Circuit(failures, within, open_for, half_open), chosen, clock)

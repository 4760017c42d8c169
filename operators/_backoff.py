"""When a part of a graph that failed is started again: longer pauses, chance, limits. Pure; times are given.

A series is failures in a row; one that comes after long enough good running begins another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final, Literal

from rxstream.engine.stored_error import ERROR_CLASSES
from rxstream.errors import RxStreamError, classify
from rxstream.failures import Budget, Failure, classify_failure, retry_after
from rxstream.operators._regions import Attempts

Jitter = Literal["full", "none"]

JITTERS: Final = ("full", "none")


class Backoff:
    """The pauses of one series, and how many more there may be."""

    def __init__(
        self,
        attempts: int | None,
        first: float,
        factor: float,
        maximum: float,
        jitter: Jitter,
        budget: Budget | None,
        reset_after: float | None,
        random: Callable[[], float],
    ) -> None:
        self.attempts = attempts
        self.first = first
        self.factor = factor
        self.maximum = maximum
        self.jitter = jitter
        self.budget = budget
        self.reset_after = reset_after
        self.random = random
        self.failures = 0
        """Attempts of this series that have failed."""
        self.since = 0.0
        """When the first of them began."""
        self.longest = 0.0
        """The longest the next pause may be, in seconds."""
        self.spent: deque[float] = deque()
        """When retries were granted, as far as the budget looks back."""
        self.limit: str | None = None
        """What was reached, if another attempt was refused."""

    def failed(self, begun_at: float, now: float, least: float = 0.0) -> float | None:
        """An attempt that began then has failed now: seconds until the next, or None if there is none.

        `least` is what whoever failed asks for; no pause is above the maximum all the same.
        """
        if self._anew(begun_at, now):
            self.failures = 0
        if not self.failures:
            self.since, self.longest = begun_at, min(self.first, self.maximum)
        self.failures += 1
        self.limit = self._reached(self.failures, now)
        if self.limit is not None:
            return None
        if self.budget is not None:
            self.spent.append(now)
        pause = self.longest * (self.random() if self.jitter == "full" else 1.0)
        self.longest = min(self.maximum, self.longest * self.factor)
        return min(self.maximum, max(pause, least))

    def _reached(self, failures: int, now: float) -> str | None:
        if self.attempts is not None and failures >= self.attempts:
            return f"{self.attempts} attempts at most"
        if self.budget is None:
            return None
        retries, seconds = self.budget.retries, self.budget.per_seconds
        while self.spent and now - self.spent[0] >= seconds:
            self.spent.popleft()
        return f"{retries} retries in {seconds:g} s at most" if len(self.spent) >= retries else None

    def would(self, begun_at: float, now: float) -> bool:
        """Whether another attempt would be granted, should the one that began then fail now."""
        failures = 0 if self._anew(begun_at, now) else self.failures
        return self._reached(failures + 1, now) is None

    def _anew(self, begun_at: float, now: float) -> bool:
        return self.reset_after is not None and now - begun_at >= self.reset_after

    def snapshot(self, now: float) -> Any:
        """Its state, times as seconds ago."""
        ago = tuple(now - at for at in self.spent)
        return (self.failures, now - self.since, self.longest, ago)

    def restore(self, state: Any, now: float) -> None:
        """Go on from a snapshot."""
        self.failures, since, self.longest, ago = state
        self.since = now - since
        self.spent = deque(now - each for each in ago)


class RetryWithBackoff(Attempts):
    """Another attempt after an error of certain kinds, when its backoff says so."""

    def __init__(self, backoff: Backoff, only: frozenset[Failure] | None) -> None:
        super().__init__()
        self.backoff = backoff
        self.only = only

    def pause(self) -> float | None:
        if not self.attempt:
            return 0.0
        error = self.error
        if error is None or (self.only is not None and classify_failure(error) not in self.only):
            return None
        least = retry_after(error) or 0.0
        return self.backoff.failed(self.begun_at, self.runtime.now(), least)

    def follows(self, error: BaseException) -> bool:
        taken = self.only is None or classify_failure(error) in self.only
        return taken and self.backoff.would(self.begun_at, self.runtime.now())

    def give_up(self, error: BaseException) -> None:
        if self.backoff.limit is None:
            self.pass_on(error)
        else:
            self.fail(self._exhausted(error, self.backoff.limit))

    def _exhausted(self, error: BaseException, limit: str) -> RxStreamError:
        """What it ends with: as much somebody's fault as the last error, which is its cause."""
        tried, seconds = self.backoff.failures, self.runtime.now() - self.backoff.since
        said = classify(error)
        found = ERROR_CLASSES[said["kind"]](
            f"gave up after {tried} attempt{'s' if tried > 1 else ''} in {seconds:.3g} s ({limit}); the last "
            f"error: {said['code']}: {said['message']}",
            code="retries_exhausted",
            detail={"attempts": tried, "seconds": seconds},
        )
        found.__cause__ = error
        return found

    def state(self) -> Any:
        now = self.runtime.now()
        return (self.backoff.snapshot(now), now - self.begun_at)

    def go_on(self, state: Any) -> None:
        held, ran = state
        now = self.runtime.now()
        self.backoff.restore(held, now)
        self.begun_at = now - ran

"""How fast counters grow: what a look at a running graph remembers of the looks before.

Nothing is measured between looks, so a graph nobody looks at pays nothing for its rates. A rate is over the
time since a look that was at least a second ago, or since the start if there was none. Must not know what
is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

_LEAST_S: Final = 1.0
"""Looks nearer to each other share a rate: over less, it would be of single batches."""


class Rates(Generic[K]):
    """Rates of a set of counters."""

    def __init__(self, now: float) -> None:
        self._older: tuple[float, Mapping[K, int]] = (now, {})
        self._newer = self._older

    def look(self, now: float, counts: Mapping[K, int]) -> dict[K, float]:
        """Each counter's growth a second; one that is new, or smaller than before, counts from 0."""
        if now - self._newer[0] >= _LEAST_S:
            self._older, self._newer = self._newer, (now, dict(counts))
        since, before = self._older
        seconds = now - since
        if seconds <= 0:
            return dict.fromkeys(counts, 0.0)
        return {key: _growth(count, before.get(key, 0)) / seconds for key, count in counts.items()}


class Meter:
    """The time of one run and the rates of its nodes and edges; the time stops with the run."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began = clock()
        self._ended: float | None = None
        self.nodes: Rates[str] = Rates(self._began)
        self.edges: Rates[tuple[str, int]] = Rates(self._began)

    @property
    def now(self) -> float:
        """The clock's time, or when the run ended."""
        return self._clock() if self._ended is None else self._ended

    @property
    def elapsed_s(self) -> float:
        """Seconds it has run, or ran."""
        return self.now - self._began

    def stop(self) -> None:
        """The run has ended, if it had not."""
        if self._ended is None:
            self._ended = self._clock()


def _growth(count: int, before: int) -> int:
    return count - before if count >= before else count

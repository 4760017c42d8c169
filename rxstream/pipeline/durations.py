"""Durations by age and by size: the newest are kept, and a quantile is there without sorting. Pure."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass
from datetime import datetime
from heapq import heappop, heappush
from typing import Final

MOST_DURATIONS: Final = 100_000
"""Durations that are kept, the newest; quantiles and means are of these."""


@dataclass(frozen=True)
class Spread:
    """Of some durations in milliseconds; a quantile is the smallest that so many are not above."""

    count: int
    mean: float
    p50: float
    p95: float
    p99: float


class Durations:
    """Some durations, each with the moment it was measured."""

    def __init__(self) -> None:
        self._by_age: list[tuple[datetime, float]] = []
        self._by_size: list[float] = []

    def __len__(self) -> int:
        return len(self._by_size)

    def add(self, at: datetime, duration: float) -> None:
        """One more, in any order of time."""
        heappush(self._by_age, (at, duration))
        insort(self._by_size, duration)
        if len(self._by_age) > MOST_DURATIONS:
            self._drop_oldest()

    def forget(self, before: datetime) -> None:
        """Leave out what was measured then or earlier."""
        while self._by_age and self._by_age[0][0] <= before:
            self._drop_oldest()

    def mean(self) -> float | None:
        """Their mean, the same in whatever order they came; None of nothing."""
        return math.fsum(self._by_size) / len(self) if self._by_size else None

    def quantile(self, share: float) -> float | None:
        """The smallest duration that so great a share of them is not above; None of nothing."""
        if not self._by_size:
            return None
        return self._by_size[max(0, math.ceil(share * len(self)) - 1)]

    def above(self, limit: float) -> float | None:
        """The share of them that is above a limit; None of nothing."""
        return 1 - bisect_right(self._by_size, limit) / len(self) if self._by_size else None

    def spread(self) -> Spread | None:
        """All that is said of them; None of nothing."""
        mean, quantiles = self.mean(), [self.quantile(share) for share in (0.5, 0.95, 0.99)]
        if mean is None:
            return None
        p50, p95, p99 = (each or 0.0 for each in quantiles)
        return Spread(len(self), mean, p50, p95, p99)

    def _drop_oldest(self) -> None:
        _, duration = heappop(self._by_age)
        del self._by_size[bisect_left(self._by_size, duration)]

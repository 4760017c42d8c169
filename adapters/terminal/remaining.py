"""How long something may still take, by how fast its percentage rose of late.

Nothing is said before a second of rising percentages has been seen, and the past beyond half a minute does
not count: what was slow to begin with need not stay so. Pure.
"""

from __future__ import annotations

from collections import deque
from typing import Final

_WINDOW_S: Final = 30.0
_LEAST_S: Final = 1.0
_APART_S: Final = 0.5
"""Seconds between two percentages that are kept; of those between only the last."""


class TimeLeft:
    """Percentages of one thing, and what they let expect."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque(maxlen=int(_WINDOW_S / _APART_S) + 2)

    def add(self, at: float, percentage: float | None) -> None:
        """It was so far, at a time in seconds."""
        if percentage is None or (self._seen and percentage < self._seen[-1][1]):
            self._seen.clear()  # it began again, or nobody knows any more
        if percentage is None:
            return
        if len(self._seen) > 1 and at - self._seen[-2][0] < _APART_S:
            self._seen.pop()
        self._seen.append((at, percentage))
        while at - self._seen[0][0] > _WINDOW_S:
            self._seen.popleft()

    def at(self, now: float) -> float | None:
        """Seconds that are left as seen at `now`; None where nothing can be said."""
        if len(self._seen) < 2:
            return None
        (first_at, first), (last_at, last) = self._seen[0], self._seen[-1]
        if last >= 100 or last <= first or last_at - first_at < _LEAST_S:
            return None
        needed = (100 - last) * (last_at - first_at) / (last - first)
        return max(0.0, needed - max(0.0, now - last_at))

"""Times as reactivex's callers write them, in seconds of the loop's clock.

Durations are `timedelta` or seconds; points in time are `datetime` (one without a time zone is UTC, as in
reactivex). Where the loop's clock is virtual, the time of day advances with it.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Final

from reactivex.typing import AbsoluteOrRelativeTime

_VIRTUAL_S: Final = 1.0
"""A loop whose clock is further than this from the process's clock is virtual."""

_EPOCH: Final = time.time() - time.monotonic()


def seconds(duetime: AbsoluteOrRelativeTime) -> float:
    """Seconds from now, never less than zero."""
    if isinstance(duetime, datetime):
        due = duetime if duetime.tzinfo else duetime.replace(tzinfo=UTC)
        return max(0.0, (due - wall_now()).total_seconds())
    if isinstance(duetime, timedelta):
        return max(0.0, duetime.total_seconds())
    return max(0.0, float(duetime))


def loop_time() -> float:
    """The loop's clock in seconds; without a running loop the process's."""
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return time.monotonic()


def wall_now() -> datetime:
    """The time of day, in UTC."""
    now = loop_time()
    if abs(now - time.monotonic()) < _VIRTUAL_S:
        return datetime.now(UTC)
    return datetime.fromtimestamp(_EPOCH + now, UTC)

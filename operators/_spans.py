"""Spans of time as operators are given them."""

from __future__ import annotations

import math
from datetime import timedelta

from reactivex.typing import RelativeTime

from rxstream.errors import GraphError


def span(name: str, time: RelativeTime, *, zero: bool = False) -> float:
    """The span as a number, a `timedelta` in seconds. Raises `GraphError` unless it is finite and above 0."""
    number = time.total_seconds() if isinstance(time, timedelta) else time
    if 0 < number < math.inf or (zero and number == 0):
        return number
    raise GraphError(f"{name} must be finite and {'at least' if zero else 'above'} 0, not {time}")

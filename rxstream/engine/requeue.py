"""Whether an execution that waited when its process died can wait again: it has not begun, so less is needed.

Its graph may have changed; its parameters must be readable from the log as they were given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson

from rxstream.codec import Encoder
from rxstream.engine.resuming import OPAQUE, WHOLE, bound_again
from rxstream.errors import CodecError
from rxstream.events import MAX_EVENT_BYTES
from rxstream.graph.build import BoundGraph, Graph
from rxstream.graph.plan import Plan
from rxstream.log.contract import ExecutionRecord


def marked(record: ExecutionRecord, bound: BoundGraph) -> ExecutionRecord:
    """The record, with its parameters in whole where they are too long to be shown.

    It says so when they cannot be read back at all: a secret, a function, more than an event may have.
    """
    if _readable(bound, record.params):
        return record
    whole = _whole(bound)
    said = {OPAQUE: True} if whole is None else {WHOLE: whole}
    return replace(record, detail={**record.detail, **said})


def _whole(bound: BoundGraph) -> dict[str, Any] | None:
    try:
        encoded = Encoder().encode(dict(bound.params))
    except CodecError:
        return None
    if len(encoded) > MAX_EVENT_BYTES:
        return None
    values: dict[str, Any] = orjson.loads(encoded)
    return values if _readable(bound, values) else None


def _readable(bound: BoundGraph, params: Mapping[str, Any]) -> bool:
    try:
        return bool(bound.graph.bind(**params).params == bound.params)
    except Exception:  # of a type of the user's that cannot be made or compared
        return False


def plan_again(
    record: ExecutionRecord, graph: Callable[[], Graph[..., Any] | BoundGraph]
) -> tuple[Plan, ExecutionRecord]:
    """The plan of one that waits again, and its record. Raises `CannotResume`, and what `graph` raises."""
    plan = bound_again(record, graph())
    return plan, replace(record, fingerprint=plan.fingerprint, params=plan.params)


def age_s(record: ExecutionRecord) -> float:
    """How long ago it was started, in seconds; 0 when the system's clock was put back since."""
    return max(0.0, (datetime.now(UTC) - record.created_at).total_seconds())

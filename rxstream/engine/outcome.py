"""How an execution ended, as its result, as its terminal event and as what `result()` raises. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from rxstream.codec import Encoder
from rxstream.engine.published import NOTHING, Published
from rxstream.errors import ErrorData, NodeError, RxStreamError, classify
from rxstream.events import MAX_EVENT_BYTES
from rxstream.failures import located
from rxstream.graph.plan import Plan

_ENVELOPE_BYTES: Final = 1_024
"""What an event may need beside the result it tells."""


def gives_a_result(plan: Plan) -> bool:
    """Whether the last element is all that it is run for, as of a pipeline, and not what comes before."""
    shown = [node.spec for node in plan.nodes if node.published]
    return bool(shown) and all(spec is not None and spec.quiet for spec in shown)


def result_of(plan: Plan, published: Mapping[str, Published]) -> Any:
    """The last element of the output; of several a dict. None stands for one that ended empty."""
    values = {
        name: None if root.last is NOTHING else root.last
        for name, root in ((n, published[i]) for n, i in plan.outputs.items())
    }
    return next(iter(values.values()), None) if plan.single else values


def plain(value: Any) -> Any:
    """A result as plain data; null when it is too large for an event (its elements are recorded)."""
    encoded = Encoder().encode(value)
    return orjson.loads(encoded) if len(encoded) <= MAX_EVENT_BYTES - _ENVELOPE_BYTES else None


def shown(error: BaseException) -> ErrorData:
    """An error as the terminal event tells it, with the node it happened in."""
    found = classify(error)
    node = getattr(error, "node", None)
    if node and repr(node) not in found["message"]:
        where = getattr(error, "where", None)
        place = f"node {node!r} (at {where})" if where else f"node {node!r}"
        found["message"] = f"{place}: {found['message']}"
    return found


def raised(error: BaseException, plan: Plan) -> RxStreamError:
    """What whoever waits for the result is told: the error itself if it is ours, else a `NodeError`."""
    node = getattr(error, "node", None)
    where = getattr(error, "where", None)
    made = plan.by_id.get(node or "")
    operator = made.operator if made else None
    if isinstance(error, RxStreamError):
        return located(error, operator)
    place = f"node {node!r} (at {where}) failed: " if node else ""
    told = classify(error)
    wrapped = NodeError(f"{place}{told['code']}: {told['message']}", node=node, where=where)
    wrapped.__cause__ = error
    return located(wrapped, operator)

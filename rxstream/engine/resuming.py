"""Whether an execution that died can go on, and as what: decided from its record, its states and its graph.

It goes on when its graph is the same as it was (ids and topology; a fingerprint tells), can be built from
the same parameters, and everything in it could be stored. Otherwise the reason is said. Nothing here runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import orjson

from rxstream.engine.cut import States
from rxstream.engine.keeping import SELF
from rxstream.errors import RxStreamError
from rxstream.graph.build import BoundGraph, Graph
from rxstream.graph.plan import Plan
from rxstream.log.contract import ExecutionRecord

OPAQUE: Final = "opaque_params"
"""In a record's detail: parameters cannot be read back (a secret, a function, too much text)."""

WHOLE: Final = "whole_params"
"""In a record's detail: the parameters, where what is shown of them is shortened."""

_SHOWN: Final = 3


class CannotResume(Exception):
    """Why an execution that died is ended."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def plan_of(
    record: ExecutionRecord,
    graph: Callable[[], Graph[..., Any] | BoundGraph],
    states: States,
) -> Plan:
    """The plan with which a died execution goes on. Raises `CannotResume`, and whatever `graph` raises."""
    if not record.detail.get("resumable"):
        raise CannotResume("interrupted", "its graph cannot go on")
    lost = states.get(SELF, {}).get("lost")
    if lost is not None:
        raise CannotResume("interrupted", f"its state could not be stored: {lost.decode()}")
    plan = bound_again(record, graph())
    if plan.fingerprint != record.fingerprint:
        raise CannotResume("graph_changed", _changed(states.get(SELF, {}).get("topology"), plan))
    if plan.obstacles:
        raise CannotResume("interrupted", f"its graph cannot go on: {plan.obstacles[0]}")
    return plan


def bound_again(record: ExecutionRecord, graph: Graph[..., Any] | BoundGraph) -> Plan:
    """The plan of a graph with the parameters it was started with. Raises `CannotResume`."""
    if record.detail.get(OPAQUE) and not isinstance(graph, BoundGraph):
        raise CannotResume("interrupted", "its parameters cannot be read from the log")
    try:
        bound = (
            graph
            if isinstance(graph, BoundGraph)
            else graph.bind(**record.detail.get(WHOLE, record.params))
        )
        return bound.build()
    except RxStreamError as error:
        raise CannotResume(
            "graph_changed", f"its graph can no longer be built as it was started: {error.message}"
        ) from error


def _changed(stored: bytes | None, plan: Plan) -> str:
    """What differs between the graph that was started and the one there is."""
    said = "its graph is not the one it was started with"
    if stored is None:
        return said
    before: dict[str, Any] = orjson.loads(stored)
    after: dict[str, Any] = orjson.loads(orjson.dumps(plan.topology))
    found = [
        ("gone", [node for node in before if node not in after]),
        ("new", [node for node in after if node not in before]),
        ("changed", [node for node in before if node in after and before[node] != after[node]]),
    ]
    differs = "; ".join(f"{what}: {_listed(nodes)}" for what, nodes in found if nodes)
    return f"{said} ({differs or 'its outputs'})"


def _listed(nodes: list[str]) -> str:
    more = f" and {len(nodes) - _SHOWN} more" if len(nodes) > _SHOWN else ""
    return ", ".join(nodes[:_SHOWN]) + more

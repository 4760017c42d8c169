"""Branches of one stream that meet again in pairs: whether one of them can leave the other waiting.

An operator that pairs elements (`zip`, `sequence_equal`) waits at its starving input while the queue of the
other one fills. Both come from one stream, so when that queue is full the stream waits too, and with it what
the starving input waits for. `combine_latest`, `merge` and the like take whatever is there and cannot stall
so. Pure: it knows plans and not how they run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Final

from rxstream.graph.endless import FOLDS, Endless, length_of
from rxstream.operator import DEFAULT_CAPACITY

if TYPE_CHECKING:
    from rxstream.graph.plan import Node, Plan

PAIRING: Final = frozenset({"sequence_equal", "zip"})

_EVEN: Final = frozenset(
    {
        *(
            "as_observable",
            "catch",
            "default_if_empty",
            "default_on_error",
            "delay",
            "delay_subscription",
            "do",
        ),
        *("fallback", "idle_timeout", "total_timeout"),
        *("do_action", "fails", "finally_action", "map", "map_async", "map_indexed"),
        *("map_process", "map_thread", "materialize", "multicast", "observe_on", "pairwise"),
        *("partition", "partition_indexed", "pluck", "pluck_attr", "publish_value", "rate_limit"),
        *("scan", "skip", "skip_last", "starmap", "starmap_indexed", "start_with", "subscribe_on"),
        *(
            "take",
            "take_until",
            "take_while",
            "take_while_indexed",
            "tap",
            "time_interval",
            "timeout",
        ),
        *("timestamp", "zip", "zip_latest", "zip_with_iterable", "zip_with_list"),
    }
)
"""Operators that give one element for each, but for a few at the beginning; or end, which ends the pairs."""


@dataclass(frozen=True)
class Reconvergence:
    """`full` and `starving` are inputs of one node and come from `fork`; `uneven` is why one starves.

    `certain` says that it will come to that, not only that it can.
    """

    full: str
    starving: str
    fork: str
    uneven: str
    certain: bool


@dataclass(frozen=True)
class _Way:
    """How an input comes from an ancestor: through which uneven node, and which policy, if any."""

    uneven: str | None
    policy: str | None


def reconvergence(plan: Plan, node: Node, endless: Mapping[str, Endless]) -> Reconvergence | None:
    """How two inputs of a node may make each other wait for ever; the certain case before the possible."""
    if node.operator not in PAIRING or node.spec.kind != "unit":
        return None
    ways = [_ways(plan, source) for source in node.inputs]
    found = None
    for full, starving in permutations(range(len(ways)), 2):
        for met in _met(plan, node, (full, starving), (ways[full], ways[starving]), endless):
            if met.certain:
                return met
            found = found or met
    return found


def _met(
    plan: Plan,
    node: Node,
    indexes: tuple[int, int],
    ways: tuple[Mapping[str, list[_Way]], Mapping[str, list[_Way]]],
    endless: Mapping[str, Endless],
) -> Iterator[Reconvergence]:
    full, starving = (node.inputs[index] for index in indexes)
    # the nearest fork first, which comes last in the plan: it is the one to name
    for fork in reversed([node.id for node in plan.nodes]):
        if fork not in ways[0] or fork not in ways[1] or _short(plan.by_id[fork]):
            continue
        for way in ways[0][fork]:
            for other in ways[1][fork]:
                if other.uneven is None or way.policy == "lossy":
                    continue
                reduces = _reduces(plan.by_id[other.uneven]) and way.uneven is None
                certain = endless[fork] is True and reduces
                if certain or way.policy is None:
                    yield Reconvergence(full, starving, fork, other.uneven, certain)


def _ways(plan: Plan, start: str) -> Mapping[str, list[_Way]]:
    """For each ancestor of an input, and the input itself, the different ways from there."""
    found: dict[str, list[_Way]] = {}
    waiting = [(start, _Way(None, None))]
    while waiting:
        node_id, way = waiting.pop()
        known = found.setdefault(node_id, [])
        if any((w.uneven is None, w.policy) == (way.uneven is None, way.policy) for w in known):
            continue
        known.append(way)
        node = plan.by_id[node_id]
        policy = _policy(node)
        through = _Way(
            way.uneven or (None if _even(node) else node_id),
            "lossy" if "lossy" in (policy, way.policy) else policy or way.policy,
        )
        waiting += [(source, through) for source in node.inputs]
    return found


def _policy(node: Node) -> str | None:
    if node.operator == "unbounded":
        return "lossy"  # the author has said that it will do
    if node.spec.buffer is None:
        return None
    return "bound" if node.spec.buffer.policy in ("block", "fail") else "lossy"


def _even(node: Node) -> bool:
    if node.spec.kind == "same" or node.spec.buffer is not None:
        return True  # a lossy queue gives up only what its reader does not starve for
    if node.operator in ("skip", "skip_last"):
        count = node.spec.arguments.get("count", 0)
        return isinstance(count, int) and count < DEFAULT_CAPACITY
    return node.operator in _EVEN


def _reduces(node: Node) -> bool:
    """Whether it certainly gives fewer elements than it takes."""
    if node.operator in FOLDS:
        return True
    if node.operator != "buffer_with_count":
        return False
    every = node.spec.arguments.get("skip") or node.spec.arguments.get("count")
    return isinstance(every, int) and every > 1


def _short(fork: Node) -> bool:
    """Whether all its elements fit the queue."""
    length = length_of(fork)
    return length is not None and length <= DEFAULT_CAPACITY

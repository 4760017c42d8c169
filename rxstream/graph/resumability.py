"""Whether a node can go on after a crash, and what keeps it from doing so. Must not know who asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rxstream.graph.plan import Node


def obstacle(node: Node) -> str | None:
    """Why this node keeps its graph from going on after a crash, if it does."""
    return None if resumes(node) else f"{node.id} ({node.operator} at {node.where}) {lacks(node)}"


def lacks(node: Node) -> str:
    """What it cannot do, as the end of a sentence about it."""
    if node.kind == "source":
        return "cannot go on from an offset"
    if node.spec.buffer is not None and node.spec.buffer.policy == "spill":
        return "keeps what waits in a file"
    if node.operator == "step":
        return "must not be called again"
    return "cannot keep its state"


def resumes(node: Node) -> bool:
    """Whether it can go on after a crash."""
    if node.spec.buffer is not None and node.spec.buffer.policy == "spill":
        return False
    if node.kind == "source":
        return node.resumable or bool(getattr(node.spec.make(), "seekable", False))
    return node.resumable or node.kind == "sink" or node.spec.kind == "same"


def stateful(node: Node) -> bool:
    """Whether a state of it is kept under its id."""
    if node.spec.kind in ("sink", "same") or not resumes(node):
        return False
    return node.spec.kind != "op" or node.spec.make().snapshot() is not None

"""What the nodes of a graph need of the engine, added to what its execution asks for. Pure.

What nodes hold they hold at the same time, so an execution has all of it before the first of them begins: two
nodes that took it one after the other could wait for each other for ever. What is taken by the call needs no
such care, because a call ends without anybody else's: calls have turns at what the execution holds, or at all
there is where it holds nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from rxstream.engine.requirements import Requirements, listed, unavailable
from rxstream.errors import InvalidParameters
from rxstream.graph.plan import Node

_HINT: Final = ": give the engine as much, by Engine(resources=…) or --resource NAME=AMOUNT"


def with_nodes(
    asked: Requirements, nodes: Iterable[Node], totals: Mapping[str, int]
) -> Requirements:
    """The same and what these nodes need; of what was asked for by name it stays that amount.

    Raises `InvalidParameters` for what can never be had.
    """
    needing = [node for node in nodes if node.spec.resources]
    amounts: Counter[str] = Counter()
    by_call: Counter[str] = Counter()
    for node in needing:
        if node.spec.by_call:
            by_call |= Counter(node.spec.resources)
        else:
            amounts += Counter(node.spec.resources)
    if amounts or asked.resources:
        amounts += by_call
    held = {**amounts, **asked.resources}
    problem = unavailable(held, totals)
    if problem:
        who = ", ".join(f"{node.id} ({node.operator})" for node in needing)
        raise _wrong(f"{problem}; {listed(held)} are needed by {who}{_HINT}", totals)
    for node in needing:
        problem = unavailable(node.spec.resources, held or totals)
        if problem:
            where = ", which is what its execution asks for" if held else ""
            hint = "" if held else _HINT
            raise _wrong(f"{problem}{where}; {node.id} ({node.operator}) needs it{hint}", totals)
    return replace(asked, resources=held)


def _wrong(message: str, totals: Mapping[str, int]) -> InvalidParameters:
    detail = [{"name": "resources", "message": message, "expected": f"at most {listed(totals)}"}]
    return InvalidParameters(f"resources: {message}", detail=detail)

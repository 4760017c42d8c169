"""A plan as a Mermaid flowchart, for pages that draw those.

Ids are our own (`n0`, `n1`, …) and labels are quoted, with every character that Mermaid could read as its
own, or a browser as markup, written as a number. Sources are stadiums, operators boxes, sinks cylinders.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from rxstream.graph import labels

if TYPE_CHECKING:
    from rxstream.graph.plan import Node, Plan

_SHAPES: Final = {
    "source": '(["{}"])',
    "operator": '["{}"]',
    "sink": '[("{}")]',
}
_PLAIN: Final = frozenset(" _,=()./-+")
_ACTIVE: Final = re.compile(r"\\(?=n)|\$(?=\$)|:(?=fa-)")
"""What Mermaid acts on even when it is written as numbers (line breaks, formulas, icons).

An invisible word joiner after it prevents that.
"""
_COLUMNS: Final = 40
"""The most of a name or of the arguments that is shown."""


def mermaid(plan: Plan) -> str:
    """The plan as `flowchart LR` text; a published node has a thick border and its output's name."""
    return "\n".join(["flowchart LR", *_lines(plan)]) + "\n"


def quote(text: str) -> str:
    """The text as one line for inside a quoted label."""
    return "".join(
        character if character.isalnum() or character in _PLAIN else f"#{ord(character)};"
        for character in _ACTIVE.sub("\\g<0>\u2060", labels.line(text))
    )


def _lines(plan: Plan) -> Iterator[str]:
    ids = {node.id: f"n{index}" for index, node in enumerate(plan.nodes)}
    published = labels.outputs(plan)
    members: dict[tuple[str, ...], list[Node]] = {(): []}
    for node in plan.nodes:
        path = labels.group(node.id)
        for depth in range(len(path)):
            members.setdefault(path[: depth + 1], [])
        members[path].append(node)
    groups = {path: f"g{index}" for index, path in enumerate(path for path in members if path)}

    def inside(path: tuple[str, ...], indent: str) -> Iterator[str]:
        for node in members[path]:
            yield f"{indent}{ids[node.id]}{_shape(node, published.get(node.id))}"
        for group, name in groups.items():
            if group[:-1] == path:
                yield f'{indent}subgraph {name} ["{quote(group[-1])}"]'
                yield from inside(group, indent + "    ")
                yield f"{indent}end"

    yield from inside((), "    ")
    for node in plan.nodes:
        for source in node.inputs:
            yield f"    {ids[source]} --> {ids[node.id]}"
    if published:
        yield "    classDef published stroke-width:3px"


def _shape(node: Node, outputs: list[str] | None) -> str:
    """The node's outline with its label in it."""
    rows = [node.operator, labels.own_name(node.id), labels.arguments(node)]
    if outputs is not None:
        rows.append(f"→ {', '.join(outputs) or 'published'}")
    text = "<br/>".join(quote(labels.shorten(labels.line(row), _COLUMNS)) for row in rows if row)
    return _SHAPES[node.kind].format(text) + (":::published" if outputs is not None else "")

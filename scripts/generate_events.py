"""Writes `docs/events.md`, the event reference, from `rxstream.event_data` and the contract of models.

`python scripts/generate_events.py` writes it, `--check` only says whether it is as it should be.
"""

from __future__ import annotations

import inspect
import sys
import typing
from pathlib import Path
from types import UnionType
from typing import Annotated, Any

from rxstream.event_data import EVENT_DATA
from rxstream.events import MAX_EVENT_BYTES, TERMINAL, EventType
from rxstream.models.elements import ELEMENTS

TARGET = Path(__file__).resolve().parent.parent / "docs" / "events.md"

HEAD = f"""\
<!-- Written by scripts/generate_events.py: change rxstream/event_data.py, not this page. -->
# Events

Everything that happens in an execution is an event of its log. It is JSON, the same bytes on every wire
(WebSocket, server-sent events, long poll, a file of JSON lines), at most {MAX_EVENT_BYTES // 1024:,} KiB:

| field | type | meaning |
|---|---|---|
| `event_type` | string | one of those below |
| `execution_id` | string | the execution it belongs to |
| `sequence` | integer or null | 1, 2, 3 … in each execution, without gaps; null only for `gap` |
| `cursor` | string | where a reader that has seen this event goes on: `after=` it, or `Last-Event-ID` |
| `timestamp` | string | ISO 8601, UTC, with microseconds |
| `step_id` | string or null | the node it happened in; null for facts about the whole execution |
| `data` | | see below |
| `metadata` | object or null | `attempt` from the second one on, `replayed` where a replay tells it again |

`{"`, `".join(sorted(TERMINAL))}`: one of these is the last event of every
execution that ended. In Python events are `rxstream.StreamEvent`, and the shapes of `data` are the typed
dictionaries of `rxstream.event_data`.
"""

ELEMENT_HEAD = """\

## What models and tools say

The elements of a model's answer, of a tool's call and of an agent's run are objects with a `type`, usually
the `data` of a `step_output`.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for kind, shape in EVENT_DATA.items():
        parts.append(f"\n## `{kind}`\n")
        if kind is EventType.STEP_OUTPUT:
            parts.append(
                "\nAn element of a stream that is published, or an item a step shows: `data` is it.\n"
                'An item a step put aside is `{type: "dead_letter", item, index, error, attempts}`.\n'
            )
        else:
            parts.append(_described(shape))
    parts.append(ELEMENT_HEAD)
    for name, shape in ELEMENTS.items():
        parts.append(f"\n### `{name}`\n")
        parts.append(_described(shape))
    return "".join(parts)


def _described(shape: Any) -> str:
    said = f"\n{' '.join((inspect.getdoc(shape) or '').split())}\n"
    hints = typing.get_type_hints(shape, include_extras=True)
    hints.pop("type", None)  # the heading says it
    if not hints:
        return said
    rows = ["\n| key | type | meaning |\n|---|---|---|\n"]
    for key, hint in hints.items():
        optional = key in shape.__optional_keys__
        while typing.get_origin(hint) is not Annotated:  # inside NotRequired
            (hint,) = typing.get_args(hint)
        kind, meaning = typing.get_args(hint)
        shown = f"{_named(kind)}, may be missing" if optional else _named(kind)
        rows.append(f"| `{key}` | {shown} | {meaning} |\n")
    return said + "".join(rows)


def _named(kind: Any) -> str:
    if typing.get_origin(kind) in (UnionType, typing.Union):
        return " or ".join(map(_named, typing.get_args(kind)))
    plain = {str: "string", int: "integer", float: "number", bool: "boolean", Any: "anything"}
    if kind in plain:
        return plain[kind]
    if kind is type(None):
        return "null"
    if typing.get_origin(kind) is typing.Literal:
        return " or ".join(f"`{value}`" for value in typing.get_args(kind))
    if typing.get_origin(kind) in (list, tuple):
        return "array"
    return "object"


def main() -> int:
    """Write the page, or check it."""
    made = page()
    if "--check" not in sys.argv:
        TARGET.write_text(made)
        return 0
    if TARGET.exists() and TARGET.read_text() == made:
        return 0
    print(f"{TARGET.name} is out of date: run scripts/generate_events.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())

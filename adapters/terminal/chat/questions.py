"""How a person answers a question of a tool or the model: what to type, and the value that it is. Pure."""

from __future__ import annotations

from typing import Any

import orjson

from rxstream.adapters.terminal.chat.blocks import Request


def how_to_answer(request: Request) -> str:
    """What to type."""
    if request.yes_or_no:
        return "y or n"
    if choices := request.choices:
        return "one of " + ", ".join(choices)
    return {"string": "type your answer", "integer": "a number", "number": "a number"}.get(
        str(request.schema.get("type")), "your answer, as JSON"
    )


def value_of(request: Request, typed: str) -> Any:
    """What was typed, as the kind of value that was asked for; the one who asked checks it."""
    if request.yes_or_no:
        word = typed.strip().lower()
        return {"y": True, "yes": True, "n": False, "no": False}.get(word, typed)
    if request.schema.get("type") == "string":
        return typed
    try:
        return orjson.loads(typed)
    except orjson.JSONDecodeError:
        return typed

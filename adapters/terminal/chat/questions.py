"""What a person is asked, how it is answered, and the value that what was typed is. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson

from rxstream.adapters.terminal.chat.blocks import Call, Request
from rxstream.adapters.terminal.chat.drawing import asked_for
from rxstream.adapters.terminal.text import one_line

ALL: Final = "a"
"""The key that means all of them."""
_KEYS: Final = "123456789"


class Choice:
    """Which of several calls a person wants to stop: a key for each, which it keeps when others end."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self._calls = dict(zip(_KEYS, calls, strict=False))
        self._beyond = list(calls[len(_KEYS) :])

    @property
    def open(self) -> dict[str, Call]:
        """Those that have not ended, by their keys."""
        return {key: call for key, call in self._calls.items() if call.under_way}

    def meant(self, key: str) -> list[Call]:
        """The calls of a key."""
        if key == ALL:
            return [*self.open.values(), *(call for call in self._beyond if call.under_way)]
        return [self.open[key]] if key in self.open else []

    @property
    def keys(self) -> str:
        """Those that mean something."""
        return "".join((*self.open, ALL))

    @property
    def message(self) -> str:
        """The question."""
        lines = [
            one_line(f"{key} {call.name} {asked_for(call.arguments)}", 90)
            for key, call in self.open.items()
        ]
        return "\n".join(("Stop which of them?", *lines, f"{ALL} all"))


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

"""What was given of an answer, kept as rows that grow by what is new, for whoever must go on after a crash.

One row a cut, of what came since the one before: an answer of n tokens is stored in bytes in proportion to n,
however often it is stored. Plain data. Must not know who stores it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rxstream.models.contract import Delivered, Element

_PARTS = ("text", "reasoning")
_KINDS = {"token": "text", "reasoning": "reasoning"}


class Recording:
    """The answer as a reader has it; goes on from the rows of another life."""

    def __init__(self, rows: Mapping[str, Any] | None = None) -> None:
        before = [rows[name] for name in sorted(rows, key=int)] if rows else []
        self.done = bool(before and before[-1][-1])
        """Whether its end was given."""
        self.delivered = Delivered(
            "".join(row[0] for row in before),
            "".join(row[1] for row in before),
            tuple(call for row in before for call in row[2]),
            sum(row[3] for row in before),
        )
        """What a life before this one has given."""
        self._row = max(map(int, rows)) + 1 if rows else 0
        self._fresh = _Fresh()
        self._void = False
        """Whether rows told before are of an answer that was begun anew."""

    def take(self, elements: Iterable[Element]) -> None:
        """These are given on now."""
        for element in elements:
            kind = element["type"]
            if kind in _KINDS:
                self._fresh.parts[_KINDS[kind]].append(element["text"])
                self._fresh.tokens += kind == "token"
            elif kind == "tool_call":
                self._fresh.calls.append(element)
            elif kind == "restarted":
                self._fresh, self._void = _Fresh(), True
            elif kind == "done":
                self.done = True
            else:
                continue
            self._fresh.any = True

    def changes(self) -> tuple[bool, dict[str, Any], list[str]] | None:
        """The rows to be stored now, as `rxstream.source.Growing` tells them."""
        fresh, void = self._fresh, self._void
        if not fresh.any and not void:
            return None
        row = (
            "".join(fresh.parts["text"]),
            "".join(fresh.parts["reasoning"]),
            tuple(fresh.calls),
            fresh.tokens,
            self.done,
        )
        name = str(self._row)
        self._row += 1
        self._fresh, self._void = _Fresh(), False
        return void, {name: row}, []


class _Fresh:
    """What came since the last row."""

    __slots__ = ("any", "calls", "parts", "tokens")

    def __init__(self) -> None:
        self.parts: dict[str, list[str]] = {name: [] for name in _PARTS}
        self.calls: list[Element] = []
        self.tokens = 0
        self.any = False

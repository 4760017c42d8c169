"""An answer without a screen: its text on a descriptor as it comes, everything else for whoever waits.

Thoughts, tools and errors are lines for the person; text is all a program reads. Sans-I/O: gives bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import orjson

from rxstream.adapters.terminal.chat.blocks import Block, Call, Note, Text
from rxstream.adapters.terminal.chat.turn import Turn
from rxstream.adapters.terminal.text import one_line, printable

_OUTPUT: Final = 200
_COUNTED: Final = re.compile(r"\d[\d,.]* tokens?")


class PlainAnswer:
    """Turns a growing turn into text, piece by piece, and lines about it."""

    def __init__(self, turn: Turn, *, person: bool) -> None:
        self._turn = turn
        self._person = person
        """Whether a person reads the text: nothing in it may act on the terminal."""
        self._given: dict[int, int] = {}
        self._told: set[tuple[int, str]] = set()
        self._ends_line = True
        self._between = ""
        self._doing = ""

    def text(self) -> str:
        """What of the answer was not given before."""
        parts: list[str] = []
        for block in self._turn.blocks:
            if not isinstance(block, Text) or block.kind != "text":
                continue
            given = self._given.get(id(block))
            fresh = block.text[given or 0 :]
            if not fresh:
                continue
            if given is None and self._given:
                parts.append("\n\n" if not self._ends_line else "\n")
            self._given[id(block)] = (given or 0) + len(fresh)
            parts.append(fresh)
            self._ends_line = fresh.endswith("\n")
        said = "".join(parts)
        return printable(said) if self._person else said

    def end(self) -> str:
        """What makes the last line whole."""
        return "" if self._ends_line else "\n"

    def lines(self) -> Iterator[str]:
        """What there is to tell besides that was not told before."""
        doing = one_line(self._turn.doing, 200)
        # how many tokens there are is seen
        if doing and doing != self._doing and not _COUNTED.match(doing):
            yield doing
        self._doing = doing
        for block in self._turn.blocks:
            for line in _lines(block):
                if (id(block), line) not in self._told:
                    self._told.add((id(block), line))
                    yield line


def _lines(block: Block) -> Iterator[str]:
    if isinstance(block, Note):
        yield one_line(block.text)
    elif isinstance(block, Call):
        asked = one_line(orjson.dumps(block.arguments).decode(), _OUTPUT)
        yield f"{one_line(block.name, 60)} {asked}"
        if block.state == "failed":
            why = block.outcome or block.result
            yield f"{one_line(block.name, 60)} failed: {one_line(why, _OUTPUT)}"
        elif block.state == "done":
            yield f"{one_line(block.name, 60)} done"

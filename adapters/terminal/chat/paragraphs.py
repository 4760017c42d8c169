"""Cuts growing Markdown into blocks that can be drawn for good: paragraphs, lists, tables, fenced code.

A block is over when a line after an empty one begins at the margin, so that an item's second paragraph stays
with its list; within a fence nothing ends. Blocks joined again are the text. Works on pieces of any size.
"""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 16 * 1024
"""Characters after which a block is cut at a line's end although it is not over: none grows for ever."""

_FENCE: Final = re.compile(r" {0,3}(?:(`{3,})[^`]*|(~{3,}).*)$")


class Paragraphs:
    """Feed it pieces; what is not yet a whole block is in `tail`."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        """Whole lines of the block that grows."""
        self._size = 0
        self._line = ""
        """The line that grows."""
        self._fence = ""
        self._empty = False
        """Whether the last whole line was empty, outside a fence."""

    @property
    def tail(self) -> str:
        """The block that grows."""
        return "".join(self._lines) + self._line

    def feed(self, text: str) -> list[str]:
        """The blocks that are over now."""
        over: list[str] = []
        *whole, rest = (self._line + text).split("\n")
        self._line = ""
        for line in whole:
            self._begin(line, over)
            self._take(line)
            if self._size > LONGEST:
                over.append(self._cut())
        self._begin(rest, over)
        self._line = rest
        return over

    def end(self) -> str:
        """What is left, when nothing follows."""
        self._take(self._line, "")
        self._line = ""
        return self._cut()

    def _begin(self, line: str, over: list[str]) -> None:
        if self._empty and line and not line[0].isspace():
            over.append(self._cut())

    def _take(self, line: str, end: str = "\n") -> None:
        self._lines.append(line + end)
        self._size += len(line) + 1
        if found := _FENCE.match(line):
            marks = found[1] or found[2]
            if not self._fence:
                self._fence = marks
            elif line.strip() == marks and marks.startswith(self._fence):
                self._fence = ""
        self._empty = not self._fence and not line.strip()

    def _cut(self) -> str:
        block = "".join(self._lines)
        # the rest of a fence that was cut for its length is code too
        self._lines = [f"{self._fence}\n"] if self._fence and self._size > LONGEST else []
        if self._lines:
            block += f"{self._fence}\n"
        self._size = sum(map(len, self._lines))
        self._empty = False
        return block

"""Plain text that grows, as lines of a width: only its last line is ever broken anew. Pure.

It looks as a terminal would show it in the end: no colours, of a line that was written over the last writing.
"""

from __future__ import annotations

import re
from typing import Final

from rxstream.adapters.terminal.chat.drawing import wrapped
from rxstream.adapters.terminal.text import printable

_LEAST: Final = 10
"""Cells of the narrowest line; a window may be narrower for a moment."""

_COLOUR: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]{0,1000}(?:\x07|\x1b\\))")


class Lines:
    """Give it text; read lines."""

    def __init__(self, width: int = 0) -> None:
        self.width = width
        self.length = 0
        """Characters it was given."""
        self._lines: list[str] = [""]
        """The last one as it came, because it grows."""
        self._wrapped: list[str] = [""]
        self._whole = 0
        """Lines of `_wrapped` that belong to whole lines."""

    def append(self, text: str) -> int:
        """More text; the number of the first line that is another now."""
        self.length += len(text)
        changed = self._whole
        *whole, rest = (self._lines[-1] + text).split("\n")
        shown = [_seen(line) for line in whole]
        self._lines[-1:] = [*shown, _last_writing(rest)]
        del self._wrapped[self._whole :]
        for line in shown:
            self._wrapped += wrapped(line, max(self.width, _LEAST))
        self._whole = len(self._wrapped)
        self._wrapped += wrapped(_seen(rest), max(self.width, _LEAST))
        return changed

    def lay_out(self, width: int) -> None:
        """Break it for another width."""
        self.width = width
        self._wrapped = []
        for line in self._lines[:-1]:
            self._wrapped += wrapped(line, max(width, _LEAST))
        self._whole = len(self._wrapped)
        self._wrapped += wrapped(_seen(self._lines[-1]), max(width, _LEAST))

    def __len__(self) -> int:
        count = len(self._wrapped)
        # the line that has not begun is none
        return count - 1 if count > 1 and not self._wrapped[-1] else count

    def __getitem__(self, index: int) -> str:
        return self._wrapped[index] if index < len(self._wrapped) else ""


def _last_writing(line: str) -> str:
    """What is left of a line behind the carriage returns that something was written after."""
    ends = len(line) - len(line.rstrip("\r"))
    return line[: len(line) - ends].rpartition("\r")[2] + "\r" * bool(ends)


def _seen(line: str) -> str:
    return printable(_COLOUR.sub("", _last_writing(line))).expandtabs(4)

"""What is made of a command's output: text that comes as it came, how far it is, and a brief of the whole.

Bytes are decoded under any chunking; what is no UTF-8 becomes U+FFFD. Of the whole only its head and its tail
are kept, so a brief of any length of output is as short. It must not know where the bytes come from.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

_HEAD: Final = 6_000
_TAIL: Final = 10_000
_LINE: Final = 400
"""Characters at the end of what was said in which a percentage is looked for."""

# at the end of a line, or at its begin before a bar; with colours around
_COLOUR: Final = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07\x1b\n]{0,1000}(\x07|\x1b\\))")
_AT_END: Final = re.compile(r"(?<![\d.,])(\d{1,3}(?:\.\d{1,4})?)\s?%[\s.…)\]]*$")
_AT_BEGIN: Final = re.compile(r"^\s*\[?\s*(\d{1,3}(?:\.\d{1,4})?)\s?%(?=[\s|\]:])")


class Spoken:
    """One channel's bytes as text."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def take(self, data: bytes, last: bool = False) -> str:
        """The text that is whole by now."""
        return self._decoder.decode(data, last)


class Percentage:
    """How far a command says it is: `42%` at the end or the begin of the line it is printing."""

    def __init__(self) -> None:
        self._line = ""
        self._said: float | None = None

    def take(self, text: str) -> float | None:
        """The percentage, when the text says another one than before."""
        self._line = (self._line + text)[-_LINE:] if len(text) < _LINE else text[-_LINE:]
        if "%" not in self._line:
            return None
        *done, growing = re.split(r"[\r\n]", _COLOUR.sub("", self._line))
        self._line = self._line[max(self._line.rfind("\r"), self._line.rfind("\n")) + 1 :]
        for line in (growing, *reversed(done)):
            if not line.strip():
                continue
            found = _AT_END.search(line) or _AT_BEGIN.search(line)
            value = float(found[1]) if found else None
            if value is None or value > 100 or value == self._said:
                return None
            self._said = value
            return value
        return None


class Ends:
    """The head and the tail of all output, in the order in which it came."""

    def __init__(self, head: int = _HEAD, tail: int = _TAIL) -> None:
        self._head = head
        self._tail = tail
        self._first: list[str] = []
        self._room = head
        self._last = ""
        self._beyond = 0

    def take(self, text: str) -> None:
        """More of it."""
        if self._room:
            part = text[: self._room]
            self._first.append(part)
            self._room -= len(part)
            text = text[len(part) :]
        if text:
            self._beyond += len(text)
            self._last = (
                (self._last + text)[-self._tail :]
                if len(text) < self._tail
                else text[-self._tail :]
            )

    def __str__(self) -> str:
        """As a terminal would show it in the end: no colours, no line that was written over."""
        left = self._beyond - len(self._last)
        middle = f"\n[… {left:,} characters left out …]\n" if left else ""
        whole = "".join(self._first) + middle + self._last
        lines = _COLOUR.sub("", whole).split("\n")
        return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)

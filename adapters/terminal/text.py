"""Text that is safe to show: no control characters, cut to what fits.

Elements, messages and errors come from files, networks and models, so an escape sequence in one could move
the cursor or worse. Whatever a person is shown goes through here; what a program reads does not.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

# C0 without tab and newline, DEL, C1, and the marks that reorder text on screen
_UNSAFE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_WHITESPACE: Final = re.compile(r"\s+")


def printable(text: str) -> str:
    """The text without anything that acts on a terminal; newlines and tabs stay."""
    return _UNSAFE.sub("", text)


def one_line(text: str, limit: int = 1_000) -> str:
    """The text on one line of at most `limit` characters."""
    line = _WHITESPACE.sub(" ", printable(text)).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"


def brief(data: Any, limit: int = 200) -> str:
    """An element as JSON on one line; text as it is."""
    return one_line(data if isinstance(data, str) else orjson.dumps(data).decode(), limit)


def duration(seconds: float) -> str:
    """0.42 s, 12.3 s, 3:05, 1:02:03."""
    if seconds < 1:
        return f"{max(seconds, 0):.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def left_over(seconds: float) -> str:
    """A time that is only expected: whole seconds, at least one."""
    whole = max(1, round(seconds))
    return f"{whole} s" if whole < 60 else duration(whole)

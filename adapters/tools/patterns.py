"""A line of a `.gitignore` as a regular expression: git's rules for names, byte for byte.

The rules are those of `gitignore(5)`, and where it leaves a question those of git's own matcher: `?` is one
byte of a name, a class of characters that is not closed matches nothing, `**` is special only between
slashes. So names are compared as bytes, written as text in Latin-1. Must not know files, nor whether a match
leaves something out.

`pathspec` knows most of it and is not used: what names a folder names all that is below it there, so that in
the usual list of what is wanted (`*`, `!*/`, `!docs`) a folder's name brought back everything in it; and it
has other classes, and characters for bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_CLASSES: Final = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": r"\x21-\x7e",
    "lower": "a-z",
    "print": r"\x20-\x7e",
    "punct": r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e",
    "space": r"\t-\r ",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}
_TRAILING: Final = re.compile(r"(?:[^\\ ]|\\.?| +(?! *$))*", re.DOTALL)
"""All but the spaces at the end that no backslash keeps."""


def as_bytes(name: str) -> str:
    """A name as text of one character for each of its bytes."""
    return name.encode("utf-8", "surrogateescape").decode("latin-1")


@dataclass(frozen=True)
class Pattern:
    """One line: what it names, and what it says about that."""

    source: str
    """The regular expression of a whole path, as `as_bytes` writes it, without what comes behind it."""
    folders: bool
    """Whether it is about folders only."""
    negated: bool


def pattern(line: str) -> Pattern | None:
    """What a line says; None for a comment and for what can match nothing."""
    text = as_bytes(line)
    if text.startswith("#"):
        return None
    kept = _TRAILING.match(text)
    text = kept[0] if kept else ""
    negated = text.startswith("!")
    text = text[negated:]
    folders = text.endswith("/")
    text = text[:-1] if folders else text
    anchored = "/" in text
    source = _source(text.removeprefix("/"), anchored)
    if not text or source is None:
        return None
    return Pattern(source if anchored else f"(?:.*/)?{source}", folders, negated)


def _source(text: str, paths: bool) -> str | None:
    """`paths` when it is about whole paths, not about the last name in one."""
    made: list[str] = []
    at = 0
    while at < len(text):
        each = text[at]
        if each == "*":
            end = at
            while text[end : end + 1] == "*":
                end += 1
            between = (at == 0 or text[at - 1] == "/") and text[end : end + 1] in ("", "/")
            if paths and between and end - at > 1:
                # zero folders and more; at the end, everything that is there
                made.append(".*" if end == len(text) else "(?:.*/)?")
                end += end < len(text)
            else:
                made.append("[^/]*")
            at = end
        elif each == "[":
            found = _class(text, at + 1)
            if found is None:
                return None
            inside, at = found
            made.append(inside)
        elif each == "\\":
            if at + 1 == len(text):
                return None
            made.append(re.escape(text[at + 1]))
            at += 2
        else:
            made.append("[^/]" if each == "?" else re.escape(each))
            at += 1
    return "".join(made)


def _class(text: str, at: int) -> tuple[str, int] | None:
    """`[a-z]` from behind its bracket on, and where it ends; None when it does not."""
    negated = text[at : at + 1] in ("!", "^")
    at += negated
    parts: list[str] = []
    first = True
    while first or text[at : at + 1] != "]":
        first = False
        if text.startswith("[:", at):
            end = text.find(":]", at)
            if end < 0 or text[at + 2 : end] not in _CLASSES:
                return None
            parts.append(_CLASSES[text[at + 2 : end]])
            at = end + 2
            continue
        low, at = _character(text, at)
        high = low
        if text[at : at + 1] == "-" and text[at + 1 : at + 2] not in ("", "]"):
            high, at = _character(text, at + 1)
        if not low or not high:
            return None
        # of a range that runs backwards, its first
        parts.append(f"\\x{ord(low):02x}-\\x{max(ord(low), ord(high)):02x}")
    inside = "".join(parts)
    if negated:
        return f"[^/{inside}]", at + 1
    return f"(?!/)[{inside}]", at + 1


def _character(text: str, at: int) -> tuple[str, int]:
    """One that stands for itself, and where the next is; none at the end."""
    at += text[at : at + 1] == "\\"
    return text[at : at + 1], at + 1

"""What a person may type instead of a question: `/help`, `/model NAME`, … as values.

A line that begins with a slash and a letter is a command, `//` begins a question with a slash. Sans-I/O.
"""

from __future__ import annotations

import difflib
import re
import shlex
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Command:
    """A command and its words."""

    name: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mistake:
    """What was typed is no command; `message` says what there is."""

    message: str


@dataclass(frozen=True)
class _Kind:
    usage: str
    what: str
    least: int = 0
    most: int = 0


COMMANDS: Final = {
    "help": _Kind("/help", "this list"),
    "model": _Kind("/model [PROVIDER:NAME]", "say or change who answers", 0, 1),
    "tools": _Kind("/tools [NAME on|off]", "list tools, let the model use one or not", 0, 2),
    "save": _Kind("/save FILE", "write the chat to a .md, .json or .jsonl file", 1, 1),
    "copy": _Kind("/copy", "copy the last answer to the clipboard"),
    "replay": _Kind(
        "/replay [N] [SPEED]", "show the Nth answer again as it came, or the last", 0, 2
    ),
    "new": _Kind("/new", "begin another chat; this one is kept"),
    "quit": _Kind("/quit", "leave; rxstream chat --resume comes back"),
}

_COMMAND: Final = re.compile(r"/([A-Za-z]\S*)(.*)", re.DOTALL)


def parse(text: str) -> Command | Mistake | str:
    """What was typed: a command, a mistaken one, or the text of a question."""
    if text.startswith("//"):
        return text[1:]
    found = _COMMAND.fullmatch(text)
    # a path is a question's business, not a command's
    if found is None or "/" in found[1]:
        return text
    name = found[1].lower()
    if name == "exit":
        name = "quit"
    kind = COMMANDS.get(name)
    if kind is None:
        near = difflib.get_close_matches(name, COMMANDS, 1)
        there = f"did you mean /{near[0]}?" if near else "there are"
        listed = ", ".join(f"/{each}" for each in COMMANDS)
        return Mistake(f"/{name[:40]} is no command: {there} {listed if not near else '(/help)'}")
    try:
        words = tuple(shlex.split(found[2]))
    except ValueError as error:
        return Mistake(f"/{name}: {error}")
    if not kind.least <= len(words) <= kind.most:
        return Mistake(f"write {kind.usage}: {kind.what}")
    return Command(name, words)


KEYS: Final = (
    ("Enter", "send; while it answers: join in, or ask next"),
    ("Ctrl+J Alt+Enter Shift+Enter", "new line"),
    ("Esc  Ctrl+C", "stop the answer and keep what came; Ctrl+C twice leaves"),
    ("Ctrl+D", "leave, where nothing is typed"),
    ("Ctrl+T", "stop a tool at work, or say which; the model goes on"),
    ("Up  Down", "what was typed before"),
    ("Ctrl+O", "unfold or fold thoughts and tools; or click on one"),
    ("PgUp  PgDn", "scroll"),
)


def overview() -> list[tuple[str, str]]:
    """All commands and keys, each with what it does."""
    return [*((kind.usage, kind.what) for kind in COMMANDS.values()), ("", ""), *KEYS]

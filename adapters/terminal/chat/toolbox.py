"""The tools a chat may give to a model, by the names a person uses.

All work in the folder the chat was started in. What changes things, or lets something out, asks first.
Nothing here is on until a person says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from rxstream.errors import BadRequest
from rxstream.tools import Tool


def _files() -> list[Tool]:
    from rxstream.adapters.tools import files

    return files(Path.cwd())


def _bash() -> list[Tool]:
    from rxstream.adapters.tools import bash

    return [bash(Path.cwd(), approval=True)]


def _screenshot() -> list[Tool]:
    from rxstream.adapters.tools import screenshot

    return [screenshot(approval=True)]


def _http_get() -> list[Tool]:
    from rxstream.adapters.tools import http_get

    tool = http_get(["*"])
    # an address can carry away what a model has read
    asks = replace(tool.settings, approval=lambda asked: f"Get {asked.get('url')}?")
    tool.settings = asks
    return [tool]


TOOLS: Final[Mapping[str, Callable[[], list[Tool]]]] = {
    "bash": _bash,
    "files": _files,
    "http_get": _http_get,
    "screenshot": _screenshot,
}
"""What makes them, by name."""

SIDE_BY_SIDE: Final = frozenset({"find", "http_get", "screenshot", "tree", "view"})
"""The tools of these whose calls run beside each other; any other waits for the calls before it."""


def made(names: Iterable[str]) -> list[Tool]:
    """The tools of these names. Raises `BadRequest`, and what says why one cannot work here."""
    found: list[Tool] = []
    for name in names:
        if name not in TOOLS:
            there = ", ".join(TOOLS)
            raise BadRequest(f"no tool is called {name[:40]!r}: there are {there}")
        found += TOOLS[name]()
    return found

"""Finds a log by what the user calls it: `memory:`, `sqlite:events.db`, or a plain path.

Logs outside the core are entry points of the group `rxstream.logs`, named by their URL scheme; each is a
callable from the part after the colon to an `EventLog`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import cast

from rxstream.errors import AuthorError, MissingExtra
from rxstream.log.contract import EventLog
from rxstream.log.memory import MemoryLog


def open_log(name: str | os.PathLike[str] | EventLog | None) -> EventLog:
    """The log of that name, not opened yet; None is a log in memory. Raises `AuthorError`."""
    if isinstance(name, EventLog):
        return name
    if name is None or name in ("memory", "memory:"):
        return MemoryLog()
    text = os.fspath(name)
    scheme, colon, rest = text.partition(":")
    # one letter before a colon is a drive, not a scheme; a path object is always a path
    if not colon or len(scheme) == 1 or os.sep in scheme or not isinstance(name, str):
        scheme, rest = "sqlite", text
    found = entry_points(group="rxstream.logs", name=scheme)
    if not found:
        known = sorted({point.name for point in entry_points(group="rxstream.logs")} | {"memory"})
        raise AuthorError(
            f"no event log is called {scheme!r}: known are {', '.join(known)}; for a file of that name "
            f"write sqlite:{text}",
            code="unknown_log",
        )
    try:
        factory = cast("Callable[[str], EventLog]", next(iter(found)).load())
    except ImportError as error:
        raise MissingExtra(
            f"the {scheme} log needs {error.name}: pip install {error.name}"
        ) from error
    return factory(rest)

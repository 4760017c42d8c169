"""The files a path was rotated into, in the order in which they were written.

Beside `app.log` these are `app.log.1`, `app.log-20260131`, `app.log.2026-01-31_00-00`, `app-20260131.log` and
the like. Names are given by too many programs to tell the order, so it is that of the last change; of those
changed at once, small numbers are younger and later dates are. A compressed file is none of them.
"""

from __future__ import annotations

import os
import re
from typing import Final, NamedTuple

from rxstream.adapters.sources.regular import Identity

_STAMP: Final = r"[.\-_](\d[\d.\-_:TZ+]*)"
_COUNT_DIGITS: Final = 5
"""A longer number is a date."""

Age = tuple[int, int, int, str]
"""Sorts the oldest first."""


class Rotated(NamedTuple):
    """One of them."""

    path: str
    identity: Identity
    age: Age

    @property
    def changed_ns(self) -> int:
        """When it was changed last."""
        return self.age[0]


def rotations(path: str) -> list[Rotated]:
    """What is there now, the oldest first; nothing where the folder cannot be read."""
    folder, name = os.path.split(path)
    stem, extension = os.path.splitext(name)
    pattern = rf"{re.escape(name)}{_STAMP}\Z"
    if extension:
        pattern += rf"|{re.escape(stem)}{_STAMP}{re.escape(extension)}\Z"
    matches = re.compile(pattern).match
    found = []
    try:
        with os.scandir(folder or ".") as entries:
            for entry in entries:
                match = matches(entry.name)
                if match and entry.is_file():
                    status = entry.stat()
                    age = (status.st_mtime_ns, *_rank(match[match.lastindex or 1]))
                    found.append(Rotated(entry.path, Identity(status.st_dev, status.st_ino), age))
    except OSError:
        return []  # one was renamed under our eyes: whoever asks looks again
    return sorted(found, key=lambda one: one.age)


def _rank(stamp: str) -> tuple[int, int, str]:
    if stamp.isdigit() and len(stamp) <= _COUNT_DIGITS:
        return 0, -int(stamp), ""
    return 1, 0, stamp

"""The files a path was rotated into, in the order in which they were written.

Beside `app.log` these are `app.log.1`, `app.log-20260131`, `app.log.2026-01-31_00-00`, `app-20260131.log` and
the like. Names are given by too many programs to tell the order, so it is that of the last change; of those
changed at once, small numbers are younger and later dates are. A compressed file is none of them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Final, NamedTuple

from rxstream.adapters.sources.regular import Identity

_STAMP: Final = r"[.\-_](\d[\d.\-_:TZ+]*)"
_COUNT_DIGITS: Final = 5
"""A longer number is a date."""

_LOOKS: Final = 50
"""How often a folder is looked at in which files are being renamed."""

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
    for one in _files(folder or ".", lambda entry: bool(matches(entry.name))):
        match = matches(os.path.basename(one.path))
        assert match is not None
        rank = _rank(match[match.lastindex or 1])
        found.append(Rotated(one.path, one.identity, (one.changed_ns, *rank)))
    return sorted(found, key=lambda one: one.age)


def named(path: str, inode: int) -> list[str]:
    """What has that inode now, in the folder of the path."""
    files = _files(os.path.dirname(path) or ".", lambda entry: entry.inode() == inode)
    return [one.path for one in files]


class _File(NamedTuple):
    path: str
    identity: Identity
    changed_ns: int


def _files(folder: str, wanted: Callable[[os.DirEntry[str]], bool]) -> list[_File]:
    """Files of a folder, looked at until two looks agree: while files are renamed, a look may miss some."""
    before = None
    for _ in range(_LOOKS):
        try:
            found = _look(folder, wanted)
        except FileNotFoundError:
            continue  # renamed between its name and its status
        except OSError:
            break
        if before is not None and [one[:2] for one in found] == [one[:2] for one in before]:
            return found
        before = found
    return before or []


def _look(folder: str, wanted: Callable[[os.DirEntry[str]], bool]) -> list[_File]:
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if wanted(entry) and entry.is_file():
                status = entry.stat()
                identity = Identity(status.st_dev, status.st_ino)
                found.append(_File(entry.path, identity, status.st_mtime_ns))
    return sorted(found)


def _rank(stamp: str) -> tuple[int, int, str]:
    if stamp.isdigit() and len(stamp) <= _COUNT_DIGITS:
        return 0, -int(stamp), ""
    return 1, 0, stamp

"""Follows one path while its file grows, is cut short, or is rotated away and made anew.

Plain blocking code without a clock: whoever owns it calls `read` now and then, in a thread. A file is known
by what lies around the place that was reached, because inodes are given out again and a file can be written
anew in place. What it was rotated or copied to is found beside it, and read in the order it was written. It
must not know about lines.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, Final, NamedTuple

from rxstream.adapters.sources.regular import (
    CHUNK_BYTES,
    HEAD_BYTES,
    Identity,
    RegularFile,
    Trail,
    digest,
)
from rxstream.adapters.sources.rotations import Rotated, named, rotations

Mark = Mapping[str, Any]
"""A place in a file, with the file's inode and when it was changed last; inode 0 where there was none."""


_LOOKS: Final = 10
"""How often a file is looked for that is being renamed."""


class Change(Enum):
    """What a look at the path found."""

    GREW = "grew"
    QUIET = "quiet"
    ENDED = "ended"
    """Nothing more comes of what was read so far; the next bytes are another file's first."""


class Notice(NamedTuple):
    """What whoever reads should know: something may be missing."""

    status: str
    message: str


LOST = Notice("lost", "the file it stopped in is gone: lines may be missing")
CUT = Notice("cut", "the file was cut or written anew: what was not read of it is missing")


class _Read(NamedTuple):
    """A rotated file that is not to be read: when it was changed last, and how it begins."""

    changed_ns: int
    head: bytes


class Follower:
    """One path, read in order; `point(offset)` is where another one would go on."""

    def __init__(self, path: str, *, start: Mark | None, from_end: bool) -> None:
        self.path = path
        self.offset = 0
        """Where the next read begins in the present file."""
        self.notice: Notice | None = None
        """What has happened; taken by whoever tells it."""
        self.began = False
        """Whether another file was begun; reset by whoever cares."""
        self._start = start
        self._from_end = from_end
        self._file = RegularFile(path)
        self._trail: Trail
        self._older: dict[Identity, _Read] = {}
        """Rotated files that were read, or were there before the present one."""
        self._since_ns = 0
        """When the present file was changed last, before it was read last: what follows it is younger."""
        self._leaving = False
        self._over = False

    def open(self) -> None:
        """Look for the file the first time. It need not exist."""
        if self._start is not None:
            self._resume(self._start)
            return
        file = _opened(self.path)
        before = rotations(self.path)
        if file is not None:
            self._begin(file, _line_start(file) if self._from_end else 0)
        else:
            self._since_ns = max((one.changed_ns + 1 for one in before), default=0)
        self._older = _known(one for one in before if one.identity != self._file.identity)

    def read(self) -> tuple[Change, bytes]:
        """The next bytes of the path, or why there are none now."""
        if (self._over or not self._file.is_open) and not self._advance():
            return Change.QUIET, b""
        copy = self._cut_early()
        chunk = None if copy else self._chunk()
        if chunk is None:
            return self._cut(copy)
        if chunk:
            self._leaving = False
            self.offset += len(chunk)
            self._trail.extend(chunk)
            return Change.GREW, chunk
        if not self._superseded():
            return Change.QUIET, b""
        if not self._leaving:
            # whoever writes may not have noticed the rotation yet: look once more
            self._leaving = True
            return Change.QUIET, b""
        self._over = True
        return Change.ENDED, b""

    def point(self, offset: int) -> dict[str, Any]:
        """Where a run goes on that has seen everything before `offset` of the present file."""
        if not self._file.is_open:
            nothing = digest(b"")
            place: dict[str, Any] = {"offset": 0, "head": nothing, "near": nothing}
            return {**place, "inode": 0, "changed": self._since_ns}
        # a file written anew in place begins again, whatever was read of it before
        place = self._trail.mark(min(offset, self.offset))
        return {
            **place,
            "inode": self._file.identity.inode,
            "changed": self._since_ns,
        }

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    # -- the present file ----------------------------------------------------------------------

    def _begin(self, file: RegularFile, offset: int) -> None:
        self._file.close()
        self._since_ns = file.changed_ns()
        self._file, self.offset, self._trail = file, offset, Trail(file, offset)
        self._leaving = self._over = False

    def _chunk(self) -> bytes | None:
        """What follows in the present file; None when what was read of it is not there any more."""
        near, head = self._trail.near, self._trail.head
        since_ns = self._file.changed_ns()
        data = self._file.read(self.offset - len(near), len(near) + CHUNK_BYTES)
        if data[: len(near)] != near or self._file.read(0, len(head)) != head:
            return None
        self._since_ns = since_ns
        return data[len(near) :]

    def _cut_early(self) -> RegularFile | None:
        """A copy of the file, if it was cut before enough was read of it to see that."""
        if self.offset >= HEAD_BYTES:
            return None
        return _copied(self.path, self._file, self._trail.mark(self.offset), self._newer)

    def _cut(self, copy: RegularFile | None) -> tuple[Change, bytes]:
        mark = self._trail.mark(self.offset)
        copy = copy or _copied(self.path, self._file, mark, self._newer)
        if copy is not None:
            self._begin(copy, self.offset)
            return self.read()
        self.notice = CUT
        self.offset, self._trail = 0, Trail(self._file, 0)
        return Change.ENDED, b""

    # -- the next file -------------------------------------------------------------------------

    def _newer(self) -> list[Rotated]:
        """Rotated files that are still to be read, the oldest first."""
        return [
            one
            for one in rotations(self.path)
            if one.identity != self._file.identity and not self._is_older(one)
        ]

    def _is_older(self, one: Rotated) -> bool:
        known = self._older.get(one.identity)
        if known is None or known.changed_ns == one.changed_ns:
            return known is not None
        # written to since, or another file that was given the inode of a deleted one
        return bool(known.head) and _head(one).startswith(known.head)

    def _superseded(self) -> bool:
        """Whether there is something to go to after the present file."""
        if not os.path.exists(self.path):
            return bool(self._newer())
        return not _is_at(self.path, self._file.identity)

    def _advance(self) -> bool:
        """Begin the file that follows, if there is one."""
        if self._file.is_open:
            self._older[self._file.identity] = _Read(self._file.changed_ns(), self._trail.head)
        # opened before the others are listed, so that none can slip away in between
        newest = _opened(self.path)
        there = rotations(self.path)
        newer = [one for one in there if not self._is_older(one)]
        mine = None if newest is None else newest.identity
        # it may have been rotated in between, too, and then others come after it
        if newer and newer[0].identity != mine:
            if newest is not None:
                newest.close()
            newest = _the(newer[0])
            if newest is None:
                return False  # they are being renamed: look again later
        elif not newer:
            self._older = _known(one for one in there if one.identity != mine)
        if newest is None:
            return False
        self._begin(newest, 0)
        self.began = True
        return True

    # -- after a restart -----------------------------------------------------------------------

    def _resume(self, start: Mark) -> None:
        file = self._find(start)
        there = rotations(self.path)
        if file is None:
            self._older = _known(one for one in there if one.changed_ns < start["changed"])
            self._since_ns = int(start["changed"])
            if start["inode"]:
                self.notice = LOST
            return
        self._begin(file, int(start["offset"]))
        ages = [one.age for one in there if one.identity == file.identity]
        age = ages[0] if ages else (file.changed_ns(),)
        rotated = self._superseded()
        self._older = _known(
            one for one in there if one.identity != file.identity and (one.age < age or not rotated)
        )

    def _find(self, start: Mark) -> RegularFile | None:
        """The file of that inode under any name, else what holds the same: a copy."""

        def since() -> list[Rotated]:
            return [one for one in rotations(self.path) if one.changed_ns >= start["changed"]]

        for _ in range(_LOOKS):
            paths = named(self.path, int(start["inode"]))
            file = _holding(start, paths)
            if file is not None or named(self.path, int(start["inode"])) == paths:
                break
        if file is None:
            if not start["offset"]:
                return None
            return _holding(start, [*(one.path for one in since()), self.path])
        copy = _copied(self.path, file, start, since)
        if copy is None:
            return file
        file.close()
        return copy


def _opened(path: str) -> RegularFile | None:
    try:
        return RegularFile(path).open()
    except FileNotFoundError:
        return None


def _holding(mark: Mark, paths: Iterable[str]) -> RegularFile | None:
    """The first file that has the place."""
    for path in paths:
        file = _opened(path)
        if file is not None and file.holds(mark):
            return file
        if file is not None:
            file.close()
    return None


def _copied(
    path: str, file: RegularFile, mark: Mark, listed: Callable[[], list[Rotated]]
) -> RegularFile | None:
    """What of a file was copied away before it was cut: it has the place, and the file has not its end."""
    for _ in range(_LOOKS):
        moved = False
        if not _is_at(path, file.identity):
            return None
        for one in listed():
            copy = _the(one)
            if copy is None:
                moved = True
                continue
            end = copy.size()
            cut = copy.holds(mark) and not file.holds(Trail(copy, end).mark(end))
            # what was listed while it was renamed itself is no copy, but what came after it
            if cut and _is_at(path, file.identity):
                return copy
            copy.close()
        if not moved:
            break
    return None


def _the(one: Rotated) -> RegularFile | None:
    """The file that was found, unless it has another name by now."""
    file = _opened(one.path)
    if file is not None and file.identity != one.identity:
        file.close()
        return None
    return file


def _is_at(path: str, identity: Identity) -> bool:
    try:
        status = os.stat(path)
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == identity


def _known(found: Iterable[Rotated]) -> dict[Identity, _Read]:
    return {one.identity: _Read(one.changed_ns, _head(one)) for one in found}


def _head(one: Rotated) -> bytes:
    file = _the(one)
    if file is None:
        return b""
    try:
        return file.read(0, HEAD_BYTES)
    finally:
        file.close()


def _line_start(file: RegularFile) -> int:
    """Where the last, unfinished line begins; the file's end when every line is finished."""
    end = file.size()
    begin = max(0, end - CHUNK_BYTES)
    tail = file.read(begin, end - begin)
    line_feed = tail.rfind(b"\n")
    if line_feed >= 0:
        return begin + line_feed + 1
    return 0 if begin == 0 else end

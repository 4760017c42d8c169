"""Follows one path while its file grows, is cut short, or is rotated away and made anew.

Plain blocking code without a clock: whoever owns it calls `read` now and then, in a thread. A file is
known by its inode and by a digest of its first bytes, because inodes are given out again and a file can
be rewritten in place. It must not know about lines.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import Enum
from hashlib import blake2b
from typing import Any, Final

from rxstream.adapters.sources.regular import CHUNK_BYTES, RegularFile
from rxstream.errors import WorldError

_HEAD_BYTES: Final = 256


class Change(Enum):
    """What a look at the path found."""

    GREW = "grew"
    QUIET = "quiet"
    ENDED = "ended"
    """Nothing more comes of what was read so far; the next bytes are another file's first."""


class Follower:
    """One path, read in order; `point(offset)` is where another one would go on."""

    def __init__(self, path: str, *, start: Mapping[str, Any] | None, from_end: bool) -> None:
        self.path = path
        self.offset = 0
        """Where the next read begins in the present file."""
        self.lost = False
        """Whether the file that `start` names was not found, so that lines may be missing."""
        self._start = start
        self._from_end = from_end
        self._file = RegularFile(path)
        self._head = b""
        self._leaving = False

    def open(self) -> None:
        """Look for the file the first time. It need not exist."""
        if self._start is not None:
            self._resume(self._start)
        elif self._try_open() and self._from_end:
            self.offset = _line_start(self._file)
        # what appears later is read from its beginning
        self._read_head()

    def read(self) -> tuple[Change, bytes]:
        """The next bytes of the path, or why there are none now."""
        if not self._file.is_open:
            if not self._try_open():
                return Change.QUIET, b""
            self.offset, self._head, self._leaving = 0, b"", False
        if self._rewritten():
            self.offset, self._head = 0, b""
            return Change.ENDED, b""
        chunk = self._file.read(self.offset, CHUNK_BYTES)
        if chunk:
            self._leaving = False
            self.offset += len(chunk)
            self._read_head()
            return Change.GREW, chunk
        if not self._rotated():
            return Change.QUIET, b""
        if not self._leaving:
            # whoever writes may not have noticed the rotation yet: look once more
            self._leaving = True
            return Change.QUIET, b""
        self._file.close()
        return Change.ENDED, b""

    def point(self, offset: int) -> dict[str, Any]:
        """Where a run goes on that has seen everything before `offset` of the present file."""
        # a file rewritten in place begins again, whatever was read of it before
        offset = min(offset, self.offset)
        inode = self._file.identity.inode
        return {"inode": inode, "offset": offset, "head": _digest(self._head[:offset])}

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    # -- which file ----------------------------------------------------------------------------

    def _try_open(self) -> bool:
        file = RegularFile(self.path)
        try:
            file.open()
        except FileNotFoundError:
            return False
        self._file = file
        return True

    def _rotated(self) -> bool:
        try:
            status = os.stat(self.path)
        except OSError:
            return False  # nothing new to go to yet
        return (status.st_dev, status.st_ino) != self._file.identity

    def _rewritten(self) -> bool:
        if self._file.size() < self.offset:
            return True
        return bool(self._head) and self._file.read(0, len(self._head)) != self._head

    def _read_head(self) -> None:
        if self._file.is_open and len(self._head) < min(self.offset, _HEAD_BYTES):
            self._head = self._file.read(0, min(self.offset, _HEAD_BYTES))

    def _resume(self, start: Mapping[str, Any]) -> None:
        for path in self._candidates(int(start["inode"])):
            file = RegularFile(path)
            try:
                file.open()
            except (FileNotFoundError, WorldError):
                continue
            offset = int(start["offset"])
            head = file.read(0, min(offset, _HEAD_BYTES))
            if file.size() >= offset and _digest(head) == start["head"]:
                self._file, self.offset = file, offset
                return
            file.close()
        self.lost = int(start["offset"]) > 0
        self._try_open()

    def _candidates(self, inode: int) -> list[str]:
        """The path itself and what it may have been renamed to, if the inode is the same."""
        folder = os.path.dirname(self.path) or "."
        try:
            with os.scandir(folder) as entries:
                found = [entry.path for entry in entries if entry.inode() == inode]
        except OSError:
            return []
        return found


def _digest(head: bytes) -> str:
    return blake2b(head, digest_size=8).hexdigest()


def _line_start(file: RegularFile) -> int:
    """Where the last, unfinished line begins; the file's end when every line is finished."""
    end = file.size()
    begin = max(0, end - CHUNK_BYTES)
    tail = file.read(begin, end - begin)
    line_feed = tail.rfind(b"\n")
    if line_feed >= 0:
        return begin + line_feed + 1
    return 0 if begin == 0 else end

"""A regular file to read from: opened without ever blocking on what is no file, read at a given offset.

Its methods may wait for a disk, so they are called in a thread. A place in a file is known again by what lies
around it, because a path may hold another file by then. It must not know what the bytes mean.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

from rxstream.errors import WorldError

CHUNK_BYTES = 128 * 1024
"""What is read at once: larger gains nothing, smaller costs a hop between threads each."""


HEAD_BYTES = 256
"""So much of a file's beginning tells it from another."""

NEAR_BYTES = 64
"""So much before a place tells it from the same place in a file that was written anew."""


def digest(data: bytes) -> str:
    """A short name for bytes, which says nothing about them."""
    return blake2b(data, digest_size=8).hexdigest()


class Identity(NamedTuple):
    """What stays the same when a file is renamed."""

    device: int
    inode: int


class RegularFile:
    """Read-only; `open` may fail, and `close` may be called at any time and twice."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.identity = Identity(0, 0)
        self._fd = -1

    @property
    def is_open(self) -> bool:
        """Whether it holds a file descriptor."""
        return self._fd >= 0

    def open(self) -> RegularFile:
        """Open it. Raises FileNotFoundError, and `WorldError` when it cannot be read as a file."""
        try:
            # without O_NONBLOCK a FIFO would wait here for somebody to write
            fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise unreadable(self.path, error) from error
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(fd)
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise WorldError(
                f"cannot read {self.path}: it is {kind}"
                + ("" if stat.S_ISDIR(status.st_mode) else "; use sources.subprocess('cat', path)"),
                code="unreadable_file",
            )
        self._fd = fd
        self.identity = Identity(status.st_dev, status.st_ino)
        return self

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset` on; none at the end."""
        try:
            return os.pread(self._fd, size, offset)
        except OSError as error:
            raise unreadable(self.path, error) from error

    def holds(self, mark: Mapping[str, Any]) -> bool:
        """Whether this file has that place, and the same before it as far as the mark tells."""
        offset = int(mark["offset"])
        if self.size() < offset:
            return False
        known = Trail(self, offset).mark(offset)
        return all(mark[key] == value for key, value in known.items())

    def size(self) -> int:
        """Its size in bytes now."""
        return os.fstat(self._fd).st_size

    def changed_ns(self) -> int:
        """When it was changed last, in nanoseconds."""
        return os.fstat(self._fd).st_mtime_ns

    def close(self) -> None:
        """Release the file descriptor."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class Trail:
    """What was read around the place where reading stands, so that marking a place needs no disk."""

    def __init__(self, file: RegularFile, offset: int) -> None:
        self.head = file.read(0, min(offset, HEAD_BYTES))
        near = max(0, offset - NEAR_BYTES)
        self._recent = file.read(near, offset - near)
        self._end = offset

    @property
    def near(self) -> bytes:
        """The last bytes that were read."""
        return self._recent[-NEAR_BYTES:]

    def extend(self, chunk: bytes) -> None:
        """These bytes were read next."""
        if len(self.head) < HEAD_BYTES:
            self.head = (self.head + chunk)[:HEAD_BYTES]
        self._recent = self.near + chunk
        self._end += len(chunk)

    def mark(self, offset: int) -> dict[str, Any]:
        """A place in the last chunk, or at its end, as plain data by which `holds` knows it again."""
        behind = offset - self._end + len(self._recent)
        return {
            "offset": offset,
            "head": digest(self.head[:offset]),
            "near": digest(self._recent[max(0, behind - NEAR_BYTES) : behind]),
        }


def unreadable(path: str, error: OSError) -> WorldError:
    """The one line that says which file and why."""
    reason = (error.strerror or type(error).__name__).lower()
    return WorldError(f"cannot read {path}: {reason}", code="unreadable_file")

"""Commits of the write-ahead log that SQLite does not see, because something before them is damaged.

SQLite takes a frame whose checksum is wrong for the end, as a power cut leaves it: what was committed behind
it would be lost without a word. A power cut loses only the last commit, and a commit that failed leaves one
of its own; so two or more in a row behind the end are commits that were acknowledged. The format is that of
https://sqlite.org/fileformat2.html#walformat. Must not change anything.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

_HEADER: Final = 32
_FRAME: Final = 24
_LAST_SEEN: Final = slice(16, 20)  # of the wal-index, in the machine's own order
_BIG_ENDIAN: Final = 0x377F0683


class _Frame(NamedTuple):
    number: int
    commits: bool
    begin: bytes
    checksum: tuple[int, int]


def lost_commits(path: str) -> int:
    """How many commits cannot be read any more. Ask after a connection has read the file."""
    try:
        with open(f"{path}-wal", "rb") as wal:
            header = wal.read(_HEADER)
            frames = list(_frames(wal, header))
            with open(f"{path}-shm", "rb") as index:
                seen = int.from_bytes(index.read(_LAST_SEEN.stop)[_LAST_SEEN], sys.byteorder)
            wal.seek(0)
            if wal.read(_HEADER) != header:
                return 0  # begun anew meanwhile: then all of it was in the file
            unseen = [frame for frame in frames if frame.number > seen]
            if sum(frame.commits for frame in unseen) < 2:
                return 0
            return _longest(wal, header, unseen)
    except OSError:
        return 0  # there is none, or a connection is closing it


def _frames(wal: BinaryIO, header: bytes) -> Iterator[_Frame]:
    """Those of this turn of the log, however far they reach."""
    page, salts = int.from_bytes(header[8:12], "big"), header[16:24]
    number = 0
    while page and len(head := wal.read(_FRAME)) == _FRAME:
        number += 1
        wal.seek(page, 1)
        if head[8:16] == salts:
            checksum = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
            yield _Frame(number, any(head[4:8]), head[:8], checksum)


def _longest(wal: BinaryIO, header: bytes, frames: list[_Frame]) -> int:
    """The most commits in frames that follow each other as their checksums say."""
    page = int.from_bytes(header[8:12], "big")
    big = int.from_bytes(header[:4], "big") == _BIG_ENDIAN
    most = commits = 0
    before: _Frame | None = None
    for frame in frames:
        wal.seek(_HEADER + (frame.number - 1) * (_FRAME + page) + _FRAME)
        follows = before is not None and before.number + 1 == frame.number
        if follows and before is not None:
            body = frame.begin + wal.read(page)
            follows = _checksum(before.checksum, body, big=big) == frame.checksum
        commits = (commits if follows else 0) + frame.commits
        most = max(most, commits)
        before = frame
    return most if most > 1 else 0


def _checksum(seed: tuple[int, int], data: bytes, *, big: bool) -> tuple[int, int]:
    words = array("I", data)
    if big != (sys.byteorder == "big"):
        words.byteswap()
    first, second = seed
    for i in range(0, len(words), 2):
        first = (first + words[i] + second) & 0xFFFFFFFF
        second = (second + words[i + 1] + first) & 0xFFFFFFFF
    return first, second

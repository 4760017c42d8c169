"""Commits of the write-ahead log that SQLite does not see, because something before them is damaged.

SQLite takes a frame whose checksum is wrong for the end, as a power cut leaves it: what was committed behind
it would be lost without a word. A power cut loses only the last commit, and a commit that failed leaves one
of its own; so two or more in a row behind the end are commits that were acknowledged. The format is that of
https://sqlite.org/fileformat2.html#walformat. Must not change anything, and must not open the log's file
nor its wal-index: closing them would take the locks away that SQLite holds for this process.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

_HEADER: Final = 32
_FRAME: Final = 24
_BIG_ENDIAN: Final = 0x377F0683


class _Frame(NamedTuple):
    number: int
    commits: bool
    begin: bytes
    checksum: tuple[int, int]


def lost_commits(path: str, seen: int | None = None) -> int:
    """How many commits cannot be read any more.

    `seen` is the number of frames SQLite sees; without it they are counted here, some 10 MB a second.
    """
    try:
        with open(f"{path}-wal", "rb") as wal:
            header = wal.read(_HEADER)
            frames = list(_frames(wal, header))
            if seen is None:
                seen = _whole(wal, header, frames)
            unseen = [frame for frame in frames if frame.number > seen]
            lost = _longest(wal, header, unseen) if sum(f.commits for f in unseen) > 1 else 0
            wal.seek(0)
            # begun anew meanwhile: then all of it is in the file
            return lost if wal.read(_HEADER) == header else 0
    except OSError:
        return 0  # there is none


def _frames(wal: BinaryIO, header: bytes) -> Iterator[_Frame]:
    """Those of this turn of the log, however far they reach."""
    page, salts = int.from_bytes(header[8:12], "big"), header[16:24]
    number = 0
    while page and len(head := wal.read(_FRAME)) == _FRAME:
        number += 1
        wal.seek(page, 1)
        if head[8:16] == salts:
            yield _Frame(number, any(head[4:8]), head[:8], _words(head[16:24]))


def _whole(wal: BinaryIO, header: bytes, frames: list[_Frame]) -> int:
    """Number of the last frame up to which each follows the one before."""
    before = _Frame(0, False, b"", _words(header[24:32]))
    for frame in frames:
        if not _follows(wal, header, before, frame):
            break
        before = frame
    return before.number


def _longest(wal: BinaryIO, header: bytes, frames: list[_Frame]) -> int:
    """The most commits, of at least two, in frames that follow each other."""
    most = commits = 0
    before: _Frame | None = None
    for frame in frames:
        follows = before is not None and _follows(wal, header, before, frame)
        commits = (commits if follows else 0) + frame.commits
        most = max(most, commits)
        before = frame
    return most if most > 1 else 0


def _follows(wal: BinaryIO, header: bytes, before: _Frame, frame: _Frame) -> bool:
    """Whether a frame is whole, and was written after the other."""
    if before.number + 1 != frame.number:
        return False
    page = int.from_bytes(header[8:12], "big")
    wal.seek(_HEADER + (frame.number - 1) * (_FRAME + page) + _FRAME)
    body = frame.begin + wal.read(page)
    big = int.from_bytes(header[:4], "big") == _BIG_ENDIAN
    return len(body) == 8 + page and _checksum(before.checksum, body, big=big) == frame.checksum


def _words(data: bytes) -> tuple[int, int]:
    return int.from_bytes(data[:4], "big"), int.from_bytes(data[4:], "big")


def _checksum(seed: tuple[int, int], data: bytes, *, big: bool) -> tuple[int, int]:
    words = array("I", data)
    if big != (sys.byteorder == "big"):
        words.byteswap()
    first, second = seed
    for i in range(0, len(words), 2):
        first = (first + words[i] + second) & 0xFFFFFFFF
        second = (second + words[i + 1] + first) & 0xFFFFFFFF
    return first, second

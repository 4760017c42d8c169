"""How much a running command has added to the folders it may write to.

Nothing is walked while the disks lose less room than the command may take, which is asked of the file system
and costs nothing. When they have lost more, others may have taken it: then the files that changed since the
command began are counted, also those without a name that it holds open. So a command is found to have
exceeded its limit only when both say so. A folder that it has hidden since, by its mode or by its depth, is
taken to hold what is missing. A file without a name that no process holds open, but only maps, is not found.
It must not change anything.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final

_BLOCK: Final = 512
_COARSE_S: Final = 0.01
"""The clock of a file system is behind by up to a tick."""
_REST: Final = 10
"""Rest after a walk, in walks: whoever else fills the disk must not make us walk all the time."""


class Growth:
    """What may be added to these folders in all, in bytes; 0 for no limit. Counts from now on."""

    def __init__(self, folders: Sequence[str], limit: int) -> None:
        self._folders = folders
        self._limit = limit
        self._begun = time.time() - _COARSE_S
        self._disks = {os.stat(folder).st_dev: folder for folder in folders}
        self._free = {disk: _free(folder) for disk, folder in self._disks.items()}
        self._no_walk_before = 0.0

    def free(self) -> int:
        """Bytes that are free on the fullest of their disks."""
        return min(map(_free, self._disks.values()))

    def exceeded(self, processes: Callable[[], Iterable[int]]) -> bool:
        """Whether more was added; `processes` are those whose open files count."""
        lost = sum(self._free[disk] - _free(folder) for disk, folder in self._disks.items())
        now = time.monotonic()
        if not self._limit or lost <= self._limit or now < self._no_walk_before:
            return False
        added = 0
        try:
            for size in self._sizes(processes):
                added += size
                if added > self._limit:
                    return True
        except _Hidden:
            return True
        after = time.monotonic()
        self._no_walk_before = after + _REST * (after - now)
        return False

    def _sizes(self, processes: Callable[[], Iterable[int]]) -> Iterator[int]:
        """Of each file that changed, once."""
        seen: set[tuple[int, int]] = set()
        below = (_below(folder, self._begun) for folder in self._folders)
        for found in (*below, _nameless(processes())):
            for each in found:
                key = each.st_dev, each.st_ino
                if each.st_ctime >= self._begun and key[0] in self._disks and key not in seen:
                    seen.add(key)
                    yield each.st_blocks * _BLOCK


class _Hidden(Exception):
    """A folder that changed since cannot be looked into."""


def _below(folder: str, begun: float) -> Iterator[os.stat_result]:
    waiting = [(folder, 0.0)]
    while waiting:
        path, changed = waiting.pop()
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):
                        found = entry.stat(follow_symlinks=False)
                        if stat.S_ISDIR(found.st_mode):
                            waiting.append((entry.path, found.st_ctime))
                        yield found
        except FileNotFoundError:
            continue
        except OSError:
            if changed >= begun:
                raise _Hidden from None


def _nameless(processes: Iterable[int]) -> Iterator[os.stat_result]:
    for pid in processes:
        with suppress(OSError):  # it has ended meanwhile, or is not ours to look at
            for number in os.listdir(f"/proc/{pid}/fd"):
                with suppress(OSError):
                    found = os.stat(f"/proc/{pid}/fd/{number}")
                    if found.st_nlink == 0 and stat.S_ISREG(found.st_mode):
                        yield found


def _free(folder: str) -> int:
    try:
        found = os.statvfs(folder)
    except OSError:  # the folder is gone, and what is free matters no more
        return 1 << 62
    return found.f_bavail * found.f_frsize

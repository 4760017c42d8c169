"""Memory that the kernel holds for a command and no process of it has, where no control group counts it.

Thousands of files without contents, in folders in memory, and thousands of sockets with full buffers take
gigabytes. The files are counted. What is in sockets is not told for one command, so two things are asked:
whether the machine has lost more than the command may take, and whether its sockets could hold that; only
when both say so it has exceeded its limit. It must not end anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

_SOCKET_BYTES: Final = 2 * 212_992
"""Twice the buffer that a socket has unless somebody asks for more: a full one takes more than is in it."""
_NAME_BYTES: Final = 1_000
"""A file without contents: its inode and its entry."""
_FOLDERS: Final = ("/tmp", "/dev/shm")


class Unseen:
    """Counts from now on."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._begun = available()

    def exceeded(self, processes: Sequence[int], resident: int) -> bool:
        """Whether the command has more than its limit, with what its processes have themselves."""
        held = resident + _names(processes) * _NAME_BYTES
        if held > self._limit:
            return True
        if self._begun - available() <= self._limit:
            return False
        sockets = {each for pid in processes for each in _sockets(pid)}
        return held + len(sockets) * _SOCKET_BYTES > self._limit


def available() -> int:
    """Bytes that the machine could give to somebody."""
    with suppress(OSError), open("/proc/meminfo", "rb") as told:
        for line in told:
            if line.startswith(b"MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 0


def _sockets(pid: int) -> Iterator[str]:
    with suppress(OSError):  # it has ended meanwhile, or is not ours to look at
        for number in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                target = os.readlink(f"/proc/{pid}/fd/{number}")
                if target.startswith("socket:"):
                    yield target


def _names(processes: Sequence[int]) -> int:
    """Files in folders in memory, as the first process sees them that we may look at."""
    for pid in processes:
        with suppress(OSError):
            seen = [os.statvfs(f"/proc/{pid}/root{folder}") for folder in _FOLDERS]
            return sum(each.f_files - each.f_ffree for each in seen)
    return 0

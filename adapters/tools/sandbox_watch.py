"""What a running command takes of the machine, looked at several times a second.

The kernel holds one process to its memory (`RLIMIT_DATA`); this is about all of them together, and about
what the kernel does not count for root. What happens between two looks is not seen. It must not end anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from rxstream.adapters.sources.blocking import blocking

_PAGE: Final = os.sysconf("SC_PAGESIZE")


class _Process(NamedTuple):
    pid: int
    parent: int
    resident: int


@dataclass(frozen=True)
class Watch:
    """The limits looked after; 0 looks after nothing."""

    memory: int = 0
    processes: int = 0
    folder: str = ""
    spare_disk: int = 0
    every: float = 0.1

    async def look(self, pid: int) -> Literal["memory", "processes", "disk"] | None:
        """What the process and its descendants have exceeded."""
        return await blocking(self._exceeded, pid)

    def _exceeded(self, pid: int) -> Literal["memory", "processes", "disk"] | None:
        if self.spare_disk and self.folder:
            with suppress(OSError):
                found = os.statvfs(self.folder)
                if found.f_bavail * found.f_frsize < self.spare_disk:
                    return "disk"
        if not self.memory and not self.processes:
            return None
        family = descendants(pid)
        if self.processes and len(family) > self.processes:
            return "processes"
        resident = sum(each.resident for each in family)
        if self.memory and resident > self.memory and sum(map(_share, family)) > self.memory:
            return "memory"
        return None


def descendants(pid: int) -> list[_Process]:
    """What the process has started, at any depth."""
    children: dict[int, list[_Process]] = {}
    for each in _all():
        children.setdefault(each.parent, []).append(each)
    found: list[_Process] = []
    waiting = [pid]
    while waiting:
        mine = children.pop(waiting.pop(), [])
        found += mine
        waiting += [each.pid for each in mine]
    return found


def _all() -> Iterator[_Process]:
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat", "rb") as stat:
                said = stat.read().rpartition(b")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        yield _Process(int(entry), int(said[1]), int(said[21]) * _PAGE)


def _share(process: _Process) -> int:
    """Its memory, with what it shares counted in parts: exact, but slow to ask for."""
    with suppress(OSError, ValueError), open(f"/proc/{process.pid}/smaps_rollup", "rb") as said:
        for line in said:
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    return process.resident

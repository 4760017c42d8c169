"""What a running command takes of the machine, looked at several times a second.

The kernel holds one process to its memory (`RLIMIT_DATA`) and its time of the processors (`RLIMIT_CPU`); this
is about all of them together, and about what the kernel does not count for root. What happens between two
looks is not seen. It must not end anything.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias

from rxstream.adapters.sources.blocking import blocking
from rxstream.adapters.tools.sandbox_growth import Growth
from rxstream.adapters.tools.sandbox_unseen import Unseen

_PAGE: Final = os.sysconf("SC_PAGESIZE")
_TICKS: Final = os.sysconf("SC_CLK_TCK")

Exceeded: TypeAlias = Literal["memory", "processes", "cpu", "disk", "growth"]


class _Process(NamedTuple):
    pid: int
    parent: int
    resident: int
    cpu: float
    """Seconds, with those of the children it waited for."""


@dataclass
class Watch:
    """The limits looked after, for one command; 0 looks after nothing."""

    memory: int = 0
    processes: int = 0
    cpu: float = 0
    cpu_taken: Callable[[], float | None] = lambda: None
    """Seconds that the kernel has counted of all of them, where it does."""
    growth: Growth | None = None
    unseen: Unseen | None = None
    spare_disk: int = 0
    itself: bool = False
    """Whether the process is the command's own, and counts; else it only waits for the command."""
    every: float = 0.1
    _no_cpu_before: float = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._no_cpu_before = _earliest(self.cpu)

    async def look(self, pid: int) -> Exceeded | None:
        """What the process and its descendants have exceeded."""
        return await blocking(self._exceeded, pid)

    def _exceeded(self, pid: int) -> Exceeded | None:
        if self.growth is not None:
            if self.spare_disk and self.growth.free() < self.spare_disk:
                return "disk"
            if self.growth.exceeded(lambda: [each.pid for each in descendants(pid)]):
                return "growth"
        cpu = self.cpu > 0 and time.monotonic() >= self._no_cpu_before
        if not (self.memory or self.processes or cpu):
            return None
        family = descendants(pid, self.itself)
        if self.processes and len(family) > self.processes:
            return "processes"
        if cpu and self._spent(family) > self.cpu:
            return "cpu"
        resident = sum(each.resident for each in family)
        if self.memory and resident > self.memory and sum(map(_share, family)) > self.memory:
            return "memory"
        if self.unseen and self.unseen.exceeded([each.pid for each in family], resident):
            return "memory"
        return None

    def _spent(self, family: list[_Process]) -> float:
        # what a child took that nobody waits for is known to the kernel only
        spent = max(sum(each.cpu for each in family), self.cpu_taken() or 0)
        self._no_cpu_before = _earliest(self.cpu - spent)
        return spent


def _earliest(cpu: float) -> float:
    """When so much time of the processors can have passed at the earliest; before, nobody has to look."""
    return time.monotonic() + max(0.0, cpu) / (os.cpu_count() or 1)


def descendants(pid: int, itself: bool = False) -> list[_Process]:
    """What the process has started, at any depth, and the process too if wanted."""
    children: dict[int, list[_Process]] = {}
    found: list[_Process] = []
    for each in _all():
        children.setdefault(each.parent, []).append(each)
        if itself and each.pid == pid:
            found.append(each)
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
        cpu = sum(map(int, said[11:15])) / _TICKS
        yield _Process(int(entry), int(said[1]), int(said[21]) * _PAGE, cpu)


def _share(process: _Process) -> int:
    """Its memory, with what it shares counted in parts: exact, but slow to ask for."""
    with suppress(OSError, ValueError), open(f"/proc/{process.pid}/smaps_rollup", "rb") as said:
        for line in said:
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    return process.resident

"""Processes with everything they have started: found, told to end and waited for.

Their groups, their sessions and all descendants of those belong to them. What has left both is found while
its parent lives, so look before that is ended. Linux lists processes under `/proc`; where nothing does, only
the groups can be reached. Looking asks the system for every process there is, and waiting blocks: not for a
loop.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, NamedTuple

_PROCESSES: Final = "/proc"
_LOOK_AGAIN_S: Final = 0.01


class _Process(NamedTuple):
    """One line of what the system tells."""

    pid: int
    parent: int
    group: int
    session: int
    begun: str
    """Another process that gets its id later has begun later."""
    alive: bool


class Family:
    """Child processes of this process, and what they have started."""

    def __init__(self, *pids: int) -> None:
        self._children = frozenset(pids)
        self._members: dict[int, str] = {}
        """By id, when each began."""

    def look(self) -> list[int]:
        """The ids of all that live; whom it has found it knows from then on."""
        found = list(_all())
        if not found:
            return list(filter(_group_lives, self._children))
        growing = True
        while growing:
            growing = False
            for each in found:
                if each.pid not in self._members and self._has(each):
                    self._members[each.pid] = each.begun
                    growing = True
        return [e.pid for e in found if e.alive and self._members.get(e.pid) == e.begun]

    def end(self, number: signal.Signals, seconds: float) -> bool:
        """Send every member a signal, once, and wait until none lives; whether that was so in time."""
        told: set[int] = set()
        deadline = time.monotonic() + seconds
        while alive := self.look():
            for pid in alive:
                if pid not in told:
                    told.add(pid)
                    self._tell(pid, number)
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_AGAIN_S)  # nothing tells of the end of a child's child
        return True

    def _has(self, each: _Process) -> bool:
        mine = {each.pid, each.group, each.session, each.parent}
        return not mine.isdisjoint(self._children) or each.parent in self._members

    def _tell(self, pid: int, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            if pid not in self._members:
                os.killpg(pid, number)
            else:
                os.kill(pid, number)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except OSError:  # there is none, or whoever is left has ended
        return False
    return True


def _all() -> Iterator[_Process]:
    try:
        entries = os.listdir(_PROCESSES)
    except OSError:
        return
    for entry in filter(str.isdigit, entries):
        try:
            with open(f"{_PROCESSES}/{entry}/stat", encoding="utf-8", errors="replace") as stat:
                said = stat.read().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        parent, group, session = map(int, said[1:4])
        yield _Process(int(entry), parent, group, session, said[19], said[0] not in "ZX")

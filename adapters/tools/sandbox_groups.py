"""A control group for one command, where this process may make one: the kernel counts all of it, root or not.

What it limits is the memory of all processes together, with what they put into folders in memory, and the
number of processes. Both versions of control groups: in the second a group beside our own, because a group
that has members gives no limits to groups below it. It must not know what the command is.
"""

from __future__ import annotations

import functools
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

_REMOVING_S: Final = 1.0
_PREFIX: Final = "rxstream-"


@dataclass(frozen=True)
class Kind:
    """Where groups can be made, by what they limit."""

    version: int
    memory: Path
    processes: Path


class Group:
    """The folders of one command, one for each hierarchy it needs; entering each takes a moment.

    Without `processes` they are not counted here.
    """

    def __init__(self, kind: Kind, memory: int, processes: int | None) -> None:
        name = f"{_PREFIX}{os.getpid()}-{uuid.uuid4().hex}"
        self._kind = kind
        self._memory = kind.memory / name
        self._processes = (kind.memory if processes is None else kind.processes) / name
        try:
            for folder in self._folders:
                folder.mkdir()
            if kind.version == 2:
                (self._memory / "memory.max").write_text(str(memory))
                with suppress(OSError):  # no swap, or an older kernel
                    (self._memory / "memory.swap.max").write_text("0")
                    (self._memory / "memory.oom.group").write_text("1")
            else:
                (self._memory / "memory.limit_in_bytes").write_text(str(memory))
            if processes is not None:
                (self._processes / "pids.max").write_text(str(processes))
        except OSError:
            self.remove()
            raise

    @property
    def _folders(self) -> list[Path]:
        return list(dict.fromkeys((self._memory, self._processes)))

    def entering(self, argv: Sequence[str]) -> list[str]:
        """The command behind a shell that puts itself into the group first, so nothing of it is outside."""
        procs = [str(folder / "cgroup.procs") for folder in self._folders]
        code = 'for f; do shift; [ "$f" = -- ] && break; echo 0 > "$f" || exit 125; done; exec "$@"'
        return ["/bin/sh", "-c", code, "sh", *procs, "--", *argv]

    def had_too_much(self) -> bool:
        """Whether the kernel has ended a process because the group's memory was full."""
        name = "memory.events" if self._kind.version == 2 else "memory.oom_control"
        with suppress(OSError):
            for line in (self._memory / name).read_text().splitlines():
                key, _, count = line.partition(" ")
                if key == "oom_kill" and int(count) > 0:
                    return True
        return False

    def cpu_seconds(self) -> float | None:
        """What all of it has taken of the processors, ended processes too; None in the first version."""
        if self._kind.version == 2:
            with suppress(OSError):
                for line in (self._memory / "cpu.stat").read_text().splitlines():
                    key, _, count = line.partition(" ")
                    if key == "usage_usec":
                        return int(count) / 1e6
        return None

    def remove(self) -> None:
        """Remove it; what was in it has ended. Blocks for a moment."""
        deadline = time.monotonic() + _REMOVING_S
        for folder in self._folders:
            while True:
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError:  # the last process is still being taken apart
                    if time.monotonic() > deadline:
                        break
                    time.sleep(0.01)
                    continue
                break


@functools.lru_cache(maxsize=1)
def kind() -> Kind | None:
    """Where this process can make groups; tried once. None where it cannot."""
    for found in _kinds():
        try:
            Group(found, 1 << 30, 1 << 10).remove()
        except OSError:
            continue
        sweep(found)
        return found
    return None


def sweep(kind: Kind) -> None:
    """Remove what processes that were killed have left; a group that still has members cannot be removed."""
    for parent in {kind.memory, kind.processes}:
        for left in parent.glob(f"{_PREFIX}*"):
            owner = left.name.removeprefix(_PREFIX).partition("-")[0]
            if not (owner.isdigit() and psutil.pid_exists(int(owner))):
                with suppress(OSError):
                    left.rmdir()


def _kinds() -> Iterator[Kind]:
    try:
        own = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
        mounts = list(_mounts())
    except OSError:
        return
    paths = {name: path for _, names, path in own for name in names.split(",")}
    for mounted, kind_, _ in mounts:
        if kind_ != "cgroup2" or "" not in paths:
            continue
        mine = Path(mounted) / paths[""].lstrip("/")
        parent = mine if paths[""] == "/" else mine.parent
        with suppress(OSError):
            given = (parent / "cgroup.subtree_control").read_text().split()
            if {"memory", "pids"} <= set(given) and os.access(parent / "cgroup.procs", os.W_OK):
                yield Kind(2, parent, parent)
    first = {
        name: Path(mounted) / paths[name].lstrip("/")
        for mounted, kind_, options in mounts
        for name in ("memory", "pids")
        if kind_ == "cgroup" and name in options.split(",") and name in paths
    }
    if len(first) == 2:
        yield Kind(1, first["memory"], first["pids"])


def _mounts() -> Iterator[tuple[str, str, str]]:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mounted, name, options, *_ = line.split(" ")
        yield mounted, name, options

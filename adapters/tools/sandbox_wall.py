"""A second wall around the first, where the kernel has one: Landlock, put up before bubblewrap starts.

What leads past the namespaces to other processes is closed once more by another part of the kernel: signals,
tracing, and sockets that have a name and no file. Those belong to the network: with the host's, this is the
only wall before the services that listen on them. Of TCP it says nothing, for a command may talk to servers
of its own. Of files neither: a process under rules on files can make no mounts, so a program inside would
have to set them, and there is none that every sandbox has. Why it is no boundary alone is said in
docs/tools.md. It must not know what is run.
"""

from __future__ import annotations

import ctypes
import functools
import os
import stat
import sys
from typing import Final

_CREATE_RULESET: Final = 444
_VERSION: Final = 1
_WITH_SCOPES: Final = 6
"""Of the interface, from Linux 6.12 on; what came before adds too little."""
_SCOPES: Final = 1 | 2
"""Sockets that have a name and no file, and signals."""


@functools.lru_cache(maxsize=1)
def version() -> int:
    """Of the kernel's interface; 0 where it has none, or we no Python to call it."""
    if not sys.platform.startswith("linux") or not os.access(sys.executable or "", os.X_OK):
        return 0
    return max(0, int(ctypes.CDLL(None).syscall(_CREATE_RULESET, None, 0, _VERSION)))


def wall(bubblewrap: str) -> tuple[str, ...]:
    """What is said to `sandbox_launch` to put it up; nothing where it cannot stand."""
    # the wall forbids to gain rights, and a program with its owner's rights needs them
    if version() < _WITH_SCOPES or os.stat(bubblewrap).st_mode & stat.S_ISUID:
        return ()
    return ("wall", str(_SCOPES))


def told(bubblewrap: str) -> str:
    """The wall in words."""
    if not wall(bubblewrap):
        return "none (Linux 6.12 with Landlock has one)"
    return f"Landlock {version()}: signals, tracing, sockets without a file"

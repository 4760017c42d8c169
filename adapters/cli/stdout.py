"""Keeps stdout for what a program reads.

Graphs are other people's code: they print, and so do the C libraries and child processes they use. While a
command speaks to a program, everything else that goes to descriptor 1 goes to stderr instead.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Generator
from contextlib import contextmanager

STDOUT = 1
STDERR = 2


@contextmanager
def reserved() -> Generator[int, None, None]:
    """The descriptor of the real stdout; meanwhile descriptor 1 is stderr."""
    sys.stdout.flush()
    real = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)
    try:
        yield real
    finally:
        sys.stdout.flush()
        os.dup2(real, STDOUT)
        os.close(real)


def is_pipe(descriptor: int) -> bool:
    """Whether somebody at the other end may leave."""
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def write_all(descriptor: int, data: bytes) -> None:
    """Write to a descriptor, however many calls it takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]

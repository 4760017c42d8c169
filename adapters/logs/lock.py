"""One writer per log: a lock of the operating system on a file beside the log.

The kernel gives it up when the process that holds it ends, however it ends. Who holds it is written into the
file, for the message to whoever comes second. Must not know what the log is.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sys
from contextlib import suppress
from datetime import UTC, datetime

import orjson

from rxstream.errors import LogLocked


class FileLock:
    """The lock of the file at `path`, from `acquire` until `release` or the end of the process."""

    def __init__(self, path: str) -> None:
        self._shown = path
        self._path = f"{path}.lock"
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock. Raises `LogLocked` with who holds it, and `OSError`."""
        # never deleted: a second process may have it open, and would lock a file that nobody sees
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(os.pread(descriptor, 4_096, 0))
            os.close(descriptor)
            raise LogLocked(
                f"{self._shown} is written by {holder}: stop that one, or use another log"
            ) from None
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        with suppress(OSError):  # a full disk; the lock holds without the signature
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, _signature(), 0)

    def release(self) -> None:
        """Give the lock up, if it is held."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None


def _signature() -> bytes:
    return orjson.dumps(
        {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
            # the program only: its arguments may hold what nobody else should read
            "command": os.path.basename(sys.argv[0])[:80] or "python",
        }
    )


def _holder(signature: bytes) -> str:
    try:
        told = orjson.loads(signature)
        return f"process {told['pid']} on {told['host']} since {told['since']} ({told['command']})"
    except (ValueError, KeyError, TypeError):  # it took the lock and has not signed yet
        return "another process"

"""The command without its start: a process that has imported it forks a copy for each one that is needed.

A new interpreter with all its imports takes half a second of a processor, a fork of one some milliseconds,
and there are hundreds. A copy is a process like any other, in a session, a folder, an environment and with
standard streams of its own; it goes on where `python -m rxstream` is once everything is imported, and ends
as an interpreter ends. What has to do with the start itself is tested with a new interpreter.

Run as a script, this file is the process that forks: orders come through a socket, with the streams and a
pipe into which go the copy's id and later its status. It has no threads and no handlers, so that a fork is
whole.
"""

from __future__ import annotations

import fcntl
import gc
import importlib
import io
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

ROOT = Path(__file__).parents[3]

IMPORTED: Final = (
    "rxstream.adapters.cli",
    "rxstream.adapters.llm",
    "rxstream.adapters.logs",
    "rxstream.adapters.sources",
    "rxstream.adapters.terminal.chat",
    "rxstream.adapters.web",
    "rxstream.testing",
    "rich.live",
)
"""What most commands import sooner or later."""

_MESSAGE: Final = 2**20


def environment() -> dict[str, str]:
    """Of a user who has rxstream from this tree, and wants to hear of what is not closed."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "always::ResourceWarning"}


class Copy:
    """One that was forked: as much of a `subprocess.Popen` as tests use."""

    def __init__(self, told: int, stdout: IO[bytes] | None, stderr: IO[bytes] | None) -> None:
        self.stdout, self.stderr = stdout, stderr
        self.returncode: int | None = None
        self._told = open(told, "rb", buffering=0)  # noqa: SIM115  closed when it has ended
        self.pid = int(self._told.readline())

    def poll(self) -> int | None:
        """Its status, if it has ended."""
        return self._wait(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; returns its status. Raises TimeoutExpired after so many seconds."""
        status = self._wait(timeout)
        if status is None:
            raise subprocess.TimeoutExpired("rxstream", timeout or 0)
        return status

    def _wait(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], timeout)[0]:
            self.returncode = int(self._told.readline())
            self._told.close()
        return self.returncode

    def send_signal(self, signum: int) -> None:
        """Unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, signum)

    def kill(self) -> None:
        """With SIGKILL."""
        self.send_signal(signal.SIGKILL)


class Warm:
    """The process that forks, seen from the tests. Its end is the end of all that it forked."""

    def __init__(self) -> None:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=environment(),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def start(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
        controlling: bool = False,
        limits: Mapping[str, float] | None = None,
    ) -> Copy:
        """Fork one.

        With `controlling`, its stdin is the terminal that sends it signals. `limits` are other values for
        constants of modules, as `module:name`.
        """
        nothing = os.open(os.devnull, os.O_RDONLY)
        told, tell = os.pipe()
        theirs = [nothing, tell]
        streams = [nothing if stdin == subprocess.DEVNULL else stdin]
        mine: list[IO[bytes] | None] = [None, None]
        for number, given in enumerate((stdout, stderr)):
            if given == subprocess.PIPE:
                read, given = os.pipe()
                mine[number] = open(read, "rb")  # noqa: SIM115  closed by whoever reads it
                theirs.append(given)
            streams.append(given)
        order = {
            "arguments": list(arguments),
            "cwd": str(cwd),
            "env": dict(env),
            "controlling": controlling,
            "limits": dict(limits or {}),
        }
        message = json.dumps(order).encode()
        socket.send_fds(self._orders, [message], [*map(_number, streams), tell])
        for descriptor in theirs:
            os.close(descriptor)
        return Copy(told, *mine)

    def close(self) -> None:
        """End it, and what it forked."""
        self._orders.close()
        self._process.wait()


def _number(stream: int | IO[bytes]) -> int:
    return stream if isinstance(stream, int) else stream.fileno()


# -- in the process that forks -----------------------------------------------------------------


def _fork_for_each(orders: socket.socket) -> bool:
    """Fork for each order. Returns True in each copy, which is as ordered, and False at the end."""
    poll = select.poll()
    poll.register(orders, select.POLLIN)
    living: dict[
        int, tuple[int, int]
    ] = {}  # by a descriptor: the process, and where its end is told
    while True:
        for ready, _ in poll.poll():
            if ready != orders.fileno():
                poll.unregister(ready)
                _reap(ready, *living.pop(ready))
                continue
            message, descriptors, _, _ = socket.recv_fds(orders, _MESSAGE, 4)
            if not message:
                for child, _ in living.values():
                    with suppress(ProcessLookupError):
                        os.kill(child, signal.SIGKILL)
                return False
            child = os.fork()
            if not child:
                for other, (_, tell) in living.items():
                    os.close(other)
                    os.close(tell)
                _become(json.loads(message), *descriptors)
                return True
            for descriptor in descriptors[:3]:
                os.close(descriptor)
            watched = os.pidfd_open(child)
            poll.register(watched, select.POLLIN)
            living[watched] = child, descriptors[3]


def _reap(watched: int, child: int, tell: int) -> None:
    _, status = os.waitpid(child, 0)
    with suppress(BrokenPipeError):  # nobody wants to know
        os.write(tell, b"%d\n" % os.waitstatus_to_exitcode(status))
    os.close(tell)
    os.close(watched)


def _become(order: dict[str, Any], *descriptors: int) -> None:
    """What a new interpreter would be when it has imported everything."""
    os.setsid()
    for number, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, number)
        os.close(descriptor)
    if order["controlling"]:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv = ["rxstream", *order["arguments"]]
    sys.path.insert(0, order["cwd"])
    for place, limit in order["limits"].items():
        module, _, name = place.partition(":")
        setattr(importlib.import_module(module), name, limit)
    assert isinstance(sys.stdout, io.TextIOWrapper)
    sys.stdout.reconfigure(line_buffering=sys.stdout.isatty())
    os.write(descriptors[3], b"%d\n" % os.getpid())
    os.close(descriptors[3])


if __name__ == "__main__":
    del sys.path[0]  # of this file
    for _name in IMPORTED:
        importlib.import_module(_name)
    gc.collect()
    gc.freeze()  # what a fork does not touch is not copied
    with socket.socket(fileno=int(sys.argv[1])) as _orders:
        _forked = _fork_for_each(_orders)
    if _forked:
        runpy.run_module("rxstream", run_name="__main__", alter_sys=True)

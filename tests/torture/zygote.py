"""Processes by the hundred: one that has everything imported and runs nothing forks a life for each order.

A fork takes a few milliseconds where a new interpreter takes half a second. Orders come as lines of JSON on
stdin, and what became of each goes as a line to stdout; at the end of stdin it is gone, and with it whatever
it forked. It has no threads and no loop, so that a fork of it is whole.
"""

from __future__ import annotations

import ctypes
import gc
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from tests.torture.life import Order, live, watch

PATIENCE_S: Final = 120.0
"""After which a life that was to end by itself counts as hanging."""

_LEAVE_S: Final = 60.0
_PR_SET_PDEATHSIG: Final = 1
_PIPE: Final = 65_536


@dataclass(frozen=True)
class Ended:
    """What became of a life: `how` is done, at rest, killed, hung or broken."""

    how: str
    seconds: float
    failpoint: str | None = None
    """Where it was killed, if not from outside."""
    passed: dict[str, int] = field(default_factory=dict)
    """How often each failpoint was passed, of a life that was done."""
    said: str = ""
    """What it or its client complained of."""


class Zygote:
    """The forking process, seen from whoever gives the orders. Used by one thread."""

    def __init__(self) -> None:
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> Zygote:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def live(self, order: Order) -> Ended:
        """Let a workload process live, and wait for its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(orjson.dumps(asdict(order)) + b"\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the process that forks has ended")
        return Ended(**orjson.loads(answer))


# -- in the forking process --------------------------------------------------------------------


def _fork(function: Callable[[], None], log: str) -> int:
    """A child that does one thing and goes; what it says and why it fails is in `log`."""
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        function()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _wait(child: int, seconds: float) -> bool:
    """Whether it ended by itself in that time; it is still to be reaped."""
    descriptor = os.pidfd_open(child)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(seconds * 1_000))
    finally:
        os.close(descriptor)


def _carry_out(order: Order) -> Ended:
    log = f"{order.folder}/life-{order.number:03}"
    told, tell = os.pipe()
    invited, invite = os.pipe()
    begun = time.monotonic()

    def work() -> None:
        os.close(told)
        os.close(invited)
        live(order, tell, invite)

    def look() -> None:
        os.close(invite)
        os.close(tell)
        watch(order, invited)

    worker = _fork(work, f"{log}.txt")
    watcher = _fork(look, f"{log}-client.txt") if order.watched != "nobody" else None
    os.close(tell)
    os.close(invite)
    os.close(invited)
    patience = PATIENCE_S if order.kill_after_s is None else order.kill_after_s
    alone = _wait(worker, patience)
    if not alone:
        os.kill(worker, signal.SIGKILL)
    _, status = os.waitpid(worker, 0)
    seconds = time.monotonic() - begun
    words = os.read(told, _PIPE)
    os.close(told)
    said = ""
    if watcher is not None:
        if not _wait(watcher, _LEAVE_S):
            os.kill(watcher, signal.SIGKILL)
            said = "the client outside did not end with the workload"
        _, left = os.waitpid(watcher, 0)
        if left and not said:
            said = f"the client outside failed: {_last(f'{log}-client.txt')}"
    if not alone:
        how = "killed" if order.kill_after_s is not None else "hung"
        return Ended(how, seconds, said=said)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return Ended("killed", seconds, words.decode() or None, said=said)
    if status:
        return Ended("broken", seconds, said=f"status {status}: {_last(f'{log}.txt')}")
    told = orjson.loads(words)
    how = "done" if told["ended"] else "at rest"
    return Ended(how, seconds, passed=told["passed"], said=said)


def _last(path: str) -> str:
    lines = Path(path).read_text(errors="replace").splitlines() if os.path.exists(path) else []
    return "\n".join(lines[-30:])


def _run() -> None:
    gc.collect()
    gc.freeze()  # what a fork does not touch is not copied
    for line in sys.stdin.buffer:
        fields: dict[str, Any] = orjson.loads(line)
        sys.stdout.buffer.write(orjson.dumps(asdict(_carry_out(Order(**fields)))) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _run()

"""How an attempt to get out of a sandbox is written, and what it came to.

An attempt that returns something true has escaped; one that raises, returns nothing or is killed has not.
`harmless` ones are also run without a sandbox, where they must succeed: an attempt that could never succeed
proves nothing. The standard library only: inside there is no other.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import socket
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

Facts = SimpleNamespace
Attempt = Callable[[Facts], object]

ATTEMPTS: dict[str, Attempt] = {}
HARMLESS: set[str] = set()


def attempt(function: Attempt) -> Attempt:
    """Tried inside only."""
    ATTEMPTS[function.__name__] = function
    return function


def harmless(function: Attempt) -> Attempt:
    """Tried outside as well, where nothing may stop it."""
    HARMLESS.add(function.__name__)
    return attempt(function)


def said(path: str) -> str:
    with open(path, errors="replace") as file:
        return file.read(1 << 20)


def written(path: str) -> bool:
    with open(path, "w") as file:
        file.write("escaped")
    return True


def opened(path: str) -> bool:
    """Whether it can be opened to be written; nothing is."""
    os.close(os.open(path, os.O_WRONLY))
    return True


def call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result = int(libc.syscall(number, *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def listed(path: str) -> list[str]:
    return os.listdir(path) if os.path.isdir(path) else []


def others(path: str, facts: Facts) -> list[str]:
    """What a folder shows beside the way to what the sandbox was given."""
    return [
        name
        for name in os.listdir(path)
        if not any(each.startswith(os.path.join(path, name)) for each in facts.shown)
    ]


def answer(family: int, kind: int, address: Any) -> str:
    with socket.socket(family, kind) as asking:
        asking.settimeout(2)
        asking.connect(address)
        asking.send(b"?")
        return asking.recv(100).decode()


def outcome(function: Attempt, facts: Facts) -> str:
    """What an attempt came to, in a child of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        signal.alarm(10)
        try:
            reached = function(facts)
            line = f"ESCAPED {reached!r}" if reached else "nothing there"
        except BaseException as error:
            line = f"refused: {type(error).__name__}: {error}"
        os.write(writing, line.encode()[:4000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        line = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    return line or f"killed by {signal.Signals(os.WTERMSIG(status)).name}"


def refused(number: int) -> str:
    """What the kernel says to a call with nothing in it, in a child of its own."""

    def bare(facts: Facts) -> object:
        try:
            call(number, 0, 0, 0, 0, 0, 0)
        except OSError as error:
            return errno.errorcode[error.errno or 0]
        return "done"

    return outcome(bare, Facts()).split("'")[1]

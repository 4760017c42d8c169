"""Functions that child processes of the tests import."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any

import rxstream
from rxstream.engine.island import CURRENT
from tests.operators.parts import Bad


def square(number: int) -> int:
    return number * number


def who(_: Any) -> int:
    return os.getpid()


def slow_when_even(number: int) -> int:
    time.sleep(0.0 if number % 2 else 0.2)
    return number


def telling(number: int) -> str:
    rxstream.progress(number, "in the child")
    port = CURRENT.get()
    assert port is not None
    return f"{port.node_id} of {port.execution_id}"


def breaking(number: int) -> int:
    if number == 2:
        raise Bad("two")
    return number


class Picky(Exception):
    """Cannot be made again of its arguments."""

    def __init__(self, one: str, *, two: str) -> None:
        super().__init__(one, two)


def picky(number: int) -> int:
    raise Picky("a", two="b")


class Disguised(Exception):
    """Is made again as something else."""

    def __reduce__(self) -> Any:
        return ValueError, ("else",)


def disguised(number: int) -> int:
    raise Disguised(str(number))


def leaving(number: int) -> int:
    sys.exit(number)


def dying(number: int) -> int:
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def exiting(number: int) -> int:
    os._exit(number)


def unsendable(number: int) -> Any:
    return lambda: number


def unreadable(number: int) -> Any:
    return Unreadable()


class Unreadable:
    """Is sent but cannot be read."""

    def __reduce__(self) -> Any:
        return _refuse, ()


def _refuse() -> None:
    raise Bad("it cannot be made again")


def for_ever(path: str) -> None:
    """Write the ids of this process and of one it starts, then go on for ever."""
    grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    _write(path, f"{os.getpid()} {grandchild.pid}")
    while True:
        time.sleep(0.05)


def for_ever_apart(path: str) -> None:
    """The same, and what it starts leads a session of its own and will not end when asked to."""
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print(); time.sleep(600)"
    grandchild = subprocess.Popen(
        [sys.executable, "-c", deaf], start_new_session=True, stdout=subprocess.PIPE
    )
    assert grandchild.stdout is not None
    grandchild.stdout.readline()
    _write(path, f"{os.getpid()} {grandchild.pid}")
    while True:
        time.sleep(0.05)


def leave_one_behind(path: str) -> None:
    """Start a process, write its id and return."""
    _write(path, str(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid))


def deaf(path: str) -> None:
    """Go on for ever, also when asked to end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _write(path, str(os.getpid()))
    while True:
        time.sleep(0.05)


def _write(path: str, text: str) -> None:
    with open(f"{path}.new", "w") as file:
        file.write(text)
    os.replace(f"{path}.new", path)


class ExitsWhenRead:
    """Ends whoever reads it, as a script without a guard does."""

    def __call__(self, number: int) -> int:
        return number

    def __reduce__(self) -> Any:
        return sys.exit, (1,)


class Times:
    """A callable object."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def __call__(self, number: int) -> int:
        return number * self.factor


async def awaited(number: int) -> int:
    return number

"""Ways out of the sandbox: every one is tried, from the inside, and none leads out.

The attempts themselves are in `escaping`. All run in one sandbox, each in a process of its own, and are
reported one by one. The harmless ones also run without a sandbox and must succeed there.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import platform
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from rxstream.adapters.tools import sandbox
from rxstream.adapters.tools.sandbox import Limits, Sandbox
from rxstream.adapters.tools.sandbox_seccomp import ABSENT, EXAMINED, FIRST_UNKNOWN, REFUSED
from tests.adapters.tools import escaping
from tests.adapters.tools.escaping import __main__ as attempts
from tests.adapters.tools.escaping.trying import ATTEMPTS, HARMLESS

pytestmark = pytest.mark.usefixtures("boundary")

ARM = platform.machine() != "x86_64"
NUMBERS = {
    name: number
    for name, numbers in {**REFUSED, **ABSENT, **EXAMINED}.items()
    if (number := numbers[ARM]) is not None
}
BARE = {name: NUMBERS[name] for name in sorted(NUMBERS) if name in REFUSED or name in ABSENT}

FOLDER = Path(escaping.__file__).parent
ROOT = str(FOLDER.parents[3])
PROGRAM = (
    "-I",
    "-c",
    f"import sys; sys.path[:0] = [{ROOT!r}]; import {attempts.__name__} as m; m.main()",
)

Outcomes = dict[str, str]


@contextmanager
def answering(family: int, kind: int, address: Any) -> Iterator[Any]:
    """A service on the host that answers whoever reaches it."""
    with socket.socket(family, kind) as listening:
        listening.bind(address)
        if kind == socket.SOCK_STREAM:
            listening.listen()

        def serve() -> None:
            with suppress(OSError):
                while True:
                    if kind == socket.SOCK_DGRAM:
                        asked, address = listening.recvfrom(10)
                        if not asked:
                            return
                        listening.sendto(b"reached", address)
                    else:
                        with listening.accept()[0] as one:
                            one.recv(1)
                            one.send(b"reached")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
    thread.join()


class Host:
    """What there is to be reached, and whether it was."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.token = uuid.uuid4().hex
        self.mark = f"rxstream-{uuid.uuid4().hex}"
        self.work = folder / "work"
        self.outside = folder / "outside"
        self.secret = self.outside / "secret"
        self.work.mkdir()
        self.outside.mkdir()
        self.secret.write_text(self.token)
        self.named = Path("/dev/shm") / self.mark
        self.named.write_text(self.token)
        stack.callback(self.named.unlink)
        self.process = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(1000)", self.mark],
            env={"TOKEN": self.token},
        )
        stack.callback(self.process.wait)
        stack.callback(self.process.kill)
        self.shared = uuid.uuid4().int & 0x7FFFFFFF
        self._share(stack)
        served = stack.enter_context
        tcp = served(answering(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)))
        udp = served(answering(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)))
        unix = str(self.outside / "socket")
        served(answering(socket.AF_UNIX, socket.SOCK_STREAM, unix))
        served(answering(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + self.mark))
        self.facts = {
            "token": self.token,
            "mark": self.mark,
            "abstract": self.mark,
            "secret": str(self.secret),
            "outside": str(self.outside),
            "pid": self.process.pid,
            "host": os.uname().nodename,
            "shared": self.shared,
            "tcp": tcp[1],
            "udp": udp[1],
            "unix": unix,
            "calls": NUMBERS,
            "unknown": FIRST_UNKNOWN,
        }

    def _share(self, stack: ExitStack) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.shmat.restype = ctypes.c_void_p
        held = libc.shmget(self.shared, 4096, 0o1600)
        stack.callback(libc.shmctl, held, 0, None)
        at = libc.shmat(held, None, 0)
        ctypes.memmove(at, self.token.encode(), len(self.token))
        libc.shmdt(ctypes.c_void_p(at))
        semaphores = libc.semget(self.shared, 1, 0o1600)
        stack.callback(libc.semctl, semaphores, 0, 0)


def told(lines: str) -> Outcomes:
    return dict(json.loads(line) for line in lines.splitlines())


def tried(folder: Path) -> Outcomes:
    """Every attempt, and every refused call, in a sandbox."""
    shown = [sys.base_prefix, str(FOLDER)]
    with ExitStack() as stack:
        host = Host(folder, stack)
        facts = host.facts | {
            "shown": [*shown, str(host.work)],
            "wanted": list(ATTEMPTS),
            "bare": BARE,
        }
        box = Sandbox(host.work, readable=shown, limits=Limits(seconds=180))
        python = os.path.realpath(sys.executable)
        patched = stack.enter_context(pytest.MonkeyPatch.context())
        for name in ("LD_LIBRARY_PATH", "BASH_ENV", "ENV", "PYTHONPATH", "PROMPT_COMMAND", "TOKEN"):
            patched.setenv(name, host.token)
        with host.secret.open() as held:
            os.set_inheritable(held.fileno(), True)
            ran = asyncio.run(box.run([python, *PROGRAM], stdin=json.dumps(facts)))
        assert ran.exit_code == 0, ran.stderr
        outcomes = told(ran.stdout)
        left = {path.name for path in host.outside.iterdir()} - {"secret", "socket"}
        state = {
            "left": sorted(left),
            "secret": host.secret.read_text() == host.token,
            "running": host.process.poll() is None,
            "token": host.token in ran.stdout,
        }
        return outcomes | {"host": json.dumps(state)}


@pytest.fixture(scope="module")
def inside(boundary: str, tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    return tried(tmp_path_factory.mktemp("inside"))


@pytest.fixture(scope="module")
def outside(boundary: str, tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """The harmless attempts without a sandbox."""
    with ExitStack() as stack:
        host = Host(tmp_path_factory.mktemp("outside"), stack)
        facts = host.facts | {"shown": [], "wanted": sorted(HARMLESS), "bare": {}}
        ran = subprocess.run(
            [sys.executable, *PROGRAM],
            input=json.dumps(facts),
            capture_output=True,
            text=True,
            cwd=host.work,
            env={"TOKEN": host.token},
        )
        return told(ran.stdout)


@pytest.mark.parametrize("name", list(ATTEMPTS))
def test_an_attempt_does_not_lead_out(inside: Outcomes, name: str) -> None:
    assert not inside[name].startswith("ESCAPED"), ATTEMPTS[name].__doc__


def test_harmless_attempts_lead_there_without_a_sandbox(outside: Outcomes) -> None:
    assert len(HARMLESS) >= 32
    assert {name: said for name, said in outside.items() if not said.startswith("ESCAPED")} == {}


def test_calls_are_refused_by_the_filter(inside: Outcomes) -> None:
    said = {name: inside[name] for name in BARE}
    assert said == {name: "ENOSYS" if name in ABSENT else "EPERM" for name in BARE}


def test_the_host_is_as_it_was(inside: Outcomes) -> None:
    assert json.loads(inside["host"]) == {
        "left": [],
        "secret": True,
        "running": True,
        "token": False,
    }


def test_none_leads_out_where_root_cannot_be_somebody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "somebody", lambda readable, writable: None)
    outcomes = tried(tmp_path)
    assert {name: said for name, said in outcomes.items() if said.startswith("ESCAPED")} == {}
    assert json.loads(outcomes["host"])["left"] == []


def test_no_attempt_is_without_its_sentence() -> None:
    assert len(ATTEMPTS) >= 155
    assert [name for name, each in ATTEMPTS.items() if not each.__doc__] == []

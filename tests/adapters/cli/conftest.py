"""The real command in a folder of its own, ended with the test whatever happens."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.cli.terminals import Terminal
from tests.adapters.cli.warm import Copy, Warm, environment

DEADLINE = 40.0
PATIENT = {
    "rxstream.adapters.cli.interruption:GRACE": 60,
    "rxstream.adapters.cli.serve:_DRAINING": 60,
    "rxstream.adapters.cli.serve:_PATIENCE": 60,
}
"""Limits of a command that is not ended by force: what ends it sooner is its own doing."""


class Running:
    """A command that was started; what it wrote so far can be looked at."""

    def __init__(self, process: subprocess.Popen[bytes] | Copy) -> None:
        self.process = process
        self.out = b""
        self.err = b""

    def read(self, timeout: float = 0.05) -> None:
        """Take what can be read now."""
        streams = [s for s in (self.process.stdout, self.process.stderr) if s and not s.closed]
        for stream in select.select(streams, [], [], timeout)[0]:
            data = os.read(stream.fileno(), 65536)
            if not data:
                stream.close()
            elif stream is self.process.stdout:
                self.out += data
            else:
                self.err += data

    def until(self, happened: Callable[[Running], Any], what: str = "it") -> Any:
        """Poll until a condition on the output holds; its value is returned."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            if found := happened(self):
                return found
            self.read()
        raise AssertionError(f"{what} did not happen: {self.out[-2000:]!r} {self.err[-2000:]!r}")

    def line(self, beginning: str) -> str:
        """The first line on stdout that begins so, waited for."""

        def found(running: Running) -> str | None:
            whole = running.out.decode().rpartition("\n")[0].splitlines()
            return next((line for line in whole if line.startswith(beginning)), None)

        return str(self.until(found, f"a line {beginning!r}"))

    @property
    def url(self) -> str:
        """Where a server says it listens."""
        return self.line("rxstream listening on ").removeprefix("rxstream listening on ")

    def execute(self, graph: str, **params: Any) -> str:
        """Start an execution on this server; returns its id."""
        body = json.dumps({"graph": graph, "params": params}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/api/executions", body, headers)
        with urllib.request.urlopen(request, timeout=DEADLINE) as response:
            return str(json.load(response)["execution_id"])

    def get(self, path: str) -> Any:
        """What this server answers."""
        with urllib.request.urlopen(self.url + path, timeout=DEADLINE) as response:
            return json.load(response)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The whole JSON lines on stdout so far."""
        return [json.loads(line) for line in self.out.rpartition(b"\n")[0].splitlines()]

    def end(self) -> int:
        """Wait for the command's own end; returns its status."""
        self.until(lambda r: r.process.poll() is not None, "the end")
        while any(s and not s.closed for s in (self.process.stdout, self.process.stderr)):
            self.read()
        return int(self.process.wait())

    def signal(self, signum: int) -> None:
        """Send a signal and wait for the end, for much less than the minute that hanging graphs take."""
        self.process.send_signal(signum)
        self.process.wait(DEADLINE)

    @property
    def said(self) -> list[str]:
        """Lines on stderr."""
        return self.err.decode().splitlines()


class Command:
    """`rxstream` in a temporary folder."""

    def __init__(self, folder: Path, warm: Warm) -> None:
        self.folder = folder
        self.started: list[Running] = []
        self._warm = warm

    def write(self, name: str, text: str) -> None:
        """Put a file into the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def start(
        self, *arguments: str, env: Mapping[str, str] | None = None, **options: Any
    ) -> Running:
        """Start the command; it leads a session of its own. For `options` see `Warm.start`."""
        process = self._warm.start(
            arguments, cwd=self.folder, env=environment() | dict(env or {}), **options
        )
        return self._begun(process)

    def start_anew(self, *arguments: str) -> Running:
        """Start the command in a new interpreter."""
        process = subprocess.Popen(
            [sys.executable, "-m", "rxstream", *arguments],
            cwd=self.folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        return self._begun(process)

    def _begun(self, process: subprocess.Popen[bytes] | Copy) -> Running:
        running = Running(process)
        self.started.append(running)
        return running

    def run(self, *arguments: str) -> tuple[int, str, list[str]]:
        """Run to the end; returns status, stdout, lines of stderr."""
        running = self.start(*arguments)
        status = running.end()
        return status, running.out.decode(), running.said

    def close(self) -> None:
        """End what is still there."""
        for running in self.started:
            if running.process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(running.process.pid, signal.SIGKILL)
                running.process.wait()
            for stream in (running.process.stdout, running.process.stderr):
                if stream is not None:
                    stream.close()


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """What forks the command; of the session, so that no test is its owner."""
    made = Warm()
    yield made
    made.close()


@pytest.fixture
def rxstream(tmp_path: Path, warm: Warm) -> Iterator[Command]:
    command = Command(tmp_path, warm)
    yield command
    command.close()


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    made.close()


@pytest.fixture
def graphs(rxstream: Command) -> None:
    """The graphs of `graphs.py`, in the command's folder."""
    rxstream.write("graphs.py", Path(__file__).with_name("graphs.py").read_text())

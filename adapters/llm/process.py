"""A model on this machine: one child process with its HTTP server, shared by everyone in this
process.

Started on first use, kept while somebody uses it and a while after, and killed in bounded time:
when idle, when the event loop that used it ends, when the interpreter exits; it dies by itself
when this process is killed. One that crashed is started again by the next use. Must not know what
is asked of the model.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import importlib.util
import secrets
import subprocess
import sys
import threading
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import orjson

from rxstream.adapters.llm.errors import ModelError
from rxstream.adapters.llm.hermes import TEMPLATE
from rxstream.adapters.llm.weights import fetch, find
from rxstream.errors import MissingExtra

N_CTX: Final = 4_096
"""Tokens of context, shared by `N_PARALLEL` conversations at a time."""
N_PARALLEL: Final = 2
N_THREADS: Final = 1
"""One thread: with more, a busy machine makes gaps of seconds between tokens."""
IDLE_S: Final = 300.0
START_TIMEOUT_S: Final = 60.0
_KILL_S: Final = 5.0

Tell = Callable[[float | None, str], None]
"""Told how far the start is: a percentage or None, and what is being done. On the event loop."""


@dataclass(frozen=True)
class LocalEndpoint:
    """Where a local model listens; speaks OpenAI's chat completions and takes only this key."""

    base_url: str
    api_key: str = field(repr=False)
    model: str
    process: subprocess.Popen[bytes] = field(repr=False, compare=False)

    async def died(self) -> int | None:
        """The status its process ended with; None when it lives on for the next moments."""
        for _ in range(20):
            if (status := self.process.poll()) is not None:
                return status
            await asyncio.sleep(0.01)
        return None


@contextlib.asynccontextmanager
async def local(model: str = "smollm2", tell: Tell | None = None) -> AsyncIterator[LocalEndpoint]:
    """Use the local model while inside; its file is fetched and its server started if need be.

    Raises `MissingExtra` without xllamacpp, `WorldError` when the file cannot be had, `ModelError`
    when the server does not start.
    """
    say = tell or (lambda percentage, message: None)
    known(model)  # an unknown name is an error before anything is downloaded
    server = _server(model)
    lease = object()
    await _watch_loop()
    server.take(lease)
    try:
        path = await _file(model, say)
        if not server.running:
            say(None, "loading the model")
        endpoint = await server.endpoint(path)
        try:
            yield endpoint
        except ModelError:
            raise  # the model has answered
        except Exception as error:
            status = await endpoint.died()
            if status is None:
                raise
            raise ModelError(
                f"the local model's process ended with status {status}: ask again, it starts anew",
                code="model_died",
                retryable=True,
            ) from error
    finally:
        server.give_back(lease)


def known(model: str) -> None:
    """Raise why a model cannot run here: `MissingExtra`, and `AuthorError` for a name nobody knows."""
    find(model)
    if importlib.util.find_spec("xllamacpp") is None:
        raise MissingExtra("the local model needs xllamacpp: pip install 'rxstream[local]'")


async def _file(model: str, say: Tell) -> Path:
    stop = threading.Event()
    loop = asyncio.get_running_loop()

    def progress(here: int, total: int) -> None:
        message = f"fetching the model: {here / 1e6:.0f} of {total / 1e6:.0f} MB"
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody is left to be told
            loop.call_soon_threadsafe(_unless, stop, say, 100 * here / total, message)

    try:
        found = find(model)
        return (
            found.path
            if found.fetched
            else await asyncio.to_thread(fetch, model, progress=progress, stop=stop.is_set)
        )
    finally:
        stop.set()


def _unless(stop: threading.Event, say: Tell, percentage: float, message: str) -> None:
    if not stop.is_set():
        say(percentage, message)


class _Server:
    """The child process of one model. Any thread; the lock is held only for moments."""

    def __init__(self, model: str) -> None:
        self.model = model
        self._leases: set[object] = set()
        self._lock = threading.Lock()
        self._starting = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._endpoint: LocalEndpoint | None = None
        self._idle: asyncio.TimerHandle | None = None

    @property
    def running(self) -> bool:
        """Whether the process is alive and has said where it listens."""
        process = self._process
        return self._endpoint is not None and process is not None and process.poll() is None

    def take(self, lease: object) -> None:
        with self._lock:
            self._leases.add(lease)
        if self._idle is not None:
            self._idle.cancel()

    def give_back(self, lease: object) -> None:
        with self._lock:
            self._leases.discard(lease)
        if self._leases:
            return
        loop = asyncio.get_running_loop()
        if loop in _watched:
            self._idle = loop.call_later(IDLE_S, self.stop_unused)
        else:
            self.stop_unused()  # the loop is closing: no timer of it will ever fire

    async def endpoint(self, path: Path) -> LocalEndpoint:
        """Where it listens, started first if need be. Raises `ModelError`."""
        if self.running and self._endpoint is not None:
            return self._endpoint
        try:
            return await asyncio.to_thread(self._start, path)
        except asyncio.CancelledError:
            # the thread waits for the child's first line: no child, no waiting
            if len(self._leases) <= 1:
                self.stop()
            raise

    def _start(self, path: Path) -> LocalEndpoint:
        with self._starting:
            if self.running and self._endpoint is not None:
                return self._endpoint
            self.stop()
            key = secrets.token_urlsafe(24)
            process = subprocess.Popen(
                [sys.executable, "-m", _SERVER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in the terminal is for us, not for the model
            )
            with self._lock:
                self._process = process
            assert process.stdin is not None
            assert process.stdout is not None
            settings = {
                "path": str(path),
                "name": self.model,
                "n_ctx": N_CTX,
                "n_parallel": N_PARALLEL,
                "n_threads": N_THREADS,
                "api_key": key,
                "template": TEMPLATE,
            }
            too_late = threading.Timer(START_TIMEOUT_S, process.kill)
            too_late.daemon = True
            too_late.start()
            try:
                process.stdin.write(orjson.dumps(settings) + b"\n")
                process.stdin.flush()
                line = process.stdout.readline()
            except OSError:
                line = b""
            finally:
                too_late.cancel()
            said = orjson.loads(line) if line else {}
            if "url" not in said:
                status = self.stop()
                reason = said.get("error") or f"its process ended with status {status}"
                raise ModelError(f"the local model {self.model} did not start: {reason}")
            endpoint = LocalEndpoint(f"{said['url']}/v1", key, self.model, process)
            with self._lock:
                if self._process is process:
                    self._endpoint = endpoint
            return endpoint

    def stop_unused(self) -> None:
        """Kill it unless somebody uses it."""
        if not self._leases:
            self.stop()

    def stop(self) -> int | None:
        """Kill it, now; the status it ended with, or None if there was none."""
        with self._lock:
            process, self._process, self._endpoint = self._process, None, None
        if process is None:
            return None
        process.kill()
        try:
            status: int | None = process.wait(_KILL_S)
        except subprocess.TimeoutExpired:  # stuck in the kernel: it is killed as soon as it leaves
            status = None
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        return status


_SERVER: Final = "rxstream.adapters.llm._server"
_servers: dict[str, _Server] = {}
_watched: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncGenerator[None, None]] = (
    weakref.WeakKeyDictionary()
)


def _server(model: str) -> _Server:
    return _servers.setdefault(model, _Server(model))


def stop() -> None:
    """Kill every local model of this process, also one that is in use."""
    for server in _servers.values():
        server.stop()


atexit.register(stop)


async def _watch_loop() -> None:
    """See to it that unused models are killed when this loop ends.

    A loop that ends closes its asynchronous generators, and nothing else tells of its end.
    """
    loop = asyncio.get_running_loop()
    if loop not in _watched:
        _watched[loop] = watching = _until_the_loop_ends(loop)
        await anext(watching)


async def _until_the_loop_ends(
    loop: asyncio.AbstractEventLoop,
) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        _watched.pop(loop, None)
        for server in _servers.values():
            server.stop_unused()

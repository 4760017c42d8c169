"""One child process with everything it starts: its output in bounded memory, its end in bounded time.

Both channels are read as chunks; a channel nobody asked for is read only to keep its last lines (stderr)
or not opened (stdout). It must not know what the output means.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import signal
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, cast

import psutil

from rxstream.adapters.sources.blocking import blocking
from rxstream.errors import WorldError

STDOUT: Final = 1
STDERR: Final = 2

_PIPE_BYTES: Final = 1024 * 1024
_HIGH_WATER: Final = 256 * 1024
_KEPT_LINES: Final = 20
_KEPT_BYTES: Final = 8 * 1024
_LOOK_AGAIN: Final = 0.02
_AFTER_KILL: Final = 2.0


class Child(asyncio.SubprocessProtocol):
    """`start`, `read` until None, `wait`; `end` belongs in a `finally` and may be called at any time."""

    def __init__(self, wanted: Sequence[int]) -> None:
        self._wanted = wanted
        self._transport: asyncio.SubprocessTransport | None = None
        self._chunks: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        self._paused = False
        self._ending = False
        self._open: set[int] = set()
        self._said = b""
        self._exited = asyncio.Event()
        self._news = asyncio.Event()
        self._pid = 0

    async def start(
        self,
        args: Sequence[str],
        *,
        cwd: str | None,
        env: Mapping[str, str] | None,
        stdin: bytes | None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        """Start the program in a session of its own. Raises `WorldError` when it cannot be."""
        self._open = {STDERR, *self._wanted}
        try:
            await asyncio.get_running_loop().subprocess_exec(
                lambda: self,
                *args,
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=subprocess.PIPE if STDOUT in self._wanted else subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd=cwd,
                env=env,
                start_new_session=True,
                pass_fds=pass_fds,
            )
        except OSError as error:
            raise _not_started(args[0], cwd, error) from error
        for fd in self._wanted if hasattr(fcntl, "F_SETPIPE_SZ") else ():  # of Linux
            # else the two wait for each other at every 64 KiB, which a busy machine makes slow
            with suppress(OSError, ValueError):  # more than this user may have, or closed by now
                fcntl.fcntl(_number(self._pipe(fd)), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        if stdin is not None:
            pipe = cast(asyncio.WriteTransport, self._pipe(0))
            pipe.write(stdin)
            pipe.close()  # after what was written

    async def read(self, grace: float) -> tuple[int, bytes] | None:
        """The next chunk and its channel; None at the end of all output.

        Once the process has ended, whatever still holds its output is believed to be silent after
        `grace` seconds of silence.
        """
        while not self._chunks:
            if not self._open:
                return None
            self._news.clear()
            try:
                async with asyncio.timeout(grace if self._exited.is_set() else None):
                    await self._news.wait()
            except TimeoutError:
                return None
        fd, data = self._chunks.popleft()
        self._bytes -= len(data)
        if self._paused and self._bytes <= _HIGH_WATER // 2:
            self._set_paused(False)
        return fd, data

    def abandon(self) -> None:
        """Want no more of it: `read` gives what it holds, then None, whoever still writes."""
        self._ending = True
        self._open.clear()
        self._news.set()

    @property
    def pid(self) -> int:
        """Its process id; 0 until it is started."""
        return self._pid

    async def wait(self) -> int:
        """Its exit status; a negative one is the signal that ended it."""
        await self._exited.wait()
        assert self._transport is not None
        status = self._transport.get_returncode()
        return 0 if status is None else status

    @property
    def last_errors(self) -> list[str]:
        """The last lines it wrote to stderr, at most 20."""
        text = self._said.decode("utf-8", "replace")
        return [line for line in text.splitlines() if line.strip()][-_KEPT_LINES:]

    async def end(self, grace: float) -> None:
        """End it and all it started: TERM, then KILL after `grace` seconds, then reap it."""
        transport = self._transport
        if transport is None:
            return
        self._discard()
        family: list[psutil.Process] = []
        try:
            family = await blocking(_family, self._pid)
            self._signal(family, signal.SIGTERM)
            await self._gone(family, grace)
        finally:
            # also when this was cancelled: then without grace
            self._signal(family, signal.SIGKILL)
            try:
                await self._gone(family, _AFTER_KILL)
            finally:
                transport.close()

    def _signal(self, family: Sequence[psutil.Process], number: signal.Signals) -> None:
        # a group without members may be somebody else's by now; a process not yet reaped keeps its own
        if any(map(_alive, family)) or not self._exited.is_set():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, number)
        for process in family:
            # psutil looks whether the id still belongs to the same process
            with suppress(psutil.Error, ProcessLookupError):
                process.send_signal(number)

    async def _gone(self, family: Sequence[psutil.Process], seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while any(map(_alive, family)):  # noqa: ASYNC110 - no event tells of a grandchild's end
                    await asyncio.sleep(_LOOK_AGAIN)
                await self._exited.wait()

    # -- what the event loop tells -------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The process runs."""
        self._transport = cast(asyncio.SubprocessTransport, transport)
        self._pid = self._transport.get_pid()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """It wrote something."""
        if fd == STDERR:
            self._said = (self._said + data[-_KEPT_BYTES:])[-_KEPT_BYTES:]
        if fd in self._wanted and not self._ending:
            self._chunks.append((fd, data))
            self._bytes += len(data)
            self._news.set()
            if not self._paused and self._bytes > _HIGH_WATER:
                self._set_paused(True)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """One of its channels is closed."""
        self._open.discard(fd)
        self._news.set()

    def process_exited(self) -> None:
        """It ended and was reaped."""
        self._exited.set()
        self._news.set()

    def _pipe(self, fd: int) -> asyncio.BaseTransport | None:
        assert self._transport is not None
        return self._transport.get_pipe_transport(fd)

    def _set_paused(self, paused: bool) -> None:
        self._paused = paused
        for fd in self._wanted:
            pipe = self._pipe(fd)
            if isinstance(pipe, asyncio.ReadTransport) and not pipe.is_closing():
                if paused:
                    pipe.pause_reading()
                else:
                    pipe.resume_reading()

    def _discard(self) -> None:
        # read on, so that what it says while it ends does not hold it back
        self._ending = True
        self._chunks.clear()
        self._bytes = 0
        self._set_paused(False)


def _number(pipe: asyncio.BaseTransport | None) -> int:
    assert pipe is not None
    return int(pipe.get_extra_info("pipe").fileno())


def _family(pid: int) -> list[psutil.Process]:
    """The process, its group and session, and every descendant; asks the system, so in a thread."""
    found: set[psutil.Process] = set()
    for other in psutil.pids():
        with suppress(OSError, psutil.Error):
            if pid in (os.getpgid(other), os.getsid(other)):
                member = psutil.Process(other)
                found |= {member, *member.children(recursive=True)}
    return list(found)


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _not_started(program: str, cwd: str | None, error: OSError) -> WorldError:
    if error.errno == errno.ENOENT and cwd is not None and not os.path.isdir(cwd):
        reason = f"there is no folder {cwd}"
    elif error.errno == errno.ENOENT:
        reason = "no such program"
    else:
        reason = (error.strerror or type(error).__name__).lower()
    return WorldError(f"cannot start {program}: {reason}", code="process_not_started")

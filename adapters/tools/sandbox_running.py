"""One command that runs in a sandbox, or without one where the host's owner said so, and how it ended.

It is ended from outside and all at once: inside a sandbox its processes have a process namespace of their
own, which the kernel empties when its first process is killed, whatever they became and whoever their parents
are. Must not know what the output means.
"""

from __future__ import annotations

import asyncio
import math
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal

import psutil

from rxstream.adapters.sources.blocking import blocking
from rxstream.adapters.sources.child import STDERR, STDOUT, Child
from rxstream.adapters.tools.sandbox_bwrap import NO_FILES, Files
from rxstream.adapters.tools.sandbox_groups import Group
from rxstream.adapters.tools.sandbox_watch import Watch
from rxstream.errors import WorldError

Reason = Literal["time", "cpu", "memory", "processes", "growth", "disk", "file_size", "cancelled"]
"""Which limit ended it, or that it was no longer wanted."""

MARK: Final = "RXSTREAM_COMMAND"
_SWEEPING_S: Final = 2.0
_SIGNALLED: Final = 128
_AFTER_END_S: Final = 0.5
"""How long what a command without a sandbox left running is listened to."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    exit_code: int
    """As a shell says it: 128 and more for a signal."""
    ended_by: Reason | None
    """Why we ended it; None when it ended by itself."""
    duration_ms: int

    @property
    def signal(self) -> str | None:
        """The signal that ended it, as far as its exit code tells."""
        with suppress(ValueError):
            return signal.Signals(self.exit_code - _SIGNALLED).name
        return None


@dataclass(frozen=True)
class Command:
    """What is started, and what has to be closed after it."""

    arguments: Sequence[str]
    watch: Watch
    files: Files = NO_FILES
    group: Group | None = None
    cwd: str | None = None
    environment: Mapping[str, str] | None = None
    seconds: float = math.inf
    mark: str = ""
    """Without a sandbox: a word of its own among its variables, by which what it started is found."""


class Running:
    """`async with`, `read` until None, `wait`. Leaving the block ends it with all it started."""

    def __init__(self, prepare: Callable[[], Command], stdin: bytes | None) -> None:
        self._prepare = prepare
        self._stdin = stdin
        self._child = Child((STDOUT, STDERR))
        self._command: Command | None = None
        self._why: Reason | None = None
        self._begun = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._looking: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> Running:
        self._loop = asyncio.get_running_loop()
        self._begun = time.monotonic()
        try:
            command = await blocking(self._made)
            await self._child.start(
                command.arguments,
                cwd=command.cwd,
                env=command.environment,
                stdin=self._stdin,
                pass_fds=command.files.opened,
            )
        except BaseException:
            await self._end()
            raise
        finally:
            if self._command is not None:
                self._command.files.close()
        if command.seconds < math.inf:
            self._timer = self._loop.call_later(command.seconds, self.stop, "time")
        self._looking = self._loop.create_task(self._look(command))
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._end()

    @property
    def pid(self) -> int:
        """The outermost process, of the host."""
        return self._child.pid

    def stop(self, why: Reason = "cancelled") -> None:
        """End it now; `read` gives what was read before. Only on its own loop."""
        if self._why is None:
            self._why = why
            self._child.abandon()

    def stop_from_anywhere(self, why: Reason = "cancelled") -> None:
        """`stop`, for any thread."""
        if self._loop is not None:
            with suppress(RuntimeError):  # its loop is closed, and the command gone with it
                self._loop.call_soon_threadsafe(self.stop, why)

    async def read(self) -> tuple[int, bytes] | None:
        """The next chunk and its channel (1 stdout, 2 stderr); None when there will be no more."""
        return await self._child.read(_AFTER_END_S)

    async def wait(self) -> Ended:
        """How it ended, when nothing of it is left. Read first: a full pipe holds a command up."""
        command = self._command
        assert command is not None, "it was not started"
        if self._why is not None:
            await self._end()
        status = await self._child.wait()
        taken = round((time.monotonic() - self._begun) * 1000)
        if self._why is None and command.group is not None and command.group.had_too_much():
            self._why = "memory"
        code = _SIGNALLED - status if status < 0 else status
        if self._why is None:
            self._why = _limit_of(code, taken, command.watch.cpu)
        await self._end()
        if not command.mark and status == 1 and self._refused():
            raise WorldError(f"the sandbox could not be made: {self._refused()}", code="no_sandbox")
        return Ended(code, self._why, taken)

    def _refused(self) -> str:
        """What bubblewrap says when it cannot start the command; a command that says so fools itself."""
        said = self._child.last_errors[-1:]
        return said[0][7:] if said and said[0].startswith("bwrap: ") else ""

    def _made(self) -> Command:
        # kept also when nobody waits for it any more
        self._command = command = self._prepare()
        return command

    async def _look(self, command: Command) -> None:
        while self._why is None:
            if why := await command.watch.look(self._child.pid):
                self.stop(why)
            elif command.group is not None and command.group.had_too_much():
                # the kernel ends one process; a command without it is not what was asked for
                self.stop("memory")
            await asyncio.sleep(command.watch.every)

    async def _end(self) -> None:
        command, looking = self._command, self._looking
        if self._timer is not None:
            self._timer.cancel()
        if looking is not None:
            looking.cancel()
        if command is None:
            return
        try:
            await self._child.end(0)
            if command.mark:
                await blocking(_sweep, command.mark)
        finally:
            if command.group is not None:
                await blocking(command.group.remove)
            if looking is not None:
                await asyncio.gather(looking, return_exceptions=True)


def _limit_of(code: int, taken_ms: int, cpu: float) -> Reason | None:
    """The limit that the kernel keeps by a signal of its own."""
    if code == _SIGNALLED + signal.SIGXFSZ:
        return "file_size"
    # a command may have set itself a lower limit of the processors' time, and that is not ours
    could = 0 < cpu <= taken_ms / 1000 * (os.cpu_count() or 1)
    return "cpu" if code == _SIGNALLED + signal.SIGXCPU and could else None


def _sweep(mark: str) -> None:
    """End what left its session and its parents, as long as it kept its variables."""
    found = True
    deadline = time.monotonic() + _SWEEPING_S
    while found and time.monotonic() < deadline:
        found = False
        for process in psutil.process_iter():
            # of other users', and of what ended meanwhile, nothing is told
            with suppress(psutil.Error, OSError):
                if process.environ().get(MARK) == mark:
                    process.kill()
                    found = True

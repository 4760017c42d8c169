"""Ctrl-C and SIGTERM end a command cleanly, and in under two seconds whatever the command is doing.

The first signal cancels the command's task, which closes what it opened. A second one, or 1.7 s without an
end (a thread that does not return, a function that blocks the loop), ends the process at once: the log is
written so that this loses nothing that was shown. A server that is told to end by SIGTERM may take longer.
"""

from __future__ import annotations

import _thread
import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, Final, TypeVar

T = TypeVar("T")

GRACE: Final = 1.7
"""Seconds a command has to end by itself after the first signal."""

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR: Final = b"\x1b[?25h"


class Interrupted(BaseException):
    """A signal asked the command to end. Not a KeyboardInterrupt, which click would answer itself."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum

    @property
    def status(self) -> int:
        """128 and the signal's number, as a shell reports it."""
        return 128 + self.signum


class Interruption:
    """Owns the process's reaction to SIGINT and SIGTERM between `install` and `restore`."""

    def __init__(self) -> None:
        self.signum: int | None = None
        self.patience = GRACE
        """Seconds the command has to end by itself after SIGTERM."""
        self._interrupt: Callable[[], object] | None = None
        self._previous: dict[int, Any] = {}

    def install(self) -> None:
        """Take the signals over; only the main thread may."""
        for signum in _SIGNALS:
            self._previous[signum] = signal.signal(signum, self._handle)

    def restore(self) -> None:
        """Give the signals back."""
        for signum, handler in self._previous.items():
            signal.signal(signum, handler)
        self._previous.clear()

    def run(self, main: Coroutine[Any, Any, T], *, virtual: bool = False) -> T:
        """Run a command's coroutine on a loop of its own, whose time may be `virtual`.

        Raises `Interrupted` when a signal ended it.
        """
        with asyncio.Runner(loop_factory=_virtual_loop if virtual else None) as runner:
            loop = runner.get_loop()
            task = loop.create_task(main)

            def interrupt() -> None:
                loop.call_soon_threadsafe(task.cancel)

            async def supervise() -> T:
                return await task

            self._interrupt = interrupt
            if self.signum is not None:
                interrupt()
            try:
                return runner.run(supervise())
            except asyncio.CancelledError:
                if self.signum is None:
                    raise
                raise Interrupted(self.signum) from None
            finally:
                self._interrupt = None

    def _handle(self, signum: int, _frame: FrameType | None) -> None:
        if self.signum is not None:
            end_now(128 + signum)
        self.signum = signum
        seconds = self.patience if signum == signal.SIGTERM else GRACE
        # not threading.Thread, whose start takes a lock that the interrupted code may hold
        _thread.start_new_thread(_end_after, (seconds, 128 + signum))
        if self._interrupt is None:
            raise Interrupted(signum)
        self._interrupt()


def _virtual_loop() -> asyncio.AbstractEventLoop:
    from rxstream.testing.clock import VirtualClockLoop

    return VirtualClockLoop()


def _end_after(seconds: float, status: int) -> None:
    time.sleep(seconds)
    end_now(status)


def end_now(status: int) -> None:
    """End the process without waiting for anything, leaving the terminal usable."""
    if sys.stderr is not None and sys.stderr.isatty():
        os.write(2, _SHOW_CURSOR + b"\n")
    os._exit(status)


interruption: Final = Interruption()
"""The one of this process: signals are global."""

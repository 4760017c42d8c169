"""Ctrl-C and SIGTERM end a command cleanly, and in under two seconds whatever the command is doing.

The first signal cancels the command's task, which closes what it opened. A second one, or 1.7 s without an
end (a thread that does not return, a function that blocks the loop), ends the process at once: the log is
written so that this loses nothing that was shown. A server that is told to end by SIGTERM may take longer.

Python runs a handler in the main thread, between two instructions. A main thread that sleeps in the system
hears of nothing when the system gives the signal to another thread, or just before the sleep begins. So a
thread reads what the interpreter writes down the moment a signal comes (`signal.set_wakeup_fd`), wakes the
loop, whose thread then runs the handler, and keeps the time.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
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
        self._wake: Callable[[], object] | None = None
        self._previous: dict[int, Any] = {}
        self._bell: int | None = None
        self._unhooked = -1
        self._watch: threading.Thread | None = None

    def install(self) -> None:
        """Take the signals over; only the main thread may."""
        heard, self._bell = os.pipe()
        os.set_blocking(self._bell, False)
        self._unhooked = signal.set_wakeup_fd(self._bell, warn_on_full_buffer=False)
        self._watch = threading.Thread(
            target=self._time, args=(heard,), name="rxstream-signals", daemon=True
        )
        self._watch.start()
        for signum in _SIGNALS:
            self._previous[signum] = signal.signal(signum, self._handle)

    def restore(self) -> None:
        """Give the signals back. The time of one that came goes on: threads may still hold the process."""
        for signum, handler in self._previous.items():
            signal.signal(signum, handler)
        self._previous.clear()
        if self._bell is not None:
            signal.set_wakeup_fd(self._unhooked)
            os.close(self._bell)
            self._bell = None
        if self._watch is not None and self.signum is None:
            self._watch.join()
        self._watch = None

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

            def wake() -> None:
                loop.call_soon_threadsafe(_nothing)

            self._interrupt, self._wake = interrupt, wake
            if self.signum is not None:
                interrupt()
            try:
                return runner.run(supervise())
            except asyncio.CancelledError:
                if self.signum is None:
                    raise
                raise Interrupted(self.signum) from None
            finally:
                self._interrupt = self._wake = None

    def _handle(self, signum: int, _frame: FrameType | None) -> None:
        if self.signum is not None:
            end_now(128 + signum)
        self.signum = signum
        if self._bell is not None:  # another loop may have taken the interpreter's notes over
            os.write(self._bell, bytes([signum]))
        if self._interrupt is None:
            raise Interrupted(signum)
        self._interrupt()

    def _time(self, heard: int) -> None:
        """Wait for the first of our signals, then for the end of its time."""
        with open(heard, "rb", buffering=0) as notes:
            while (noted := notes.read(1)) and noted[0] not in _SIGNALS:
                pass
            if not noted:
                return
            if (wake := self._wake) is not None:
                with suppress(RuntimeError):  # the loop was closed in between
                    wake()
            time.sleep(self.patience if noted[0] == signal.SIGTERM else GRACE)
            end_now(128 + noted[0])


def _nothing() -> None: ...


def _virtual_loop() -> asyncio.AbstractEventLoop:
    from rxstream.testing.clock import VirtualClockLoop

    return VirtualClockLoop()


def end_now(status: int) -> None:
    """End the process without waiting for anything, leaving the terminal usable."""
    if sys.stderr is not None and sys.stderr.isatty():
        os.write(2, _SHOW_CURSOR + b"\n")
    os._exit(status)


interruption: Final = Interruption()
"""The one of this process: signals are global."""

_mask = threading.local()


def _hold() -> None:
    """Keep the signals waiting while the process is copied: the copy still writes our notes."""
    _mask.before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)


def _let_come() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _mask.before)


def _begin_anew() -> None:
    interruption.restore()
    _let_come()


os.register_at_fork(before=_hold, after_in_parent=_let_come, after_in_child=_begin_anew)

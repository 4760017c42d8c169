"""Writes to a pipe or terminal from a thread, so that whoever reads slowly there never stops the loop.

A terminal held with Ctrl-S or a pipe into a slow program blocks a write for as long as it likes. Whoever
uses an outlet asks `busy` and gives up a frame, or awaits `drain` and lets the events wait in the log, so
at most what one call gave is held. An error of the descriptor is raised at the next call.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import threading


class Outlet:
    """The one writer of a descriptor; the descriptor stays open when the outlet closes."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pending: list[bytes] = []
        self._changed = threading.Condition()
        self._writing = False
        self._closed = False
        self._error: OSError | None = None
        self._drained: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        # a daemon: a reader that never reads must not keep the process from ending
        threading.Thread(target=self._work, name="rxstream-outlet", daemon=True).start()

    @property
    def busy(self) -> bool:
        """Whether something given earlier is still being written."""
        with self._changed:
            return self._writing or bool(self._pending)

    def write(self, data: bytes) -> None:
        """Give bytes; returns at once. Raises the descriptor's error, as BrokenPipeError."""
        with self._changed:
            if self._error is not None:
                raise self._error
            self._pending.append(data)
            self._changed.notify_all()

    async def drain(self) -> None:
        """Wait until everything was written, or raise the descriptor's error."""
        loop = asyncio.get_running_loop()
        with self._changed:
            if self._error is not None:
                raise self._error
            if not self._writing and not self._pending:
                return
            future: asyncio.Future[None] = loop.create_future()
            self._drained.append((loop, future))
        await future

    def wait(self, timeout: float | None = None) -> bool:
        """Block the calling thread until everything was written; False when it was not."""
        with self._changed:
            idle = self._changed.wait_for(
                lambda: self._error is not None or not (self._writing or self._pending), timeout
            )
            if self._error is not None:
                raise self._error
            return idle

    def close(self) -> None:
        """Write no more; what is being written now may still go out."""
        with self._changed:
            self._closed = True
            self._pending.clear()
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pending or self._closed)
                if self._closed:
                    return self._tell(None)
                data = b"".join(self._pending)
                self._pending.clear()
                self._writing = True
            error: OSError | None = None
            try:
                self._put(data)
            except OSError as failed:
                error = failed
            with self._changed:
                self._writing = False
                self._error = error
                self._changed.notify_all()
                if error is not None or not self._pending:
                    self._tell(error)
                if error is not None:
                    return None

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:
                # somebody who shares the descriptor made it non-blocking
                select.select([], [self._descriptor], [])

    def _tell(self, error: OSError | None) -> None:
        waiting, self._drained = self._drained, []
        for loop, future in waiting:
            with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
                loop.call_soon_threadsafe(_finish, future, error)


def _finish(future: asyncio.Future[None], error: OSError | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)

"""The durable log in one SQLite file: survives a kill and a power cut, and is written by one process.

Commits go to a thread that writes them in groups; reads that the rings cannot serve go to a few threads with
a connection each. Nothing of SQLite happens on the event loop. This file only joins the parts.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar, Concatenate, Final, ParamSpec, TypeVar

import apsw

from rxstream.adapters.logs import reading, schema
from rxstream.adapters.logs.lock import FileLock
from rxstream.adapters.logs.writer import Outcome, Writer
from rxstream.codec import Binary
from rxstream.errors import LogError
from rxstream.events import StreamEvent
from rxstream.log.contract import EventLog
from rxstream.log.retention import PruneReport, Retention
from rxstream.log.values import CheckpointInfo, Commit, ExecutionRecord, Head

P = ParamSpec("P")
R = TypeVar("R")

_READERS: Final = 3
"""Threads that read; more only queue for the disk."""


class SQLiteLog(EventLog):
    """Keeps everything in the file at `path`; its folder is made when it is not there.

    With `power_safe=False` a commit does not wait for the disk: it survives the end of the process but
    perhaps not of the machine's power. `vfs` is the name of an SQLite file layer.
    """

    durable: ClassVar[bool] = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        power_safe: bool = True,
        ring_events: int = 4_096,
        ring_bytes: int = 64 * 1024 * 1024,
        vfs: str | None = None,
    ) -> None:
        super().__init__(ring_events=ring_events, ring_bytes=ring_bytes)
        # the same file under another name has the same lock
        self.path = os.path.realpath(path)
        self._power_safe = power_safe
        self._vfs = vfs
        self._lock = FileLock(self.path)
        self._under_way: dict[str, asyncio.Future[int]] = {}
        self._idle_readers: list[apsw.Connection] = []
        self._threads: ThreadPoolExecutor | None = None
        self._writer: Writer | None = None

    # -- life ----------------------------------------------------------------------------------

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        self.rings.clear()  # another process may have written since this was open
        self._under_way.clear()

        def deliver(outcomes: list[Outcome]) -> None:
            try:
                loop.call_soon_threadsafe(self._delivered, outcomes)
            except RuntimeError:  # the loop is closed: it is stored, and nobody is left to be told
                return

        opening = loop.run_in_executor(None, self._open_file, deliver)
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            # the thread cannot be stopped: what it opens is closed as soon as it has
            opening.add_done_callback(lambda _: self._start_closing())
            raise

    def _open_file(self, deliver: Callable[[list[Outcome]], None]) -> None:
        schema.prepare(self.path)
        try:
            self._lock.acquire()
        except OSError as error:
            raise schema.explained(self.path, error) from error
        try:
            connection, self.epoch, generation = schema.open_writer(
                self.path, power_safe=self._power_safe, vfs=self._vfs
            )
        except BaseException:
            self._lock.release()
            raise
        self._threads = ThreadPoolExecutor(_READERS, thread_name_prefix="rxstream log reader")
        self._writer = Writer(connection, self.path, self.epoch, generation, deliver)

    async def _close(self) -> None:
        await self._start_closing()

    def _start_closing(self) -> asyncio.Future[None]:
        # on the loop, so that no question can come between
        threads, self._threads = self._threads, None
        writer, self._writer = self._writer, None

        def close_file() -> None:
            if threads is not None:
                threads.shutdown()
            while self._idle_readers:
                self._idle_readers.pop().close()
            # last, because the last connection to close folds the write-ahead log into the file
            if writer is not None:
                writer.stop()
            self._lock.release()

        return asyncio.get_running_loop().run_in_executor(None, close_file)

    # -- writing -------------------------------------------------------------------------------

    @property
    def pending(self) -> int:
        """Commits that are not stored yet; at most one for each execution."""
        return len(self._under_way)

    def _commit(self, commit: Commit) -> asyncio.Future[int]:
        if commit.execution_id in self._under_way:
            raise LogError(
                f"execution {commit.execution_id} has a commit under way: wait for it",
                code="log_busy",
            )
        assert self._writer is not None
        future = asyncio.get_running_loop().create_future()
        self._under_way[commit.execution_id] = future
        self._writer.submit(commit)
        return future

    def _delivered(self, outcomes: list[Outcome]) -> None:
        for commit, first, events, error in outcomes:
            future = self._under_way.pop(commit.execution_id)
            if error is None:
                self._published(commit.execution_id, first, events)
            if future.done():
                continue  # who asked has gone
            if error is None:
                future.set_result(first + len(events) - 1)
            else:
                future.set_exception(error)

    async def _checkpoint(self, execution_id: str) -> CheckpointInfo:
        raise LogError("not yet")

    async def _prune(self, retention: Retention, graph: str | None, dry_run: bool) -> PruneReport:
        raise LogError("not yet")

    # -- reading -------------------------------------------------------------------------------

    async def _ask(
        self,
        question: Callable[Concatenate[apsw.Connection, P], R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        if self._threads is None:
            raise LogError("the event log is not open", code="log_closed")

        def answer() -> R:
            try:
                try:
                    connection = self._idle_readers.pop()
                except IndexError:
                    connection = schema.connect(self.path, vfs=self._vfs)
                try:
                    return question(connection, *args, **kwargs)
                finally:
                    self._idle_readers.append(connection)
            except apsw.Error as error:
                raise schema.explained(self.path, error) from error

        return await asyncio.get_running_loop().run_in_executor(self._threads, answer)

    async def _head(self, execution_id: str) -> Head | None:
        return await self._ask(reading.head, execution_id)

    async def _read(self, execution_id: str, after: int, limit: int) -> list[StreamEvent]:
        return await self._ask(reading.events, execution_id, after, limit)

    async def record(self, execution_id: str) -> ExecutionRecord:
        return await self._ask(reading.record, execution_id)

    async def records(
        self,
        *,
        statuses: Sequence[str] = (),
        graph: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> list[ExecutionRecord]:
        return await self._ask(reading.records, statuses, graph, limit, after)

    async def states(self, execution_id: str) -> dict[str, dict[str, bytes]]:
        return await self._ask(reading.states, execution_id)

    async def blob(self, execution_id: str, sha256: str) -> Binary | None:
        return await self._ask(reading.blob, execution_id, sha256)

    async def damage(self) -> list[str]:
        """What flipped bits or foreign hands have changed, a line for each execution; reads everything."""
        return await self._ask(reading.damage)

"""The durable log in one SQLite file: survives a kill and a power cut, and is written by one process.

Commits go to a thread that writes them in groups; reads that the rings cannot serve go to a few threads with
a connection each. Nothing of SQLite happens on the event loop. This file only joins the parts.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar, Concatenate, Final, ParamSpec, TypeVar

import apsw
import structlog

from rxstream.adapters.logs import folding, reading, schema
from rxstream.adapters.logs import pruning as file_pruning
from rxstream.adapters.logs.asked import FileLog
from rxstream.adapters.logs.lock import FileLock
from rxstream.adapters.logs.verifying import verify
from rxstream.adapters.logs.writer import Outcome, Writer
from rxstream.errors import LogError, UnknownExecution
from rxstream.log import pruning
from rxstream.log.pruning import Taking
from rxstream.log.retention import PruneReport, Retention
from rxstream.log.values import CheckpointInfo, Commit

_log = structlog.get_logger("rxstream.log")

P = ParamSpec("P")
R = TypeVar("R")

_Step = tuple[list[Taking], list[tuple[str, int | None]]]
"""What is left to take, and the first event of those that lost some."""

_READERS: Final = 3
"""Threads that read; more only queue for the disk."""


class SQLiteLog(FileLog):
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
        retention: Retention | None = None,
        prune_every_s: float = 60.0,
    ) -> None:
        super().__init__(
            ring_events=ring_events,
            ring_bytes=ring_bytes,
            retention=retention,
            prune_every_s=prune_every_s,
        )
        # the same file under another name has the same lock
        self.path = os.path.realpath(path)
        self._power_safe = power_safe
        self._vfs = vfs
        self._lock = FileLock(self.path)
        self._under_way: dict[str, asyncio.Future[int]] = {}
        self._folding: dict[str, asyncio.Task[CheckpointInfo]] = {}
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
        folding = list(self._folding.values())
        for task in folding:
            task.cancel()
        if folding:
            await asyncio.wait(folding)
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
        for commit, first, lines, error, oldest, fold in outcomes:
            future = self._under_way.pop(commit.execution_id)
            if error is None:
                self._published(commit.execution_id, first, lines)
                if oldest > 1:
                    self.rings.trim(commit.execution_id, oldest)
                if fold:
                    self._fold_by_itself(commit.execution_id)
            if future.done():
                continue  # who asked has gone
            if error is None:
                future.set_result(first + len(lines) - 1)
            else:
                future.set_exception(error)

    # -- what is kept --------------------------------------------------------------------------

    async def _checkpoint(self, execution_id: str) -> CheckpointInfo:
        under_way = self._under_way.get(execution_id)
        if under_way is not None:
            await asyncio.wait([under_way])
        before = self._folding.get(execution_id)
        if before is not None:
            await asyncio.wait([before])
        return await self._fold_soon(execution_id)

    def _fold_soon(self, execution_id: str) -> asyncio.Task[CheckpointInfo]:
        task = asyncio.get_running_loop().create_task(
            self._fold(execution_id), name=f"rxstream checkpoint {execution_id}"
        )
        self._folding[execution_id] = task
        task.add_done_callback(lambda _: self._fold_done(execution_id, task))
        return task

    async def _fold(self, execution_id: str) -> CheckpointInfo:
        folded = await self._ask(folding.folded, execution_id)

        def exchange(connection: apsw.Connection) -> None:
            if folding.exchange(connection, execution_id, folded):
                writer.folded(execution_id, folded.upto, folded.payloads)

        writer = self._open_writer()
        await asyncio.wrap_future(writer.ask(exchange))
        return folded.info

    def _fold_done(self, execution_id: str, task: asyncio.Task[CheckpointInfo]) -> None:
        if self._folding.get(execution_id) is task:
            del self._folding[execution_id]

    def _fold_by_itself(self, execution_id: str) -> None:
        """The deltas have grown."""
        if execution_id in self._folding or not self.is_open:
            return

        def tell(task: asyncio.Task[CheckpointInfo]) -> None:
            if task.cancelled():
                return
            error = task.exception()
            if error is None:
                self.on_checkpoint(execution_id, task.result())
            elif not isinstance(error, UnknownExecution):
                _log.error("a checkpoint failed", execution_id=execution_id, error=str(error))

        self._fold_soon(execution_id).add_done_callback(tell)

    async def _prune(self, retention: Retention, graph: str | None, dry_run: bool) -> PruneReport:
        takings = await self._ask(file_pruning.planned, retention, graph)
        report = pruning.report(takings)
        writer = self._open_writer()
        while takings and not dry_run:

            def step(connection: apsw.Connection, left: list[Taking] = takings) -> _Step:
                taken = file_pruning.take(connection, left)
                for execution_id, _ in taken[1]:
                    writer.forget(execution_id)
                return taken

            takings, done = await asyncio.wrap_future(writer.ask(step))
            for execution_id, oldest in done:
                self._taken(execution_id, oldest)
        if report.bytes and not dry_run:
            while await asyncio.wrap_future(
                writer.ask(file_pruning.give_back, in_transaction=False)
            ):
                pass
        return report

    def _open_writer(self) -> Writer:
        if self._writer is None:
            raise LogError("the event log is not open", code="log_closed")
        return self._writer

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
                connection = self._idle_readers.pop()
            except IndexError:
                try:
                    connection = schema.connect(self.path, vfs=self._vfs)
                except apsw.Error as error:
                    raise schema.explained(self.path, error) from error
            try:
                return reading.answered(self.path, connection, question, *args, **kwargs)
            finally:
                self._idle_readers.append(connection)

        return await asyncio.get_running_loop().run_in_executor(self._threads, answer)

    async def damage(self) -> list[str]:
        """What flipped bits or foreign hands have changed, a line for each place; reads everything."""
        return [str(found) for found in (await self._ask(verify)).damage]

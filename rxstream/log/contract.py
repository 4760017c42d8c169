"""What the engine asks of an event log, and what a log promises.

A log stores, for each execution, its record, its events numbered 1..N without a gap, its blobs, and the
state that goes with the last event. One `Commit` is one transaction: all of it is stored, or none.
`commit` returns a future that is done only when the log would survive what it promises to survive; only
then do readers see the events. A commit that fails has stored nothing and may be given again.

`EventLog` keeps the part all logs share: sequence numbers, the recent events in a bounded ring that every
reader shares, and who waits for more. A log implements the methods that start with an underscore. It must
not know what the states mean.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Final

import structlog

from rxstream.codec import Binary
from rxstream.errors import LogError, UnknownExecution
from rxstream.events import TERMINAL, Cursor, StreamEvent, gap
from rxstream.log.reader import Reader
from rxstream.log.retention import PruneReport, Retention
from rxstream.log.ring import Ring, Rings
from rxstream.log.values import CheckpointInfo, Commit, Delta, ExecutionRecord, Head, Position

__all__ = [
    "CheckpointInfo",
    "Commit",
    "Delta",
    "EventLog",
    "ExecutionRecord",
    "Head",
    "Position",
    "PruneReport",
    "Reader",
    "Retention",
    "ended_already",
]

_ABANDONED: Final = 10_000
"""Executions remembered as never to be recorded to their end; that many mean a log that is gone."""

_log = structlog.get_logger("rxstream.log")

_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")


class EventLog(ABC):
    """One writer, any number of readers, all on one event loop.

    With a `retention` it prunes itself when it was opened and then every `prune_every_s` seconds.
    """

    durable: ClassVar[bool]
    """Whether what was committed is still there when the process is started again."""

    def __init__(
        self,
        *,
        ring_events: int = 4_096,
        ring_bytes: int = 64 * 1024 * 1024,
        retention: Retention | None = None,
        prune_every_s: float = 60.0,
    ) -> None:
        self.epoch = secrets.token_hex(4)
        self.retention = retention
        self.on_checkpoint: Callable[[str, CheckpointInfo], None] = lambda execution_id, info: None
        """Told, on the loop, of every checkpoint the log makes by itself; must not raise."""
        self._prune_every_s = prune_every_s
        self._pruning: asyncio.Task[None] | None = None
        self.rings = Rings(ring_events, ring_bytes, elsewhere=self.durable)
        self._waiting: dict[str, set[asyncio.Future[bool]]] = {}
        self._abandoned: dict[str, LogError] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = False

    # -- life ----------------------------------------------------------------------------------

    async def open(self) -> None:
        """Make ready on the running loop. Raises `LogError`, `LogLocked` when another process writes it."""
        if self._loop is not None:
            raise LogError("the event log is open already", code="log_open")
        await self._open()
        self._abandoned.clear()
        self._loop = asyncio.get_running_loop()
        if self.retention is not None and not self.retention.unlimited:
            self._pruning = self._loop.create_task(
                self._keep_pruning(self.retention), name="rxstream log pruning"
            )

    async def close(self) -> None:
        """Finish what was committed, release the log, and wake whoever waits."""
        if not self.is_open:
            return
        self._closing = True
        pruning, self._pruning = self._pruning, None
        if pruning is not None:
            pruning.cancel()
            await asyncio.wait([pruning])
        try:
            await self._close()
        finally:
            self._closing = False
            self._loop = None
            for execution_id in list(self._waiting):
                self._wake(execution_id)

    @property
    def is_open(self) -> bool:
        """Whether commits are taken."""
        return self._loop is not None and not self._closing

    # -- writing -------------------------------------------------------------------------------

    def commit(self, commit: Commit) -> asyncio.Future[int]:
        """Store one transaction; the result is the execution's last sequence number after it.

        The caller keeps at most one commit of an execution under way. The future fails with
        `LogError` when nothing was stored; what can never be stored is refused at once.
        """
        if not self.is_open:
            raise LogError("the event log is not open", code="log_closed")
        execution_id, events = commit.execution_id, commit.events
        if not _ID.fullmatch(execution_id):
            raise LogError(f"{execution_id[:80]!r} cannot be an execution's id", code="log_invalid")
        if any(drafted.event_type in TERMINAL for drafted in events[:-1]):
            raise LogError("a terminal event has to be the last", code="log_invalid")
        ring = self.rings.get(execution_id)
        if events and ring is not None and ring.ended:
            raise ended_already(execution_id)
        return self._commit(commit)

    def abandon(self, execution_id: str, error: LogError) -> None:
        """Nothing more of this execution will be committed, its end neither: its readers get the error."""
        self._abandoned[execution_id] = error
        if len(self._abandoned) > _ABANDONED:
            del self._abandoned[next(iter(self._abandoned))]
        self._wake(execution_id)

    def abandoned(self, execution_id: str) -> LogError | None:
        """Why no end of this execution will come, if none will."""
        return self._abandoned.get(execution_id)

    def _published(self, execution_id: str, first: int, lines: Sequence[bytes]) -> None:
        """For implementations: events of this JSON are stored now, on the loop; show them."""
        self.rings.append(execution_id, first, lines)
        if lines:
            self._wake(execution_id)

    def _wake(self, execution_id: str) -> None:
        for future in self._waiting.pop(execution_id, ()):
            _tell(future, True)

    # -- what is kept --------------------------------------------------------------------------

    async def checkpoint(self, execution_id: str) -> CheckpointInfo:
        """Put an execution's deltas together into one state, as after the last commit given before.

        Nothing else changes by it: what `states` gives is the same. Logs do so themselves when deltas
        have grown. Raises `UnknownExecution`, `LogError`.
        """
        if not self.is_open:
            raise LogError("the event log is not open", code="log_closed")
        return await self._checkpoint(execution_id)

    async def prune(
        self, retention: Retention, *, graph: str | None = None, dry_run: bool = False
    ) -> PruneReport:
        """Take what is beyond the limits; of one graph only, if it is given. `dry_run` only counts.

        Whoever reads what was taken is told: `UnknownExecution`, or a gap. Raises `LogError`.
        """
        if not self.is_open:
            raise LogError("the event log is not open", code="log_closed")
        return await self._prune(retention, graph, dry_run)

    async def _keep_pruning(self, retention: Retention) -> None:
        while True:
            try:
                report = await self.prune(retention)
                if report.bytes:
                    _log.info("event log pruned", executions=report.executions, bytes=report.bytes)
            except LogError as error:
                _log.error("the event log could not be pruned", error=error.message)
            await asyncio.sleep(self._prune_every_s)

    def _taken(self, execution_id: str, oldest: int | None) -> None:
        """For implementations: events before `oldest` are gone now, all of them if it is None."""
        if oldest is None:
            self.rings.drop(execution_id)
        else:
            self.rings.trim(execution_id, oldest)
        self._wake(execution_id)

    # -- reading -------------------------------------------------------------------------------

    async def head(self, execution_id: str) -> Head:
        """What can be read now. Raises `UnknownExecution`."""
        ring = self.rings.get(execution_id)
        if ring is not None:
            return Head(self._first_available(execution_id, ring), ring.last, ring.ended)
        head = await self._head(execution_id)
        if head is None:
            raise UnknownExecution(f"no execution has the id {execution_id[:80]!r}")
        return head

    async def read(
        self, execution_id: str, after: int = 0, limit: int = 1_000
    ) -> list[StreamEvent]:
        """Events `after + 1` to at most `after + limit`; fewer when large; none at the end."""
        limit = max(1, limit)
        recent = self.rings.read(execution_id, after, limit)
        if recent is not None:
            return recent
        older = await self._read(execution_id, after, limit)
        ring = self.rings.get(execution_id)
        if ring is not None and older:
            # the disk may know more than was published: a cursor from there would be ahead of `head`
            beyond = (older[-1].sequence or 0) - ring.last
            return older[:-beyond] if beyond > 0 else older
        return older

    async def wait(self, execution_id: str, after: int, timeout: float | None = None) -> bool:
        """Wait for events past `after`, the end of the execution or the log; False after `timeout` s."""
        if self._loop is None:
            return True
        # waits first and looks then: what is published while `head` reads the disk is not missed
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        self._waiting.setdefault(execution_id, set()).add(future)
        timer: asyncio.TimerHandle | None = None
        try:
            head = await self.head(execution_id)
            if head.last > after or head.ended or execution_id in self._abandoned:
                return True
            if timeout is not None:
                timer = loop.call_later(timeout, _tell, future, False)
            # the future itself and no task around it: this is paid for each event of each client
            return await future
        finally:
            if timer is not None:
                timer.cancel()
            waiting = self._waiting.get(execution_id)
            if waiting is not None:
                waiting.discard(future)
                if not waiting:
                    del self._waiting[execution_id]

    async def locate(self, execution_id: str, cursor: Cursor | str | int | None) -> Position:
        """Where a cursor stands, with an explicit gap when it cannot be served as it is.

        Raises `InvalidCursor` and `UnknownExecution`.
        """
        wanted = Cursor.parse(cursor)
        head = await self.head(execution_id)
        same_epoch = wanted.epoch in (None, self.epoch)
        if same_epoch and head.first - 1 <= wanted.sequence <= head.last:
            return Position(wanted.sequence, None)
        missed: int | None
        if cursor is None:
            requested, missed = "0", head.first - 1
        else:
            requested = str(wanted)
            behind = same_epoch and wanted.sequence < head.first
            missed = head.first - 1 - wanted.sequence if behind else None
        return Position(
            head.first - 1, gap(execution_id, self.epoch, requested, head.first, missed)
        )

    async def follow(self, execution_id: str, cursor: Cursor | str | int | None = None) -> Reader:
        """A reader from `cursor` on; it ends after the terminal event."""
        return Reader(self, execution_id, await self.locate(execution_id, cursor))

    # -- for implementations -------------------------------------------------------------------

    @abstractmethod
    async def _open(self) -> None: ...

    @abstractmethod
    async def _close(self) -> None: ...

    @abstractmethod
    def _commit(self, commit: Commit) -> asyncio.Future[int]: ...

    @abstractmethod
    async def _checkpoint(self, execution_id: str) -> CheckpointInfo: ...

    @abstractmethod
    async def _prune(
        self, retention: Retention, graph: str | None, dry_run: bool
    ) -> PruneReport: ...

    def _first_available(self, execution_id: str, ring: Ring) -> int:
        """The oldest event that can be read of an execution that has a ring."""
        return ring.oldest

    @abstractmethod
    async def _head(self, execution_id: str) -> Head | None: ...

    @abstractmethod
    async def _read(self, execution_id: str, after: int, limit: int) -> list[StreamEvent]: ...

    @abstractmethod
    async def record(self, execution_id: str) -> ExecutionRecord:
        """The execution's record. Raises `UnknownExecution`."""

    @abstractmethod
    async def records(
        self,
        *,
        statuses: Sequence[str] = (),
        graph: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> list[ExecutionRecord]:
        """Newest first; `after` is the id of the last record of the page before.

        Raises `InvalidCursor` when no execution has that id.
        """

    @abstractmethod
    async def states(self, execution_id: str) -> dict[str, dict[str, bytes]]:
        """Every node's state at the last commit, all deltas applied; none after the end."""

    @abstractmethod
    async def blob(self, execution_id: str, sha256: str) -> Binary | None:
        """The bytes an event refers to."""


def _tell(future: asyncio.Future[bool], more: bool) -> None:
    if not future.done():
        future.set_result(more)


def ended_already(execution_id: str) -> LogError:
    """Nothing follows a terminal event."""
    return LogError(f"execution {execution_id} has ended: nothing can follow", code="log_ended")

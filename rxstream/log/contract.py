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
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final, NamedTuple

from rxstream.codec import Binary
from rxstream.errors import LogError, UnknownExecution
from rxstream.events import TERMINAL, Cursor, Draft, StreamEvent, gap
from rxstream.log.ring import Ring, Rings


@dataclass(frozen=True)
class Delta:
    """What changed in one node's state: everything wiped first, then keys set and deleted."""

    set: Mapping[str, bytes] = field(default_factory=dict)
    deleted: Sequence[str] = ()
    wiped: bool = False


@dataclass(frozen=True)
class ExecutionRecord:
    """What is known of an execution without reading its events. All values are plain data."""

    execution_id: str
    graph: str
    status: str
    created_at: datetime
    params: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str = ""
    priority: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    result: Any = None
    error: Mapping[str, Any] | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Commit:
    """One transaction of one execution.

    The first commit of an execution brings its record; ids are letters, digits, `-`, `_` and `.`. A
    terminal event is the last of its execution, and the states, which nothing needs then, go with it.
    """

    execution_id: str
    events: Sequence[Draft] = ()
    record: ExecutionRecord | None = None
    states: Mapping[str, Delta] = field(default_factory=dict)
    blobs: Mapping[str, Binary] = field(default_factory=dict)


class Head(NamedTuple):
    """The sequence numbers that can be read: `first` to `last`; `last` is 0 before the first commit."""

    first: int
    last: int
    ended: bool


class Position(NamedTuple):
    """Where a reader goes on, and the gap it has to be told of first."""

    after: int
    gap: StreamEvent | None


_ABANDONED: Final = 10_000
"""Executions remembered as never to be recorded to their end; that many mean a log that is gone."""

_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")


class EventLog(ABC):
    """One writer, any number of readers, all on one event loop."""

    durable: ClassVar[bool]
    """Whether what was committed is still there when the process is started again."""

    def __init__(self, *, ring_events: int = 4_096, ring_bytes: int = 64 * 1024 * 1024) -> None:
        self.epoch = secrets.token_hex(4)
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

    async def close(self) -> None:
        """Finish what was committed, release the log, and wake whoever waits."""
        if not self.is_open:
            return
        self._closing = True
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

    def _published(self, execution_id: str, first: int, events: Sequence[StreamEvent]) -> None:
        """For implementations: these events are stored now, on the loop; show them."""
        self.rings.append(execution_id, first, events)
        if events:
            self._wake(execution_id)

    def _wake(self, execution_id: str) -> None:
        for future in self._waiting.pop(execution_id, ()):
            _tell(future, True)

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

    def _first_available(self, execution_id: str, ring: Ring) -> int:
        """The oldest event that can be read of an execution that has a ring."""
        return 1

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


class Reader:
    """A cursor over one execution's events; it holds no events, so a slow one costs nothing."""

    def __init__(self, log: EventLog, execution_id: str, position: Position) -> None:
        self.execution_id = execution_id
        self._log = log
        self._after = position.after
        self._gap = position.gap
        self.ended = False
        """Whether the terminal event was read: nothing follows."""

    @property
    def cursor(self) -> str:
        """Where another reader would have to start to go on after what `next` gave last."""
        return str(Cursor(self._log.epoch, self._after))

    async def next(self, *, timeout: float | None = None, limit: int = 256) -> list[StreamEvent]:
        """The next events, at once if there are any; none after `timeout` seconds or at the end.

        They are at most `limit`, and about 1 MiB. A reader that was overtaken by what the log forgets
        gets an explicit gap. Raises `LogError` when the log was closed before the execution ended: what
        was read is then not the whole.
        """
        if self.ended:
            return []
        if self._gap is not None:
            told, self._gap = self._gap, None
            return [told]
        events = await self._await_events(timeout, limit)
        if not events:
            return []
        first = events[0].sequence or 0
        if first != self._after + 1:
            requested, missed = str(self._after), first - 1 - self._after
            self._after = first - 1
            return [gap(self.execution_id, self._log.epoch, requested, first, missed)]
        self._after = events[-1].sequence or 0
        self.ended = events[-1].terminal
        return events

    async def _await_events(self, timeout: float | None, limit: int) -> list[StreamEvent]:
        now = asyncio.get_running_loop().time
        deadline = None if timeout is None else now() + timeout
        lost = False
        while True:
            events = await self._log.read(self.execution_id, self._after, limit)
            if events:
                return events
            head = await self._log.head(self.execution_id)
            if head.last > self._after:
                # once is a commit between the two questions
                if lost:
                    raise LogError(
                        f"events of {self.execution_id} after {self._after} are missing in the log",
                        code="log_corrupt",
                    )
                lost = True
                continue
            lost = False
            if head.ended:
                self.ended = True
                return []
            if not self._log.is_open:
                raise LogError(
                    "the event log was closed before the execution ended", code="log_closed"
                )
            abandoned = self._log.abandoned(self.execution_id)
            if abandoned is not None:
                raise LogError(
                    f"the rest of this execution could not be recorded: {abandoned.message}",
                    code="log_abandoned",
                )
            left = None if deadline is None else max(0.0, deadline - now())
            if not await self._log.wait(self.execution_id, self._after, left):
                return []

    async def __aiter__(self) -> AsyncIterator[StreamEvent]:
        while not self.ended:
            for event in await self.next():
                yield event

"""A log that lives as long as the process: the rings are the store.

Nothing is durable, and what the rings forget is gone, which a late reader is told by an explicit gap. Ended
executions are forgotten, oldest first, when there are more than 10,000 or their last events fill half the
memory allowed; blobs when theirs is full.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import ClassVar, Final

from rxstream.codec import Binary
from rxstream.errors import InvalidCursor, LogError, UnknownExecution
from rxstream.events import TERMINAL, StreamEvent, sealed, time_of, unseal
from rxstream.log import pruning
from rxstream.log.contract import EventLog
from rxstream.log.retention import PruneReport, Retention, Scope
from rxstream.log.ring import Ring, weight
from rxstream.log.values import CheckpointInfo, Commit, ExecutionRecord, Head

_MENTION: Final = re.compile(rb'"sha256":"([0-9a-f]{64})"')


@dataclass
class _Entry:
    record: ExecutionRecord | None = None
    states: dict[str, dict[str, bytes]] = field(default_factory=dict)
    blobs: set[str] = field(default_factory=set)


class MemoryLog(EventLog):
    """Keeps the last `ring_events` of each execution, `ring_bytes` of all and `blob_bytes` of blobs."""

    durable: ClassVar[bool] = False

    def __init__(
        self,
        *,
        ring_events: int = 1_000_000,
        ring_bytes: int = 256 * 1024 * 1024,
        blob_bytes: int = 128 * 1024 * 1024,
        max_executions: int = 10_000,
        retention: Retention | None = None,
        prune_every_s: float = 60.0,
    ) -> None:
        super().__init__(
            ring_events=ring_events,
            ring_bytes=ring_bytes,
            retention=retention,
            prune_every_s=prune_every_s,
        )
        self.rings.on_forgotten = self._forgotten
        self._max_executions = max_executions
        self._max_blob_bytes = blob_bytes
        self._blob_bytes = 0
        self._entries: dict[str, _Entry] = {}
        self._blobs: OrderedDict[tuple[str, str], Binary] = OrderedDict()

    async def _open(self) -> None: ...

    async def _close(self) -> None: ...

    def _commit(self, commit: Commit) -> asyncio.Future[int]:
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        execution_id = commit.execution_id
        entry = self._entries.get(execution_id)
        if entry is None:
            if not self._make_place():
                full = f"the memory log holds {self._max_executions} executions and none has ended"
                done.set_exception(LogError(full, code="log_full"))
                return done
            entry = self._entries[execution_id] = _Entry()
        if commit.record is not None:
            entry.record = commit.record
        self._apply(commit, entry)
        self._keep_blobs(commit, entry)
        ring = self.rings.get(execution_id)
        first = ring.last + 1 if ring is not None else 1
        lines = sealed(commit.events, execution_id, self.epoch, first)
        self._published(execution_id, first, lines)
        done.set_result(first + len(lines) - 1)
        return done

    def _apply(self, commit: Commit, entry: _Entry) -> None:
        if commit.events and commit.events[-1].event_type in TERMINAL:
            entry.states.clear()
            return
        for node, delta in commit.states.items():
            state = entry.states.setdefault(node, {})
            if delta.wiped:
                state.clear()
            state.update(delta.set)
            for key in delta.deleted:
                state.pop(key, None)
            if not state:
                del entry.states[node]

    def _keep_blobs(self, commit: Commit, entry: _Entry) -> None:
        for sha256, blob in commit.blobs.items():
            if sha256 not in entry.blobs:
                entry.blobs.add(sha256)
                self._blobs[commit.execution_id, sha256] = blob
                self._blob_bytes += len(blob.data)
        while self._blob_bytes > self._max_blob_bytes:
            (owner, sha256), blob = self._blobs.popitem(last=False)
            self._blob_bytes -= len(blob.data)
            self._entries[owner].blobs.discard(sha256)

    def _make_place(self) -> bool:
        if len(self._entries) < self._max_executions:
            return True
        for execution_id, entry in self._entries.items():
            if entry.record is not None and entry.record.ended_at is not None:
                self.rings.drop(execution_id)
                self._forgotten(execution_id)
                return True
        return False

    def _forgotten(self, execution_id: str) -> None:
        for sha256 in self._entries.pop(execution_id).blobs:
            self._blob_bytes -= len(self._blobs.pop((execution_id, sha256)).data)

    # -- what is kept --------------------------------------------------------------------------

    async def _checkpoint(self, execution_id: str) -> CheckpointInfo:
        entry = self._entries.get(execution_id)
        if entry is None:
            raise UnknownExecution(f"no execution has the id {execution_id[:80]!r}")
        ring = self.rings.get(execution_id)
        return CheckpointInfo(ring.last if ring is not None else 0, _states_size(entry))

    async def _prune(self, retention: Retention, graph: str | None, dry_run: bool) -> PruneReport:
        takings = pruning.plan(_Shelf(self), retention, graph, time.time())
        if not dry_run:
            for taking in takings:
                if taking.upto is None:
                    self._forgotten(taking.execution_id)
                    self._taken(taking.execution_id, None)
                else:
                    self._taken(taking.execution_id, taking.upto + 1)
                    self._drop_unmentioned(taking.execution_id)
        return pruning.report(takings)

    def _drop_unmentioned(self, execution_id: str) -> None:
        """Blobs that only events which are gone referred to."""
        entry, ring = self._entries[execution_id], self.rings.get(execution_id)
        if not entry.blobs or ring is None:
            return
        mentioned = {m.decode() for line in ring for m in _MENTION.findall(line)}
        for sha256 in entry.blobs - mentioned:
            self._blob_bytes -= len(self._blobs.pop((execution_id, sha256)).data)
        entry.blobs &= mentioned

    # -- reading -------------------------------------------------------------------------------

    def _first_available(self, execution_id: str, ring: Ring) -> int:
        return ring.first

    async def _head(self, execution_id: str) -> Head | None:
        return Head(1, 0, ended=False) if execution_id in self._entries else None

    async def _read(self, execution_id: str, after: int, limit: int) -> list[StreamEvent]:
        ring = self.rings.get(execution_id)
        return [] if ring is None else ring.slice(ring.first - 1, limit)

    async def record(self, execution_id: str) -> ExecutionRecord:
        entry = self._entries.get(execution_id)
        if entry is None or entry.record is None:
            raise UnknownExecution(f"no execution has the id {execution_id[:80]!r}")
        return entry.record

    async def records(
        self,
        *,
        statuses: Sequence[str] = (),
        graph: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> list[ExecutionRecord]:
        newest = list(reversed(self._entries))
        if after is not None:
            if after not in self._entries:
                raise InvalidCursor(f"no execution has the id {after[:80]!r}: ask from the start")
            newest = newest[newest.index(after) + 1 :]
        records = (self._entries[execution_id].record for execution_id in newest)
        wanted = (
            record
            for record in records
            if record is not None
            and (not statuses or record.status in statuses)
            and graph in (None, record.graph)
        )
        return list(islice(wanted, limit))

    async def states(self, execution_id: str) -> dict[str, dict[str, bytes]]:
        entry = self._entries.get(execution_id)
        return {node: dict(state) for node, state in entry.states.items()} if entry else {}

    async def blob(self, execution_id: str, sha256: str) -> Binary | None:
        return self._blobs.get((execution_id, sha256))


def _states_size(entry: _Entry) -> int:
    return sum(len(k) + len(v) for state in entry.states.values() for k, v in state.items())


class _Shelf:
    """The log as pruning asks it. An execution's key is its place among all."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log

    def _ring(self, of: pruning.Stored) -> Ring:
        ring = self._log.rings.get(of.execution_id)
        assert ring is not None  # only executions with events are asked about
        return ring

    def stored(self, scope: Scope, *, sizes: bool) -> list[pruning.Stored]:
        found = []
        for key, (execution_id, entry) in enumerate(self._log._entries.items()):
            ring = self._log.rings.get(execution_id)
            graph = entry.record.graph if entry.record is not None else ""
            if ring is None or not scope.holds(graph):
                continue
            at = ring.slice(ring.last - 1, 1)[0].timestamp.timestamp()
            made = pruning.Stored(key, execution_id, ring.ended, at, ring.first, ring.last)
            found.append(made._replace(bytes=self.size(made)) if sizes else made)
        return found

    def size(self, of: pruning.Stored) -> int:
        entry = self._log._entries[of.execution_id]
        blobs = sum(len(self._log._blobs[of.execution_id, sha].data) for sha in entry.blobs)
        return self._ring(of).bytes + blobs + _states_size(entry)

    def older(self, of: pruning.Stored, than: float) -> int:
        for number, line in enumerate(self._ring(of), of.first):
            if time_of(unseal(line, of.execution_id, number)).timestamp() >= than:
                return number - 1
        return of.last

    def heavy(self, of: pruning.Stored, size: int) -> int:
        for number, line in enumerate(self._ring(of), of.first):
            size -= weight((line,))
            if size <= 0:
                return number
        return of.last

    def piece(self, of: pruning.Stored, upto: int) -> pruning.Taking | None:
        upto = min(upto, of.last - 1)
        lines = list(islice(self._ring(of), max(0, upto + 1 - of.first)))
        if not lines:
            return None
        return pruning.Taking(of.key, of.execution_id, upto, len(lines), weight(lines))

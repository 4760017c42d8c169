"""A log that lives as long as the process: the rings are the store.

Nothing is durable, and what the rings forget is gone, which a late reader is told by an explicit gap.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from rxstream.codec import Binary
from rxstream.errors import LogError, UnknownExecution
from rxstream.events import StreamEvent, seal
from rxstream.log.contract import Commit, EventLog, ExecutionRecord, Head
from rxstream.log.ring import Ring

_MAX_EXECUTIONS: Final = 10_000


@dataclass
class _Entry:
    record: ExecutionRecord | None = None
    states: dict[str, dict[str, bytes]] = field(default_factory=dict)
    blobs: dict[str, Binary] = field(default_factory=dict)


class MemoryLog(EventLog):
    """Keeps the last `ring_events` of each execution and `ring_bytes` of all."""

    durable: ClassVar[bool] = False

    def __init__(
        self, *, ring_events: int = 1_000_000, ring_bytes: int = 256 * 1024 * 1024
    ) -> None:
        super().__init__(ring_events=ring_events, ring_bytes=ring_bytes)
        self._entries: dict[str, _Entry] = {}

    async def _open(self) -> None: ...

    async def _close(self) -> None: ...

    def _commit(self, commit: Commit) -> asyncio.Future[int]:
        execution_id = commit.execution_id
        entry = self._entries.get(execution_id)
        if entry is None:
            entry = self._entries[execution_id] = _Entry()
            self._forget_ended()
        if commit.record is not None:
            entry.record = commit.record
        for node, delta in commit.states.items():
            state = entry.states.setdefault(node, {})
            if delta.wiped:
                state.clear()
            state.update(delta.set)
            for key in delta.deleted:
                state.pop(key, None)
        entry.blobs.update(commit.blobs)
        ring = self.rings.get(execution_id)
        first = ring.last + 1 if ring is not None else 1
        events = [
            seal(drafted, execution_id, self.epoch, number)
            for number, drafted in enumerate(commit.events, first)
        ]
        self._published(execution_id, first, events)
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        done.set_result(first + len(events) - 1)
        return done

    def _forget_ended(self) -> None:
        if len(self._entries) <= _MAX_EXECUTIONS:
            return
        for execution_id, entry in self._entries.items():
            if entry.record is not None and entry.record.ended_at is not None:
                del self._entries[execution_id]
                self.rings.drop(execution_id)
                return
        raise LogError(f"the memory log holds {_MAX_EXECUTIONS} executions and none has ended")

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
        newest = [entry.record for entry in reversed(self._entries.values()) if entry.record]
        ids = [record.execution_id for record in newest]
        begin = ids.index(after) + 1 if after in ids else 0
        return [
            record
            for record in newest[begin:]
            if (not statuses or record.status in statuses) and graph in (None, record.graph)
        ][:limit]

    async def states(self, execution_id: str) -> dict[str, dict[str, bytes]]:
        entry = self._entries.get(execution_id)
        return {node: dict(state) for node, state in entry.states.items()} if entry else {}

    async def blob(self, execution_id: str, sha256: str) -> Binary | None:
        entry = self._entries.get(execution_id)
        return entry.blobs.get(sha256) if entry else None

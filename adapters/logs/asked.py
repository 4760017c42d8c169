"""An event log in one file, as whoever reads it sees it: each question goes to a connection in some thread.

What is asked is the same for the process that writes the file and for one that only looks at it (`reading`);
how a question reaches a connection is theirs. Must not know who writes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Concatenate, ParamSpec, TypeVar

import apsw

from rxstream.adapters.logs import reading
from rxstream.codec import Binary
from rxstream.events import StreamEvent
from rxstream.log.contract import EventLog
from rxstream.log.values import ExecutionRecord, Head

P = ParamSpec("P")
R = TypeVar("R")


class FileLog(EventLog):
    """Answers from the file at `path`."""

    path: str

    @abstractmethod
    async def _ask(
        self,
        question: Callable[Concatenate[apsw.Connection, P], R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """Ask a connection, away from the event loop. Raises `LogError`."""

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

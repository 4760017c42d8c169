"""What tests of the log say often: records, drafts, and what can be read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import apsw

from rxstream.events import Draft, StreamEvent, draft
from rxstream.log import Commit, EventLog, ExecutionRecord, Reader


def record(execution_id: str, status: str = "running", graph: str = "g") -> ExecutionRecord:
    """A record; one that has ended has its time of ending."""
    now = datetime.now(UTC)
    ended_at = None if status in ("queued", "running") else now
    return ExecutionRecord(execution_id, graph, status, created_at=now, ended_at=ended_at)


def outputs(*elements: int | str) -> list[Draft]:
    """One `step_output` for each."""
    return [
        draft("step_output", "n", b"%d" % e if isinstance(e, int) else b'"%b"' % e.encode())
        for e in elements
    ]


def end() -> Draft:
    """The terminal event."""
    return draft("pipeline_complete", None, b"{}")


def foreign(path: Path) -> apsw.Connection:
    """The file as another program sees it."""
    return apsw.Connection(str(path))


async def begin(log: EventLog, execution_id: str = "e1", *elements: int | str) -> int:
    """The first commit of an execution, with these elements; the result is its last number."""
    return await log.commit(Commit(execution_id, outputs(*elements), record(execution_id)))


async def add(log: EventLog, execution_id: str, *elements: int | str) -> int:
    """One more commit."""
    return await log.commit(Commit(execution_id, outputs(*elements)))


async def finish(log: EventLog, execution_id: str = "e1") -> int:
    """The last commit."""
    return await log.commit(Commit(execution_id, [end()], record(execution_id, "completed")))


async def until(condition: Callable[[], object]) -> None:
    """Let others run until it holds; ten seconds at most."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  # there is no event for what is looked at
            await asyncio.sleep(0.001)


def numbers(events: Sequence[StreamEvent]) -> list[int | None]:
    """Their sequence numbers."""
    return [event.sequence for event in events]


def data(events: Sequence[StreamEvent]) -> list[object]:
    """Their elements."""
    return [event.data for event in events]


async def drained(reader: Reader) -> list[StreamEvent]:
    """All it gives up to the end."""
    return [event async for event in reader]

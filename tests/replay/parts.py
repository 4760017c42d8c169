"""What tests of replays say often: an execution recorded at given moments, and when its events are told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import orjson

from rxstream.events import Draft, StreamEvent, draft
from rxstream.log import Commit, EventLog, ExecutionRecord, MemoryLog
from rxstream.replay import Replay

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)

ID = "e1"


def at(second: float) -> bytes:
    """A moment as events write it, in seconds after the execution began."""
    moment = BEGAN + timedelta(seconds=second)
    return moment.isoformat(timespec="microseconds")[:26].encode() + b"Z"


def output(second: float, element: object, step: str = "numbers") -> Draft:
    """An element of a published node at a moment."""
    return draft("step_output", step, orjson.dumps(element), at=at(second))


def end(second: float, kind: str = "pipeline_complete") -> Draft:
    """The terminal event."""
    return draft(kind, None, b'{"result":null,"reason":"stopped"}', at=at(second))


def record(
    status: str = "completed", params: Mapping[str, object] | None = None
) -> ExecutionRecord:
    """The execution's record."""
    return ExecutionRecord(ID, "g", status, created_at=BEGAN, started_at=BEGAN, params=params or {})


async def recorded(
    *drafts: Draft, status: str = "completed", log: EventLog | None = None, **params: object
) -> EventLog:
    """A log, open, that holds one execution with these events."""
    log = log or MemoryLog()
    await log.open()
    await log.commit(Commit(ID, drafts, record(status, params)))
    return log


async def told(replay: Replay) -> list[tuple[float, object]]:
    """When each event is told, in seconds from now, and its data."""
    now = asyncio.get_running_loop().time
    begun = now()
    return [(round(now() - begun, 6), event.data) async for event in replay]


def marks(events: Sequence[StreamEvent]) -> list[bool]:
    """Which events say that they are told again."""
    return [bool((event.metadata or {}).get("replayed")) for event in events]

"""What a log holds that has not ended when an engine opens it, in the order in which it is taken over.

Those that ran come first, so that nobody who waited takes their places; each kind in the order of its start.
What cannot go on is ended, saying why.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import orjson
import structlog

from rxstream.engine.resuming import CannotResume
from rxstream.engine.states import ENDED, Status, move
from rxstream.events import EventType, draft
from rxstream.log.contract import Commit, EventLog, ExecutionRecord

_log = structlog.get_logger("rxstream.engine")


async def not_ended(log: EventLog) -> list[ExecutionRecord]:
    """The records of all that has not ended."""
    alive = [status.value for status in Status if status not in ENDED]
    found: list[ExecutionRecord] = []
    while True:
        after = found[-1].execution_id if found else None
        page = await log.records(statuses=alive, limit=100, after=after)
        found += page
        if not page:
            found.reverse()
            return sorted(found, key=lambda record: record.status == Status.QUEUED)


async def interrupt(log: EventLog, record: ExecutionRecord, reason: CannotResume) -> None:
    """End what died and cannot go on."""
    said = f"the process that ran this execution died before it ended, and {reason.message}"
    error = {"kind": "world", "code": reason.code, "message": said}
    ended = replace(
        record,
        status=move(Status(record.status), Status.INTERRUPTED).value,
        ended_at=datetime.now(UTC),
        error=error,
    )
    terminal = draft(EventType.PIPELINE_ERROR, None, orjson.dumps({"error": error}))
    await log.commit(Commit(record.execution_id, [terminal], ended))
    _log.warning(
        "execution was interrupted",
        execution_id=record.execution_id,
        graph=record.graph,
        reason=reason.message,
    )

"""A sink that reads an execution's log: added and removed while it runs, never in its way.

It has a cursor and no queue; when it is slow it is late, and when it raises it ends alone and says why.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from rxstream.errors import classify
from rxstream.events import StreamEvent
from rxstream.log.contract import EventLog
from rxstream.sink import Sink

_log = structlog.get_logger("rxstream.engine")


class _ReaderPort:
    """What a subscribed sink may see; it has no node, so its progress is nobody's."""

    start: Any = None

    def __init__(self, execution_id: str) -> None:
        self.execution_id = execution_id
        self.node_id = ""

    def progress(
        self, percentage: float | None, message: str | None = None, status: str | None = "running"
    ) -> None: ...

    def seek_point(self, offset: Any) -> None: ...


class Subscription:
    """One sink on one execution's log."""

    def __init__(
        self, log: EventLog, execution_id: str, sink: Sink[StreamEvent], after: str | int | None
    ) -> None:
        self.execution_id = execution_id
        self.sink = sink
        self.error: BaseException | None = None
        """Why it ended before the execution did."""
        self.task = asyncio.get_running_loop().create_task(
            self._read(log, after), name=f"rxstream sink {sink.name}"
        )

    async def _read(self, log: EventLog, after: str | int | None) -> None:
        try:
            reader = await log.follow(self.execution_id, after)
            async with self.sink.open(_ReaderPort(self.execution_id)) as write:
                while not reader.ended:
                    events = await reader.next()
                    if events:
                        await write(events)
        except Exception as error:
            self.error = error
            _log.warning(
                "a sink left",
                execution_id=self.execution_id,
                sink=self.sink.name,
                **classify(error),
            )

    async def close(self) -> None:
        """Remove it and wait until it has let go."""
        self.task.cancel()
        await asyncio.wait([self.task])

    async def wait(self) -> None:
        """Wait until it has written everything, or failed (see `error`)."""
        await asyncio.wait([self.task])

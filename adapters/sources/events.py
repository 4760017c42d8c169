"""The elements another execution published, from its log: recorded ones first, then as they come.

The place in it is the number of the last event taken, so a graph over another execution goes on after a
restart where it stopped, and reads nothing twice. The log may be one that another process writes.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Literal

from rxstream.adapters.logs import LogView
from rxstream.errors import WorldError
from rxstream.log import EventLog
from rxstream.replay.steps import CutShort, StepFailed, element, outputs
from rxstream.source import Source, SourcePort
from rxstream.stream import Stream, source

Cut = Literal["fail", "end"]


class EventsSource(Source[Any]):
    """One node's elements in another execution; see `events`."""

    name: ClassVar[str] = "events"
    seekable = True

    def __init__(
        self,
        execution_id: str,
        step: str,
        log: EventLog | str | os.PathLike[str],
        after: str | int | None,
        cut: Cut,
    ) -> None:
        self._execution_id = execution_id
        self._step = step
        self._log = log
        self._after = after
        self._cut = cut

    @property
    def arguments(self) -> Mapping[str, Any]:
        return {"execution_id": self._execution_id, "step": self._step}

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[Any]]:
        async with self._opened() as log:
            after = await self._begin(log) if port.start is None else int(port.start)
            try:
                async for page in outputs(log, self._execution_id, self._step, after=after):
                    taken = 0
                    while taken < len(page):
                        events = page[taken : taken + max(1, port.wanted)]
                        batch = [await element(log, event) for event in events]
                        port.seek_point(events[-1].sequence)
                        yield batch
                        taken += len(batch)
            except CutShort:
                if self._cut == "fail":
                    raise
            except StepFailed as failed:
                raise WorldError(
                    f"the node {self._step!r} of execution {self._execution_id}, which is read here, "
                    f"failed: {failed}",
                    code="upstream_failed",
                ) from failed.error

    async def _begin(self, log: EventLog) -> int:
        position = await log.locate(self._execution_id, self._after)
        if position.gap is not None:
            raise WorldError(
                f"execution {self._execution_id} cannot be read after {self._after}: "
                f"the first event there is has number {position.after + 1}",
                code="gap",
            )
        return position.after

    @asynccontextmanager
    async def _opened(self) -> AsyncGenerator[EventLog]:
        if isinstance(self._log, EventLog):
            yield self._log
            return
        view = LogView(self._log)
        await view.open()
        try:
            yield view
        finally:
            await view.close()


def events(
    execution_id: str,
    step: str,
    *,
    log: EventLog | str | os.PathLike[str],
    after: str | int | None = None,
    cut: Cut = "fail",
) -> Stream[Any]:
    """The elements a node of another execution published, to the end of that node.

    `log` is an open log (`engine.log`) or the path of one, which may be written by another process. `step`
    is the id of a published node, `after` a cursor or number to begin behind. Elements are plain data;
    `Binary` comes with its bytes. A running execution is followed. It fails when the node failed, and when
    the execution was cancelled or failed before the node had ended, unless `cut="end"` takes that for an end.
    """
    return source(EventsSource(execution_id, step, log, after, cut))

"""Runs pipelines in virtual time and says what was seen."""

from __future__ import annotations

from typing import Any

import rxstream as rxs
from rxstream.events import StreamEvent
from rxstream.pipeline import Pipeline
from rxstream.testing import run


async def seen(pipeline: Pipeline, data: dict[str, Any] | None = None) -> list[StreamEvent]:
    """All events of one run, which has ended."""
    async with rxs.Engine() as engine:
        execution = await engine.start(pipeline.graph, {"data": data or {}})
        await execution.wait()
        return [event async for event in execution.events()]


def events_of(pipeline: Pipeline, data: dict[str, Any] | None = None) -> list[StreamEvent]:
    """All events of one run, in virtual time."""
    return run(seen(pipeline, data))


def data_of(events: list[StreamEvent], kind: str, step: str | None = None) -> list[Any]:
    """The data of events of one kind, of one step if it is named."""
    chosen = (event for event in events if event.event_type == kind)
    return [event.data for event in chosen if step is None or event.step_id == step]


def result_of(events: list[StreamEvent]) -> Any:
    """What a run that went well gave."""
    assert events[-1].event_type == "pipeline_complete", events[-1]
    return events[-1].data["result"]

"""The end of a step that says `checkpoint` is one, where the log lasts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import rxstream as rxs
from rxstream.errors import LogError
from rxstream.pipeline import Pipeline
from rxstream.testing import JournalLog, crash_everywhere, run
from tests.pipeline.parts import data_of, events_of

SAVED = "checkpoint_saved"


async def first(data: dict[str, Any]) -> dict[str, Any]:
    await asyncio.sleep(1)
    return {"first": 1}


async def second(data: dict[str, Any]) -> dict[str, Any]:
    await asyncio.sleep(1)
    return {"second": 2}


def made(**settings: Any) -> Pipeline:
    pipeline = Pipeline("saved", resumable=True).add(first, checkpoint=True, **settings)
    return pipeline.add(second, after="first")


async def life(log: Any, execution_id: str | None = None, pipeline: Pipeline | None = None) -> Any:
    """All events of a run, or of the rest of one."""
    bound = (pipeline or made()).graph.bind()
    async with rxs.Engine(log) as engine:
        if execution_id is None:
            execution = await engine.start(bound)
        else:
            execution = await engine.resume(execution_id, bound)
        await execution.wait()
        return [event async for event in execution.events()]


def test_it_is_told_before_another_step_begins() -> None:
    events = run(life(JournalLog()))
    told = [(e.event_type, e.step_id) for e in events if e.step_id in ("first", "second")]
    assert told == [
        ("step_start", "first"),
        (SAVED, "first"),
        ("step_complete", "first"),
        ("step_start", "second"),
        ("step_complete", "second"),
    ]
    [saved] = data_of(events, SAVED)
    assert saved["bytes"] > 0


def test_it_is_told_once_whenever_it_dies() -> None:
    async def lives() -> None:
        journal = JournalLog()
        events = await life(journal)
        for point in range(1, len(journal.commits)):
            died = JournalLog(journal.commits[:point], journal.epoch)
            again = await life(died, events[0].execution_id)
            assert len(data_of(again, SAVED)) == 1
            assert again[-1].data["result"] == {"first": 1, "second": 2}

    run(lives())


def test_a_crash_at_any_commit_changes_nothing() -> None:
    assert crash_everywhere(made().graph.bind()) >= 4


def test_a_log_that_does_not_last_needs_none() -> None:
    events = events_of(made())
    assert data_of(events, SAVED) == []
    assert events[-1].event_type == "pipeline_complete"


def test_what_was_skipped_needs_none() -> None:
    assert data_of(run(life(JournalLog(), pipeline=made(when="never"))), SAVED) == []


def test_one_that_cannot_be_saved_is_said_and_fails_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refuse(self: Any, execution_id: str) -> Any:
        raise LogError("the disk is full")

    monkeypatch.setattr(JournalLog, "checkpoint", refuse)
    events = run(life(JournalLog()))
    [said] = data_of(events, "step_progress", "first")
    assert said["status"] == "degraded"
    assert said["message"] == "no checkpoint was saved: the disk is full"
    assert events[-1].event_type == "pipeline_complete"


def test_one_that_is_being_saved_when_it_is_stopped_is_saved_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save = JournalLog.checkpoint

    async def slowly(self: Any, execution_id: str) -> Any:
        await asyncio.sleep(5)
        return await save(self, execution_id)

    monkeypatch.setattr(JournalLog, "checkpoint", slowly)

    async def life() -> Any:
        async with rxs.Engine(JournalLog()) as engine:
            execution = await engine.start(made().graph)
            await asyncio.sleep(3)
            execution.stop()
            await execution.wait()
            return [event async for event in execution.events()]

    events = run(life())
    assert len(data_of(events, SAVED)) == 1
    assert data_of(events, "step_start", "second") == []
    assert events[-1].event_type == "pipeline_cancelled"

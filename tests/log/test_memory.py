"""What the log in memory gives up when it is full."""

from __future__ import annotations

from typing import Any

import pytest

from rxstream.codec import Binary
from rxstream.errors import LogError, UnknownExecution
from rxstream.log import Commit, MemoryLog
from tests.log.parts import begin, drained, finish, record


async def opened(**settings: Any) -> MemoryLog:
    log = MemoryLog(**settings)
    await log.open()
    return log


async def test_the_oldest_ended_execution_makes_place() -> None:
    log = await opened(max_executions=2)
    await begin(log, "live", 1)
    await begin(log, "done", 1)
    await finish(log, "done")
    await begin(log, "new", 1)
    assert [r.execution_id for r in await log.records()] == ["new", "live"]
    with pytest.raises(UnknownExecution):
        await log.head("done")


async def test_executions_that_run_are_never_forgotten() -> None:
    log = await opened(max_executions=2)
    await begin(log, "a")
    await begin(log, "b")
    with pytest.raises(LogError, match="none has ended") as refused:
        await begin(log, "c")
    assert refused.value.code == "log_full"
    assert len(await log.records()) == 2
    await finish(log, "a")
    assert await begin(log, "c", 1) == 1


async def test_an_execution_that_was_trimmed_still_says_how_it_ended() -> None:
    log = await opened(ring_bytes=20_000)
    await begin(log, "done", "x" * 9_000, "x" * 9_000)
    await finish(log, "done")
    await begin(log, "live", "x" * 9_000)
    seen = await drained(await log.follow("done"))
    assert [e.event_type for e in seen] == ["gap", "pipeline_complete"]
    assert (await log.record("done")).status == "completed"


async def test_last_words_are_bounded_too() -> None:
    log = await opened(ring_bytes=20_000)
    blob = Binary(b"x")
    for i in range(100):
        await log.commit(Commit(f"e{i}", (), record(f"e{i}"), blobs={blob.sha256: blob}))
        await finish(log, f"e{i}")
    kept = await log.records(limit=1_000)
    assert 1 < len(kept) < 25
    assert log.rings.bytes <= 20_000
    assert log._blob_bytes == len(kept)
    assert await log.blob("e0", blob.sha256) is None


async def test_the_oldest_blobs_go_first() -> None:
    log = await opened(blob_bytes=25)
    blobs = [Binary(bytes([i]) * 10) for i in range(4)]
    for blob in blobs:
        await log.commit(Commit("e1", blobs={blob.sha256: blob}))
    kept = [await log.blob("e1", blob.sha256) is not None for blob in blobs]
    assert kept == [False, False, True, True]

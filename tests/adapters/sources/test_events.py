"""What another execution published is a source: recorded, then live, and gone on from where it was left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import rxstream as rxs
from rxstream import operators as ops
from rxstream.adapters import sources
from rxstream.adapters.logs import SQLiteLog
from rxstream.adapters.sources.events import EventsSource
from rxstream.errors import AuthorError, LogError, UnknownExecution, WorldError
from rxstream.events import draft
from rxstream.log import Commit, MemoryLog
from rxstream.testing import crash_everywhere, virtual_time
from tests.adapters.sources.running import FakePort
from tests.replay.parts import ID, end, output, record, recorded

DONE = draft("step_complete", "numbers", b'{"count":3,"duration_ms":1}')


async def numbers(count: int, **options: Any) -> rxs.EventLog:
    """A log with an execution that published numbers, and noise among them."""
    drafts = [output(0, n, step) for n in range(count) for step in ("noise", "numbers")]
    return await recorded(*drafts, end(0), **options)


async def read(stream: rxs.Stream[Any]) -> list[Any]:
    return [item async for item in stream]


async def test_the_elements_of_one_node_come_in_their_order() -> None:
    log = await numbers(1_000)
    assert await read(sources.events(ID, "numbers", log=log)) == list(range(1_000))


async def test_it_begins_after_a_cursor() -> None:
    log = await numbers(10)
    cursor = (await log.read(ID))[5].cursor
    assert await read(sources.events(ID, "numbers", log=log, after=cursor)) == list(range(3, 10))
    with pytest.raises(WorldError, match="cannot be read after abcd:5"):
        await read(sources.events(ID, "numbers", log=log, after="abcd:5"))


async def test_a_running_execution_is_followed_to_the_end_of_the_node() -> None:
    log = await recorded(output(0, 1), status="running")
    reading = asyncio.create_task(read(sources.events(ID, "numbers", log=log)))
    await asyncio.sleep(0)
    await log.commit(Commit(ID, [output(0, 2)]))
    await log.commit(Commit(ID, [output(0, 3), DONE, output(0, "later", "noise")]))
    assert await reading == [1, 2, 3]  # the execution itself goes on


async def test_the_log_may_belong_to_another_engine(tmp_path: Path) -> None:
    path = tmp_path / "events.db"

    @rxs.graph
    def upstream() -> Any:
        async def slowly() -> AsyncIterator[int]:
            for n in range(20):
                yield n
                await asyncio.sleep(0.002)

        return rxs.source(slowly).named("numbers")

    @rxs.graph
    def downstream(execution_id: str) -> Any:
        return sources.events(execution_id, "numbers", log=path).pipe(ops.map(lambda n: n * 2))

    async with rxs.Engine(log=SQLiteLog(path)) as engine:
        first = await engine.start(upstream)
        assert await downstream.run(execution_id=first.id) == 38
        await first.result()


def test_a_graph_over_it_goes_on_after_a_crash_and_reads_nothing_twice(tmp_path: Path) -> None:
    async def write() -> None:
        log = await numbers(60, log=SQLiteLog(tmp_path / "events.db"))
        await log.close()

    asyncio.run(write())

    @rxs.graph(resumable=True)
    def sums() -> Any:
        read = sources.events(ID, "numbers", log=tmp_path / "events.db").named("read")
        return read.pipe(ops.scan(lambda a, b: a + b))

    assert crash_everywhere(sums, most=20) > 2


async def test_it_tells_the_number_of_the_last_event_and_goes_on_after_it() -> None:
    log, port = await numbers(10), FakePort(start=8, wanted=2)
    opened = EventsSource(ID, "numbers", log, None, "fail").open(port)
    batches = [(list(batch), port.offset) async for batch in opened]
    assert batches == [([4, 5], 12), ([6, 7], 16), ([8, 9], 20)]


async def test_binary_elements_come_with_their_bytes() -> None:
    log, blob = MemoryLog(), rxs.Binary(b"picture")
    await log.open()
    drafts = [output(0, blob.describe("/there")), end(0)]
    await log.commit(Commit(ID, drafts, record(), blobs={blob.sha256: blob}))
    assert await read(sources.events(ID, "numbers", log=log)) == [blob]
    lost = await recorded(*drafts)
    with pytest.raises(WorldError, match="not in the log any more"):
        await read(sources.events(ID, "numbers", log=lost))


async def test_a_node_that_failed_fails_here() -> None:
    error = (
        b'{"error":{"kind":"user","code":"ValueError","message":"bad"},"attempt":1,"will_retry":%b}'
    )
    failures = [draft("step_error", "numbers", error % again) for again in (b"true", b"false")]
    log = await recorded(output(0, 1), *failures, end(0, "pipeline_error"))
    with pytest.raises(WorldError, match="which is read here, failed: bad"):
        await read(sources.events(ID, "numbers", log=log))


@pytest.mark.parametrize("kind", ["pipeline_cancelled", "pipeline_error"])
async def test_an_execution_that_was_cut_short_fails_here_unless_that_is_an_end(kind: str) -> None:
    log = await recorded(output(0, 1), end(0, kind))
    with pytest.raises(
        WorldError, match=r"cut short: the execution (was cancelled|failed) before it"
    ):
        await read(sources.events(ID, "numbers", log=log))
    assert await read(sources.events(ID, "numbers", log=log, cut="end")) == [1]


async def test_what_is_not_there_is_said() -> None:
    log = await numbers(3)
    with pytest.raises(
        AuthorError, match="nothing of a node 'number': its nodes are noise, numbers"
    ):
        await read(sources.events(ID, "number", log=log))
    with pytest.raises(UnknownExecution):
        await read(sources.events("nobody", "numbers", log=log))
    with pytest.raises(LogError, match="there is no event log at"):
        await read(sources.events(ID, "numbers", log="/nowhere/events.db"))


@virtual_time
async def test_events_that_the_log_forgets_while_they_are_read_are_an_error() -> None:
    log = await recorded(output(0, 0), status="running", log=MemoryLog(ring_events=4))
    port = FakePort(wanted=1)
    batches = EventsSource(ID, "numbers", log, None, "fail").open(port)
    assert await anext(batches) == [0]
    await log.commit(Commit(ID, [output(0, n) for n in range(50)]))
    with pytest.raises(WorldError, match="forgot"):
        await anext(batches)

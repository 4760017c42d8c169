"""What every log promises, asked of each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rxstream.adapters.logs import SQLiteLog
from rxstream.codec import Binary
from rxstream.errors import InvalidCursor, LogError, UnknownExecution
from rxstream.events import Cursor
from rxstream.log import Commit, Delta, EventLog, ExecutionRecord, MemoryLog
from tests.log.parts import add, begin, data, drained, end, finish, numbers, outputs, record, until


@pytest.fixture(params=["memory", "sqlite"])
def new_log(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], EventLog]:
    """Makes the log as a started process would; one in memory is the same one."""
    if request.param == "memory":
        memory = MemoryLog()
        return lambda: memory
    return lambda: SQLiteLog(tmp_path / "events.db")


@pytest.fixture
async def log(new_log: Callable[[], EventLog]) -> AsyncIterator[EventLog]:
    log = new_log()
    await log.open()
    yield log
    await log.close()


# -- writing ----------------------------------------------------------------------------------


async def test_numbers_run_from_one_without_a_gap_in_each_execution(log: EventLog) -> None:
    assert await begin(log, "a", 1, 2) == 2
    assert await begin(log, "b", 1) == 1
    assert await add(log, "a", 3, 4, 5) == 5
    assert numbers(await log.read("a")) == [1, 2, 3, 4, 5]
    assert data(await log.read("a", after=3)) == [4, 5]


async def test_a_commit_stores_all_it_holds(log: EventLog) -> None:
    blob = Binary(b"\x00\n\xff", "image/png")
    before = record("e1")
    last = await log.commit(
        Commit("e1", outputs(7), before, {"n": Delta({"k": b"v"})}, {blob.sha256: blob})
    )
    assert last == 1
    assert data(await log.read("e1")) == [7]
    assert await log.record("e1") == before
    assert await log.states("e1") == {"n": {"k": b"v"}}
    assert await log.blob("e1", blob.sha256) == blob


async def test_a_record_comes_back_as_it_was(log: EventLog) -> None:
    now = datetime.now(UTC)
    full = ExecutionRecord(
        "e1", "g", "failed", now, {"path": "x", "deep": [1, {"a": None}]}, "f00d", 5, now, now,
        result={"k": [1.5]}, error={"kind": "user", "code": "E", "message": "m"}, detail={"x": 1},
    )  # fmt: skip
    await log.commit(Commit("e1", (), full))
    assert await log.record("e1") == full
    await log.commit(Commit("e1", (), replace(full, status="completed")))
    assert (await log.record("e1")).status == "completed"


async def test_deltas_wipe_then_set_and_delete(log: EventLog) -> None:
    await log.commit(
        Commit("e1", (), record("e1"), {"n": Delta({"a": b"1", "b": b"2"}), "m": Delta({"x": b""})})
    )
    await log.commit(Commit("e1", states={"n": Delta({"c": b"3"}, ["a", "never"])}))
    assert await log.states("e1") == {"n": {"b": b"2", "c": b"3"}, "m": {"x": b""}}
    await log.commit(Commit("e1", states={"n": Delta({"d": b"4"}, wiped=True)}))
    assert await log.states("e1") == {"n": {"d": b"4"}, "m": {"x": b""}}
    await log.commit(Commit("e1", states={"m": Delta(wiped=True)}))
    assert await log.states("e1") == {"n": {"d": b"4"}}


async def test_an_ended_execution_has_no_state(log: EventLog) -> None:
    await log.commit(Commit("e1", outputs(1), record("e1"), {"n": Delta({"a": b"1"})}))
    await log.commit(Commit("e1", [end()], states={"n": Delta({"a": b"2"})}))
    assert await log.states("e1") == {}
    assert await log.states("nobody") == {}


async def test_nothing_follows_the_end(log: EventLog) -> None:
    await begin(log)
    assert await finish(log) == 1
    with pytest.raises(LogError, match="has ended") as refused:
        await add(log, "e1", 1)
    assert refused.value.code == "log_ended"
    await log.commit(Commit("e1", (), record("e1", "completed")))  # its record may
    assert await log.head("e1") == (1, 1, True)


async def test_what_can_never_be_stored_is_refused_at_once(log: EventLog) -> None:
    with pytest.raises(LogError, match="has to be the last"):
        log.commit(Commit("e1", [end(), *outputs(1)]))
    for bad in ("", "a b", 'a"', "ä", "x" * 129):
        with pytest.raises(LogError, match="cannot be an execution's id"):
            log.commit(Commit(bad))


async def test_a_closed_log_takes_nothing(log: EventLog) -> None:
    with pytest.raises(LogError, match="open already"):
        await log.open()
    await log.close()
    await log.close()
    assert not log.is_open
    with pytest.raises(LogError, match="not open") as refused:
        log.commit(Commit("e1"))
    assert refused.value.code == "log_closed"


# -- records and blobs ------------------------------------------------------------------------


async def test_records_are_paged_newest_first(log: EventLog) -> None:
    for i in range(7):
        await log.commit(
            Commit(f"e{i}", (), record(f"e{i}", "running" if i % 2 else "failed", f"g{i % 3}"))
        )
    await begin(log, "e7")
    first = await log.records(limit=3)
    second = await log.records(limit=3, after=first[-1].execution_id)
    assert [r.execution_id for r in first + second] == ["e7", "e6", "e5", "e4", "e3", "e2"]
    rest = await log.records(limit=3, after="e2")
    assert [r.execution_id for r in rest] == ["e1", "e0"]
    assert await log.records(after="e0") == []


async def test_records_are_filtered_by_status_and_graph(log: EventLog) -> None:
    for i, status in enumerate(["failed", "running", "queued", "running"]):
        await log.commit(Commit(f"e{i}", (), record(f"e{i}", status, f"g{i % 2}")))
    alive = await log.records(statuses=("running", "queued"))
    assert [r.execution_id for r in alive] == ["e3", "e2", "e1"]
    assert [r.execution_id for r in await log.records(graph="g0")] == ["e2", "e0"]
    assert [r.execution_id for r in await log.records(statuses=["running"], after="e3")] == ["e1"]


async def test_a_page_after_nothing_known_is_refused(log: EventLog) -> None:
    with pytest.raises(InvalidCursor):
        await log.records(after="nobody")


async def test_an_unknown_execution_is_said(log: EventLog) -> None:
    for question in (log.record("nobody"), log.head("nobody"), log.follow("nobody")):
        with pytest.raises(UnknownExecution, match="'nobody'"):
            await question
    assert await log.read("nobody") == []
    await log.commit(Commit("e1"))
    with pytest.raises(UnknownExecution):
        await log.record("e1")  # it has none


async def test_a_blob_belongs_to_its_execution(log: EventLog) -> None:
    blob = Binary(b"x")
    for _ in range(2):  # the same again is the same
        await log.commit(Commit("e1", blobs={blob.sha256: blob}))
    await begin(log, "e2")
    assert await log.blob("e1", blob.sha256) == blob
    assert await log.blob("e2", blob.sha256) is None
    assert await log.blob("e1", "0" * 64) is None


# -- where a cursor stands --------------------------------------------------------------------


@pytest.mark.parametrize("cursor", [None, 0, "0", 2, "3", "{epoch}:3", "{epoch}:1"])
async def test_a_cursor_within_the_log_is_served(log: EventLog, cursor: str | int | None) -> None:
    await begin(log, "e1", 1, 2, 3)
    if isinstance(cursor, str):
        cursor = cursor.format(epoch=log.epoch)
    position = await log.locate("e1", cursor)
    assert position.gap is None
    assert position.after == Cursor.parse(cursor).sequence


@pytest.mark.parametrize("cursor", ["4", 99, "{epoch}:4", "ffff:2", "ffff:0"])
async def test_a_cursor_of_elsewhere_gets_a_gap_and_the_beginning(
    log: EventLog, cursor: str | int
) -> None:
    await begin(log, "e1", 1, 2, 3)
    if isinstance(cursor, str):
        cursor = cursor.format(epoch=log.epoch)
    position = await log.locate("e1", cursor)
    assert position.after == 0
    assert position.gap is not None
    assert position.gap.data == {"requested": str(cursor), "first_available": 1, "missed": None}
    assert position.gap.cursor == f"{log.epoch}:0"


async def test_a_string_that_is_no_cursor_is_refused(log: EventLog) -> None:
    await begin(log)
    with pytest.raises(InvalidCursor):
        await log.locate("e1", "yesterday")


# -- following --------------------------------------------------------------------------------


async def test_a_reader_gives_everything_once_and_ends(log: EventLog) -> None:
    await begin(log, "e1", 1, 2)
    reader = await log.follow("e1")
    assert data(await reader.next()) == [1, 2]
    waiting = asyncio.create_task(reader.next())
    await add(log, "e1", 3)
    assert data(await waiting) == [3]
    assert reader.cursor == f"{log.epoch}:3"
    await finish(log)
    assert numbers(await reader.next()) == [4]
    assert reader.ended
    assert await reader.next() == []


async def test_a_reader_joins_before_the_first_event(log: EventLog) -> None:
    await begin(log)
    reader = await log.follow("e1", 0)
    waiting = asyncio.create_task(drained(reader))
    await asyncio.sleep(0)
    await add(log, "e1", 1)
    await finish(log)
    assert numbers(await waiting) == [1, 2]


async def test_a_reader_goes_on_after_the_log_was_opened_again(
    new_log: Callable[[], EventLog],
) -> None:
    first = new_log()
    await first.open()
    await begin(first, "e1", 1, 2, 3)
    reader = await first.follow("e1")
    await reader.next(limit=2)
    cursor = reader.cursor
    await first.close()

    second = new_log()
    await second.open()
    assert second.epoch == first.epoch
    assert await add(second, "e1", 4) == 4
    await finish(second)
    assert numbers(await drained(await second.follow("e1", cursor))) == [3, 4, 5]
    await second.close()


async def test_nothing_comes_in_time(log: EventLog) -> None:
    await begin(log, "e1", 1)
    reader = await log.follow("e1", 1)
    assert await reader.next(timeout=0) == []
    assert await reader.next(timeout=0.001) == []
    assert not reader.ended
    assert await log.wait("e1", 0, timeout=0.5) is True
    assert await log.wait("e1", 1, timeout=0.001) is False


async def test_a_reader_of_the_gap_is_told_first(log: EventLog) -> None:
    await begin(log, "e1", 1)
    reader = await log.follow("e1", "ffff:9")
    told = await reader.next()
    assert told[0].event_type == "gap"
    assert numbers(await reader.next()) == [1]


async def test_a_reader_that_has_everything_ends_at_once(log: EventLog) -> None:
    await begin(log)
    await finish(log)
    reader = await log.follow("e1", 1)
    assert await reader.next() == []
    assert reader.ended


async def test_closing_wakes_who_waits_and_says_that_it_is_not_the_whole(log: EventLog) -> None:
    await begin(log, "e1", 1)
    reader = await log.follow("e1", 1)
    waiting = asyncio.create_task(reader.next())
    await until(lambda: log._waiting)
    await log.close()
    with pytest.raises(LogError, match="closed before") as said:
        await waiting
    assert said.value.code == "log_closed"
    assert await log.wait("e1", 1) is True


async def test_who_stops_waiting_leaves_nothing(log: EventLog) -> None:
    await begin(log, "e1", 1)
    staying, leaving = [asyncio.create_task(log.wait("e1", 1)) for _ in range(2)]
    await until(lambda: len(log._waiting.get("e1", ())) == 2)
    leaving.cancel()
    await asyncio.wait([leaving])
    assert len(log._waiting["e1"]) == 1
    await add(log, "e1", 2)
    assert await staying is True
    assert log._waiting == {}


async def test_many_readers_see_the_same_while_it_is_written(log: EventLog) -> None:
    await begin(log)
    tasks = [asyncio.create_task(drained(await log.follow("e1"))) for _ in range(50)]
    for i in range(40):
        await add(log, "e1", *range(i))
    last = await finish(log)
    seen = await asyncio.gather(*tasks)
    assert all(numbers(events) == list(range(1, last + 1)) for events in seen)
    assert all(events[5] is seen[0][5] for events in seen)  # shared, not copied


async def test_a_page_is_limited_in_bytes_but_has_one_event(log: EventLog) -> None:
    large = "x" * 700_000
    await begin(log, "e1", large, large, "small", "small")
    assert numbers(await log.read("e1")) == [1]
    assert numbers(await log.read("e1", after=1)) == [2, 3, 4]
    log.rings.max_bytes = 0  # the next commit pushes all it can out of memory
    assert await add(log, "e1", 5) == 5
    if log.durable:
        assert numbers(await log.read("e1")) == [1]
        assert numbers(await log.read("e1", after=1)) == [2, 3, 4, 5]
        assert numbers(await log.read("e1", limit=0)) == [1]

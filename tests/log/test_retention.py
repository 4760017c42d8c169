"""What a log keeps of the past, and what readers of the rest are told: asked of each log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rxstream.adapters.logs import LogView, SQLiteLog, pruning
from rxstream.codec import Binary, Encoder
from rxstream.errors import LogError, UnknownExecution
from rxstream.events import Draft, draft
from rxstream.log import Commit, Delta, EventLog, MemoryLog, PruneReport, Retention
from rxstream.log.pruning import Taking, report
from tests.log.parts import add, begin, data, drained, end, finish, foreign, numbers, record, until

DAY = 86_400.0


def opened(kind: str, path: Path, **settings: Any) -> EventLog:
    return MemoryLog(**settings) if kind == "memory" else SQLiteLog(path, **settings)


@pytest.fixture(params=["memory", "sqlite"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def log(kind: str, path: Path) -> AsyncIterator[EventLog]:
    log = opened(kind, path)
    await log.open()
    yield log
    await log.close()


def days_ago(days: float) -> bytes:
    told = datetime.now(UTC) - timedelta(days=days)
    return b"%bZ" % told.isoformat(timespec="microseconds")[:26].encode()


def old(days: float, *elements: int) -> list[Draft]:
    return [draft("step_output", "n", b"%d" % e, at=days_ago(days)) for e in elements]


async def ended(log: EventLog, execution_id: str, days: float = 0, graph: str = "g") -> None:
    """An execution of three events that ended so long ago."""
    last = draft("pipeline_complete", None, b"{}", at=days_ago(days))
    finished = record(execution_id, "completed", graph)
    await log.commit(Commit(execution_id, [*old(days, 1, 2), last], finished))


async def known(log: EventLog) -> list[str]:
    return [r.execution_id for r in await log.records()]


async def until_known(log: EventLog, *expected: str) -> None:
    async with asyncio.timeout(30):
        while await known(log) != list(expected):  # noqa: ASYNC110  # a file tells nobody
            await asyncio.sleep(0.01)


# -- ended executions go whole ----------------------------------------------------------------


async def test_ended_executions_go_by_age_and_are_unknown_then(log: EventLog) -> None:
    await ended(log, "old", 8)
    await ended(log, "young", 6)
    pruned = await log.prune(Retention(max_age_s=7 * DAY))
    assert pruned[:3] == (1, 0, 3)
    assert pruned.bytes > 300
    assert pruned.removed == ("old",)
    assert await known(log) == ["young"]
    for question in (log.head("old"), log.record("old"), log.follow("old")):
        with pytest.raises(UnknownExecution):
            await question
    assert await log.read("old") == []
    assert (await log.prune(Retention(max_age_s=7 * DAY))).bytes == 0


async def test_the_newest_so_many_stay(log: EventLog) -> None:
    for i, days in enumerate([3, 1, 2, 4]):
        await ended(log, f"e{i}", days)
    await begin(log, "live", 1)
    assert (await log.prune(Retention(max_executions=2))).removed == ("e3", "e0")
    assert await known(log) == ["live", "e2", "e1"]


async def test_bytes_are_taken_from_the_oldest_first(log: EventLog) -> None:
    for i in range(4):
        await ended(log, f"e{i}", 10 - i)
        await log.commit(Commit(f"x{i}", old(10 - i, *range(1_000)), record(f"x{i}")))
        await log.commit(Commit(f"x{i}", [end()], record(f"x{i}", "completed")))
    whole = await log.prune(Retention(max_bytes=0), dry_run=True)
    assert whole.executions == 8
    pruned = await log.prune(Retention(max_bytes=whole.bytes // 2))
    assert whole.bytes // 2 <= pruned.bytes < whole.bytes * 0.7
    assert pruned.removed == ("e0", "e1", "e2", "e3", "x0", "x1")[: pruned.executions]
    assert await log.prune(Retention(max_bytes=whole.bytes)) == PruneReport()


async def test_limits_hold_for_one_graph_and_others_for_another(log: EventLog) -> None:
    for graph in ("a", "b", "c"):
        for days in (5, 3, 1):
            await ended(log, f"{graph}{days}", days, graph)
    assert (await log.prune(Retention(max_executions=2), graph="a")).removed == ("a5",)
    limits = Retention(max_age_s=4 * DAY, by_graph={"b": Retention(max_executions=1)})
    assert (await log.prune(limits, graph="a")).removed == ()
    assert (await log.prune(limits)).removed == ("b5", "b3", "c5")
    assert await log.prune(Retention(by_graph={"b": Retention()})) == PruneReport()


async def test_a_dry_run_counts_and_takes_nothing(log: EventLog) -> None:
    await ended(log, "e1", 9)
    limits = Retention(max_age_s=DAY)
    told = await log.prune(limits, dry_run=True)
    assert await known(log) == ["e1"]
    assert await log.prune(limits) == told


async def test_what_runs_is_never_removed(log: EventLog) -> None:
    await log.commit(Commit("silent", (), record("silent")))
    await log.commit(Commit("live", old(9, 1), record("live"), {"n": Delta({"k": b"v"})}))
    nothing = Retention(0, 0, 0, 0)
    assert await log.prune(nothing) == PruneReport()
    assert await known(log) == ["live", "silent"]
    assert data(await log.read("live")) == [1]
    assert await log.states("live") == {"n": {"k": b"v"}}


def test_a_limit_below_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        Retention(max_bytes=-1)


# -- old events of what runs ------------------------------------------------------------------


async def running(log: EventLog) -> None:
    """Ten commits of ten events, one a day, the last one just now."""
    for i in range(10):
        elements = range(i * 10 + 1, i * 10 + 11)
        given = record("e1") if i == 0 else None
        state = {"n": Delta({"k": b"%d" % i})}
        await log.commit(Commit("e1", old(9 - i, *elements), given, state))


async def test_old_events_go_by_count_and_the_rest_goes_on(log: EventLog, kind: str) -> None:
    await running(log)
    pruned = await log.prune(Retention(max_events_per_execution=35))
    kept = 35 if kind == "memory" else 40  # a file takes whole commits
    assert pruned[:3] == (0, 1, 100 - kept)
    assert await log.head("e1") == (101 - kept, 100, False)
    assert numbers(await log.read("e1", 100 - kept)) == list(range(101 - kept, 101))
    assert await log.states("e1") == {"n": {"k": b"9"}}
    assert await add(log, "e1", 7) == 101
    assert await log.head("e1") == (101 - kept, 101, False)


async def test_old_events_go_by_age(log: EventLog) -> None:
    await running(log)
    assert (await log.prune(Retention(max_age_s=2.5 * DAY))).events == 70
    assert await log.head("e1") == (71, 100, False)
    assert await log.prune(Retention(max_age_s=2.5 * DAY)) == PruneReport()
    assert (await log.prune(Retention(max_age_s=0))).events >= 20
    assert (await log.head("e1")).last == 100  # the last one stays


async def test_old_events_go_by_bytes_when_nothing_has_ended(log: EventLog) -> None:
    await ended(log, "done", 0)
    await running(log)
    events = await log.prune(Retention(max_events_per_execution=1), dry_run=True)
    pruned = await log.prune(Retention(max_bytes=events.bytes // 2))
    assert pruned.removed == ("done",)
    assert pruned.trimmed == 1
    head = await log.head("e1")
    assert 40 < head.first < 80
    assert head.last == 100


async def test_a_clock_that_was_set_back_takes_only_what_is_before_the_first_young(
    log: EventLog,
) -> None:
    await log.commit(Commit("e1", old(9, 1), record("e1")))
    for days in (8, 1, 9, 0):
        await log.commit(Commit("e1", old(days, 1)))
    await log.prune(Retention(max_age_s=2 * DAY))
    assert await log.head("e1") == (3, 5, False)


# -- readers are told -------------------------------------------------------------------------


async def test_a_reader_that_was_overtaken_gets_a_gap_and_goes_on(log: EventLog) -> None:
    await running(log)
    reader = await log.follow("e1")
    assert numbers(await reader.next(limit=5)) == [1, 2, 3, 4, 5]
    await log.prune(Retention(max_age_s=2.5 * DAY))
    (told,) = await reader.next()
    assert told.event_type == "gap"
    assert told.data == {"requested": "5", "first_available": 71, "missed": 65}
    assert numbers(await reader.next())[0] == 71


async def test_a_cursor_from_before_gets_a_gap_first(log: EventLog) -> None:
    await running(log)
    await log.prune(Retention(max_age_s=2.5 * DAY))
    for cursor, requested, missed in (
        (None, "0", 70),
        (12, "12", 58),
        (f"{log.epoch}:69", None, 1),
    ):
        position = await log.locate("e1", cursor)
        assert position.after == 70
        assert position.gap is not None
        assert position.gap.data["requested"] == requested or requested is None
        assert position.gap.data["missed"] == missed
    assert (await log.locate("e1", 70)).gap is None


async def test_a_reader_of_what_was_removed_is_told_and_does_not_end(log: EventLog) -> None:
    await ended(log, "e1", 9)
    reader = await log.follow("e1")
    await reader.next(limit=1)
    await log.prune(Retention(max_age_s=DAY))
    with pytest.raises(UnknownExecution):
        await reader.next()
    assert not reader.ended


async def test_the_gap_is_told_after_a_restart_too(path: Path) -> None:
    log = SQLiteLog(path)
    await log.open()
    await running(log)
    await log.prune(Retention(max_age_s=2.5 * DAY))
    await log.close()
    await log.open()
    assert await log.head("e1") == (71, 100, False)
    await finish(log)  # which makes its ring, which knows it too
    assert await log.head("e1") == (71, 101, True)
    view = LogView(path)
    await view.open()
    for one in (log, view):
        events = await drained(await one.follow("e1", 3))
        assert events[0].data == {"requested": "3", "first_available": 71, "missed": 67}
        assert numbers(events[1:]) == list(range(71, 102))
    await view.close()
    assert await log.damage() == []  # the chain goes on from where it was cut
    await log.close()


# -- blobs ------------------------------------------------------------------------------------


async def test_blobs_go_with_the_last_event_that_mentions_them(log: EventLog) -> None:
    once, again, result = Binary(b"once"), Binary(b"again"), Binary(b"result")

    def mentioning(blob: Binary) -> Draft:
        return draft("step_output", "n", Encoder(lambda sha256: f"/{sha256}").encode(blob))

    async def commit(*blobs: Binary, given: bool = True) -> None:
        kept = {blob.sha256: blob for blob in blobs} if given else {}
        await log.commit(Commit("e1", [mentioning(b) for b in blobs], record("e1"), blobs=kept))

    await commit(once, again, result)
    await commit(again)
    await commit(result, given=False)  # known by its bytes already
    await begin(log, "e1", 1)
    await log.prune(Retention(max_events_per_execution=3))
    found = [await log.blob("e1", blob.sha256) for blob in (once, again, result)]
    assert found == [None, again, result]
    await log.prune(Retention(max_events_per_execution=2))
    found = [await log.blob("e1", blob.sha256) for blob in (once, again, result)]
    assert found == [None, None, result]
    await log.prune(Retention(max_events_per_execution=1))
    assert await log.blob("e1", result.sha256) is None


# -- by itself --------------------------------------------------------------------------------


async def test_a_log_with_limits_keeps_them_by_itself(kind: str, path: Path) -> None:
    log = opened(kind, path, retention=Retention(max_executions=1), prune_every_s=0.01)
    await log.open()
    for i in range(3):
        await ended(log, f"e{i}", 3 - i)
    await until_known(log, "e2")
    await log.close()


async def test_pruning_that_fails_is_said_and_tried_again(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = SQLiteLog(path, retention=Retention(max_executions=0), prune_every_s=0.01)
    await log.open()
    other = foreign(path)
    other.execute("ALTER TABLE events RENAME TO elsewhere")
    said = ""

    def told() -> bool:
        nonlocal said
        said += capsys.readouterr().out
        return "could not be pruned" in said

    await until(told)
    other.execute("ALTER TABLE elsewhere RENAME TO events")
    other.close()
    await ended(log, "e1")
    await until_known(log)
    await log.close()


# -- in a file --------------------------------------------------------------------------------


async def test_a_large_execution_goes_in_steps_while_others_commit(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "STEP_ROWS", 5)
    log = SQLiteLog(path, power_safe=False)
    await log.open()
    await begin(log, "big", 1)
    for i in range(40):
        await add(log, "big", i)
    await finish(log, "big")
    await running(log)
    await begin(log, "other")
    heads: list[int] = []
    pruning_ = asyncio.create_task(
        log.prune(Retention(max_executions=0, max_events_per_execution=20))
    )
    while not pruning_.done():
        await add(log, "other", 1)
        try:
            heads.append((await log.head("big")).first)
        except UnknownExecution:
            continue
    assert (await pruning_)[:2] == (1, 1) or (await pruning_)[:2] == (1, 2)
    assert len(set(heads)) > 2  # always a whole log, whoever looks in between
    assert (await log.head("e1")).first == 81
    assert "big" not in await known(log)
    assert await log.damage() == []
    await log.close()


async def test_an_execution_that_took_the_place_of_one_that_is_gone_stays(path: Path) -> None:
    log = SQLiteLog(path)
    await log.open()
    await ended(log, "e1", 3)
    planned = await log._ask(pruning.planned, Retention(max_executions=0), None)
    await log.prune(Retention(max_executions=0))
    await begin(log, "new", 1)  # SQLite gives it the same row
    writer = log._open_writer()
    left, done = await asyncio.wrap_future(writer.ask(lambda c: pruning.take(c, planned)))
    assert (left, done) == ([], [])
    assert await known(log) == ["new"]
    await log.close()


async def test_what_was_pruned_is_given_back_to_the_system(path: Path) -> None:
    log = SQLiteLog(path, power_safe=False)
    await log.open()
    for i in range(40):
        await begin(log, f"e{i}", *["x" * 100_000] * 4)
        await finish(log, f"e{i}")
    await log.prune(Retention(max_executions=1))
    await log.close()
    assert (await asyncio.to_thread(path.stat)).st_size < 6_000_000
    await log.open()
    assert await log.damage() == []
    assert len(await known(log)) == 1
    await log.close()


async def test_who_only_reads_can_only_count(path: Path) -> None:
    log = SQLiteLog(path)
    await log.open()
    await ended(log, "e1", 3)
    view = LogView(path)
    await view.open()
    assert (await view.prune(Retention(max_executions=0), dry_run=True)).removed == ("e1",)
    with pytest.raises(LogError, match="for reading only"):
        await view.prune(Retention(max_executions=0))
    await view.close()
    with pytest.raises(LogError, match="not open"):
        await view.prune(Retention(max_executions=0))
    await log.close()


def test_a_report_names_the_first_thousand() -> None:
    takings = [Taking(i, f"e{i}", None, 1, 1) for i in range(1_200)]
    told = report(takings)
    assert (told.executions, len(told.removed)) == (1_200, 1_000)

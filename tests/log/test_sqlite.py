"""The durable log: what is shown when, what the file is, and what is said when the disk will not."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from rxstream.adapters.logs import SQLiteLog, rows, schema, states, writer
from rxstream.codec import Binary
from rxstream.errors import LogError
from rxstream.events import Draft
from rxstream.log import Commit, Delta
from tests.log.parts import (
    add,
    begin,
    data,
    drained,
    finish,
    foreign,
    numbers,
    outputs,
    record,
    until,
)

# -- nothing before its commit ----------------------------------------------------------------


async def test_nothing_is_shown_before_it_is_stored(log: SQLiteLog, path: Path) -> None:
    await begin(log, "e1", 1)
    other = foreign(path)
    other.execute("BEGIN IMMEDIATE")  # the disk takes its time
    commits = [log.commit(Commit("e1", outputs(2)))]
    commits += [log.commit(Commit(f"x{i}", outputs(i), record(f"x{i}"))) for i in range(20)]
    reader = await log.follow("e1", 1)
    assert await reader.next(timeout=0.05) == []
    assert (await log.head("e1")).last == 1
    assert numbers(await log.read("e1")) == [1]
    assert log.pending == 21
    with pytest.raises(LogError, match="under way") as refused:
        log.commit(Commit("e1", outputs(3)))
    assert refused.value.code == "log_busy"
    other.execute("ROLLBACK")
    assert await asyncio.gather(*commits) == [2] + [1] * 20
    assert numbers(await reader.next()) == [2]
    assert log.pending == 0
    other.close()


async def test_what_waits_becomes_one_group(
    log: SQLiteLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    delivered = log._delivered

    def counted(outcomes: list[writer.Outcome]) -> None:
        sizes.append(len(outcomes))
        delivered(outcomes)

    monkeypatch.setattr(log, "_delivered", counted)
    other = foreign(path)
    other.execute("BEGIN IMMEDIATE")
    commits = [log.commit(Commit(f"e{i}", outputs(i), record(f"e{i}"))) for i in range(30)]
    other.execute("ROLLBACK")
    await asyncio.gather(*commits)
    assert sum(sizes) == 30
    assert len(sizes) <= 2  # the first may have gone alone, the rest had to wait
    other.close()


async def test_who_stops_waiting_for_a_commit_does_not_undo_it(log: SQLiteLog) -> None:
    log.commit(Commit("e1", outputs(1), record("e1"))).cancel()
    await until(lambda: not log.pending)
    assert numbers(await log.read("e1")) == [1]
    bad = log.commit(Commit("e1", [Draft("step_output", b'"a\nb"}')]))
    bad.cancel()
    await until(lambda: not log.pending)
    assert await add(log, "e1", 2) == 2


async def test_closing_stores_what_was_given(path: Path) -> None:
    log = SQLiteLog(path)
    await log.open()
    slow = foreign(path)
    slow.execute("BEGIN IMMEDIATE")
    commits = [log.commit(Commit(f"e{i}", outputs(i), record(f"e{i}"))) for i in range(50)]
    closing = asyncio.create_task(log.close())
    await asyncio.sleep(0)
    assert not log.is_open
    slow.execute("ROLLBACK")
    slow.close()
    await closing
    assert [commit.result() for commit in commits] == [1] * 50
    with pytest.raises(LogError, match="not open"):
        await log.record("e1")


# -- when the disk will not -------------------------------------------------------------------


def limit_pages(log: SQLiteLog, pages: int) -> None:
    """Let the file have so many pages beyond those it has; less than none is as many as it likes."""
    assert log._writer is not None
    connection = log._writer._connection
    most = connection.pragma("page_count") + pages if pages >= 0 else 2**31
    connection.pragma("max_page_count", most)


async def test_a_full_disk_stores_nothing_and_the_same_commit_succeeds_later(
    log: SQLiteLog,
) -> None:
    await log.commit(Commit("e1", outputs(1), record("e1"), {"n": Delta({"k": b"1"})}))
    reader = await log.follow("e1", 1)
    limit_pages(log, 2)
    blob = Binary(bytes(50_000))
    same = Commit(
        "e1",
        outputs("x" * 100_000, "y" * 100_000),
        record("e1", "waiting"),
        {"n": Delta({"k": b"2"})},
        {blob.sha256: blob},
    )
    for _ in range(2):
        with pytest.raises(LogError) as failed:
            await log.commit(same)
        assert failed.value.message == f"{log.path}: no room is left: free space on its disk"
        assert (failed.value.kind, failed.value.code) == ("world", "log_full")
    assert await reader.next(timeout=0) == []
    assert (await log.head("e1")).last == 1
    assert await log.states("e1") == {"n": {"k": b"1"}}
    assert (await log.record("e1")).status == "running"
    assert await log.blob("e1", blob.sha256) is None

    limit_pages(log, -1)
    assert await log.commit(same) == 3
    assert numbers(await reader.next()) == [2, 3]
    assert await log.states("e1") == {"n": {"k": b"2"}}
    assert await log.blob("e1", blob.sha256) == blob
    assert await log.damage() == []


async def test_a_commit_that_cannot_be_stored_does_not_take_others_with_it(
    log: SQLiteLog, path: Path
) -> None:
    await begin(log, "e1", 1)
    other = foreign(path)
    other.execute("BEGIN IMMEDIATE")
    good = [log.commit(Commit(f"g{i}", outputs(1, 2), record(f"g{i}"))) for i in range(3)]
    bad = log.commit(Commit("e1", [Draft("step_output", b'"data":1\n}')]))
    good.append(log.commit(Commit("g9", outputs(1, 2), record("g9"))))
    other.execute("ROLLBACK")
    other.close()
    assert await asyncio.gather(*good) == [2, 2, 2, 2]
    with pytest.raises(LogError, match="line break"):
        await bad
    assert await add(log, "e1", 2) == 2
    assert await log.damage() == []


async def test_an_execution_that_ended_before_a_restart_takes_nothing(path: Path) -> None:
    log = SQLiteLog(path)
    await log.open()
    await begin(log)
    await finish(log)
    await log.close()
    await log.open()
    with pytest.raises(LogError, match="has ended"):
        await add(log, "e1", 1)
    await log.commit(Commit("e1", (), record("e1", "completed")))
    assert await log.head("e1") == (1, 1, True)
    await log.close()


# -- the file ---------------------------------------------------------------------------------


async def test_the_folder_is_made_and_the_files_are_private(tmp_path: Path) -> None:
    log = SQLiteLog(tmp_path / "new" / "deep" / "events.db")
    await log.open()
    await begin(log, "e1", 1)
    files = list((tmp_path / "new" / "deep").iterdir())
    assert {f.name.removeprefix("events.db") for f in files} == {"", "-wal", "-shm", ".lock"}
    assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}
    await log.close()


def a_folder(path: Path) -> None:
    path.mkdir()


def a_text(path: Path) -> None:
    path.write_text("not a database at all, and long enough to be looked at\n" * 100)


def a_database(path: Path) -> None:
    with foreign(path) as other:
        other.execute("CREATE TABLE mine (x)")
    other.close()


def a_later_format(path: Path) -> None:
    schema.prepare(str(path))
    connection, _, _ = schema.open_writer(str(path), power_safe=False)
    connection.execute("UPDATE meta SET value = 99 WHERE key = 'format'")
    connection.close()


@pytest.mark.parametrize(
    ("make", "below", "said"),
    [
        (a_folder, "", "is a folder: name a file in it"),
        (a_text, "", "not an SQLite database: name another file"),
        (a_text, "x.db", "cannot be used: (Not a directory|File exists)"),
        (a_database, "", "is a database of another program: name another file"),
        (a_later_format, "", "has format 99 and this version of rxstream reads 2: use the version"),
    ],
)
def test_a_path_that_cannot_be_a_log_is_one_line(
    path: Path, make: Callable[[Path], None], below: str, said: str
) -> None:
    make(path)
    before = path.read_bytes() if path.is_file() else None
    log = SQLiteLog(path / below)
    with pytest.raises(LogError, match=said) as refused:
        asyncio.run(log.open())
    assert str(path) in refused.value.message
    assert "\n" not in refused.value.message
    assert not log.is_open
    if before is not None and make is not a_later_format:
        assert path.read_bytes() == before  # somebody else's file is not touched


async def test_a_file_system_without_shared_memory_is_refused(path: Path) -> None:
    log = SQLiteLog(path, vfs="unix-none")
    with pytest.raises(LogError, match="cannot hold a write-ahead log"):
        await log.open()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (apsw.CorruptError("x"), "the database is damaged"),
        (apsw.ReadOnlyError("x"), "not writable"),
        (apsw.CantOpenError("x"), "cannot be opened"),
        (apsw.BusyError("x"), "another program holds a lock"),
        (apsw.IOError("x"), "its disk failed"),
        (apsw.SQLError("two\nlines"), "SQLError: two lines"),
        (PermissionError(13, "Permission denied"), "Permission denied: choose another place"),
        (MemoryError(), "MemoryError: "),
    ],
)
def test_errors_say_where_and_what_to_do(error: Exception, said: str) -> None:
    explained = schema.explained("/x.db", error)
    assert said in explained.message
    assert "/x.db" in explained.message
    assert "\n" not in explained.message


async def test_a_question_the_file_cannot_answer_is_an_error(log: SQLiteLog, path: Path) -> None:
    other = foreign(path)
    other.execute("DROP TABLE blobs")
    other.close()
    with pytest.raises(LogError, match="no such table"):
        await log.blob("e1", "0" * 64)


# -- large and many ---------------------------------------------------------------------------


async def test_a_large_commit_is_stored_in_rows_of_bounded_size(log: SQLiteLog, path: Path) -> None:
    large = ["x" * 1_000 for _ in range(1_500)]
    large[700] = "y" * 600_000
    await begin(log, "e1", *large)
    log.rings.drop("e1")
    other = foreign(path)
    sizes = [n for (n,) in other.execute("SELECT length(payload) FROM events")]
    other.close()
    assert sorted(sizes)[-2] <= rows.CHUNK_BYTES + 2_000
    pages = []
    after = 0
    while page := await log.read("e1", after, limit=10_000):
        pages.append(sum(len(e.json) for e in page))
        assert data(page) == large[after : after + len(page)]
        after = page[-1].sequence or 0
    assert after == 1_500
    assert max(pages) <= 1024 * 1024


async def test_readers_far_behind_read_the_disk_while_commits_go_on(path: Path) -> None:
    log = SQLiteLog(path, ring_events=16)
    await log.open()
    await begin(log, "e1", *range(300))
    readers = [await log.follow("e1", i * 10) for i in range(20)]
    tasks = [asyncio.create_task(drained(reader)) for reader in readers]
    for i in range(50):
        await add(log, "e1", *range(i % 9))
    last = await finish(log)
    for i, events in enumerate(await asyncio.gather(*tasks)):
        assert numbers(events) == list(range(i * 10 + 1, last + 1))
    await log.close()


async def test_ended_executions_leave_memory_and_are_read_from_the_disk(path: Path) -> None:
    log = SQLiteLog(path, ring_bytes=4_000)
    await log.open()
    for i in range(10):
        await begin(log, f"e{i}", i)
        await finish(log, f"e{i}")
    assert log.rings.get("e0") is None
    assert log.rings.bytes <= 4_000
    assert await log.head("e0") == (1, 2, True)
    assert numbers(await drained(await log.follow("e0"))) == [1, 2]
    assert (await log.locate("e0", 3)).gap is not None
    await log.close()


async def test_states_are_exact_and_their_rows_bounded(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "_FOLD_BYTES", 2_000)
    log = SQLiteLog(path, power_safe=False)
    await log.open()
    await begin(log)
    model: dict[str, bytes] = {}
    for i in range(400):
        if i == 200:
            await log.close()
            await log.open()
        changed = {f"k{(i * 7 + j) % 50}": b"%d" % (i * j) for j in range(5)}
        gone = [f"k{i % 50}"]
        await log.commit(Commit("e1", states={"n": Delta(changed, gone)}))
        model |= changed
        model.pop(gone[0], None)
    assert await log.states("e1") == {"n": model}
    await until(lambda: not log._folding)
    other = foreign(path)
    count, size = next(other.execute("SELECT count(*), sum(length(payload)) FROM states"))
    other.close()
    assert count < 100
    assert size < 5_000
    assert states.fold(states.pack_whole({"n": model})) == {"n": model}
    await log.close()


async def test_the_writer_forgets_where_executions_end(
    log: SQLiteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_KNOWN", 2)
    for i in range(5):
        await begin(log, f"e{i}", 1)
    assert log._writer is not None
    assert set(log._writer._tails) == {"e3", "e4"}
    assert await add(log, "e0", 2) == 2
    await finish(log, "e0")
    assert "e0" not in log._writer._tails


# -- flipped bits -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE events SET payload = CAST(replace(payload, ':1,', ':9,') AS BLOB) WHERE first = 2",
        "UPDATE events SET payload = CAST(replace(payload, ':2,', ':3,') AS BLOB) WHERE first = 2",
        "UPDATE events SET digest = zeroblob(16) WHERE first = 2",
        "DELETE FROM events WHERE first = 2",
        "UPDATE events SET last = 99 WHERE first = 4",
    ],
)
async def test_what_was_changed_by_others_is_found(log: SQLiteLog, path: Path, change: str) -> None:
    for i in range(4):
        await begin(log, "e1", i)
    await begin(log, "e2", 1)
    assert await log.damage() == []
    other = foreign(path)
    other.execute(change)
    assert other.changes() == 1
    other.close()
    (found,) = await log.damage()
    assert found.startswith("e1: events ")


async def test_damaged_bytes_are_not_served(log: SQLiteLog, path: Path) -> None:
    blob = Binary(b"right")
    await log.commit(Commit("e1", blobs={blob.sha256: blob}))
    other = foreign(path)
    other.execute("UPDATE blobs SET data = x'00'")
    other.close()
    with pytest.raises(LogError, match="damaged"):
        await log.blob("e1", blob.sha256)

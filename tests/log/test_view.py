"""A log can be read while another process writes it, and nothing of it changes by that."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rxstream.adapters.logs import LogView, SQLiteLog
from rxstream.adapters.logs.view import writer_lives
from rxstream.codec import Binary
from rxstream.errors import AuthorError, LogError
from rxstream.log import Commit
from rxstream.testing import virtual_time
from tests.log.parts import add, begin, data, drained, finish, foreign, outputs, record


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


async def written(path: Path, *elements: int, ended: bool = True) -> None:
    log = SQLiteLog(path)
    await log.open()
    await begin(log, "e1", *elements)
    if ended:
        await finish(log)
    await log.close()


async def viewed(path: Path, **options: bool) -> LogView:
    view = LogView(path, **options)
    await view.open()
    return view


async def test_it_shows_what_a_process_that_is_gone_has_written(path: Path) -> None:
    await written(path, 1, 2)
    view = await viewed(path)
    assert data(await drained(await view.follow("e1")))[:2] == [1, 2]
    assert (await view.record("e1")).status == "completed"
    assert [found.execution_id for found in await view.records()] == ["e1"]
    assert await view.states("e1") == {}
    await view.close()


async def test_it_follows_what_is_being_written(path: Path) -> None:
    log = SQLiteLog(path)
    await log.open()
    await begin(log, "e1", 1)
    view = await viewed(path)
    reader = await view.follow("e1")
    seen = await reader.next()
    await add(log, "e1", 2, 3)
    while len(seen) < 3:
        seen += await reader.next()
    await finish(log)
    assert data(seen + await drained(reader))[:3] == [1, 2, 3]
    assert view.epoch == log.epoch
    await view.close()
    await log.close()


async def test_a_writer_that_died_is_no_ending_and_nobody_waits_for_it(path: Path) -> None:
    await written(path, 1, ended=False)
    view = await viewed(path)
    reader = await view.follow("e1")
    assert data(await reader.next()) == [1]
    with pytest.raises(LogError, match="nobody writes"):
        await reader.next()
    await view.close()


async def test_waiting_ends_with_its_time_and_with_the_view(path: Path) -> None:
    log = SQLiteLog(path)
    await log.open()
    await begin(log, "e1", 1)
    view = await viewed(path)
    assert not await view.wait("e1", 1, timeout=0.01)
    waiting = asyncio.create_task(view.wait("e1", 1))
    await asyncio.sleep(0)
    await view.close()
    assert await waiting
    await log.close()


def test_without_threads_it_serves_a_loop_on_virtual_time(path: Path) -> None:
    asyncio.run(written(path, 1, 2))

    @virtual_time
    async def read_beside_a_timer() -> float:
        loop = asyncio.get_running_loop()
        timer = loop.call_later(60, lambda: None)  # a thread would not be waited for
        view = await viewed(path, threaded=False)
        assert len(await drained(await view.follow("e1"))) == 3
        await view.close()
        timer.cancel()
        return loop.time()

    assert read_beside_a_timer() == 0


async def test_what_a_blob_holds_can_be_fetched(path: Path) -> None:
    log, blob = SQLiteLog(path), Binary(b"picture")
    await log.open()
    await log.commit(Commit("e1", outputs(1), record("e1"), blobs={blob.sha256: blob}))
    view = await viewed(path, threaded=False)
    assert await view.blob("e1", blob.sha256) == blob
    await view.close()
    await log.close()


async def test_it_never_writes(path: Path) -> None:
    await written(path, 1, ended=False)
    before = await asyncio.to_thread(path.read_bytes)
    view = await viewed(path)
    with pytest.raises(LogError, match="for reading only"):
        await add(view, "e1", 2)
    await view.close()
    assert await asyncio.to_thread(path.read_bytes) == before


async def test_what_is_no_log_is_refused_in_a_line(path: Path, tmp_path: Path) -> None:
    foreign(path).execute("CREATE TABLE other (x)")
    (tmp_path / "text.db").write_text("no database at all, " * 100)
    for name, said in (
        (path, "not an event log"),
        (tmp_path / "text.db", "not an SQLite database"),
    ):
        with pytest.raises(LogError, match=said):
            await viewed(name)
    with pytest.raises(AuthorError, match="in memory"):
        LogView("memory:")
    with pytest.raises(LogError, match="not open"):
        await LogView(path).record("e1")


def test_whether_a_writer_lives_is_known_by_its_signature(path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    signatures = {
        f'{{"pid": {os.getpid()}, "host": "{os.uname().nodename}"}}': True,
        f'{{"pid": {ended.pid}, "host": "{os.uname().nodename}"}}': False,
        '{"pid": 1, "host": "another"}': True,
        "": False,
        "[]": False,
    }
    for signature, lives in signatures.items():
        path.with_suffix(".db.lock").write_text(signature)
        assert writer_lives(str(path)) is lives, signature
    assert not writer_lives(str(path.with_suffix(".none")))

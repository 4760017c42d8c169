"""Commits that are still in the write-ahead log, in which bits flip: SQLite would forget them silently."""

from __future__ import annotations

import asyncio
import random
import shutil
from pathlib import Path

import apsw
import pytest

from rxstream.adapters.logs import LogView, SQLiteLog
from rxstream.adapters.logs.wal import lost_commits
from rxstream.errors import LogError
from tests.log.parts import add, begin, data
from tests.log.test_disk import Failing, layer

__all__ = ["layer"]

COMMITS = 12


def copied(path: Path, name: str = "copy") -> Path:
    """The files as they are now, which is what a killed process leaves."""
    folder = path.with_name(name)
    folder.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", folder / f"{path.name}{suffix}")
    return folder / path.name


def flip(path: Path, byte: int) -> None:
    whole = bytearray(path.read_bytes())
    whole[byte] ^= 4
    path.write_bytes(whole)


@pytest.fixture
async def left(log: SQLiteLog, path: Path) -> Path:
    """A log that was killed, with all its commits in the write-ahead log."""
    await begin(log, "e1", 0)
    for i in range(1, COMMITS):
        await add(log, "e1", i)
    return copied(path)


def place(left: Path, number: int) -> int:
    """Where in the write-ahead log the event of that number is written first."""
    return Path(f"{left}-wal").read_bytes().index(b'"sequence":%d,' % number)


async def damage(path: Path) -> list[str]:
    view = LogView(path)
    await view.open()
    found = await view.verify()
    await view.close()
    return [str(damage) for damage in found.damage]


async def test_a_whole_one_loses_nothing(left: Path, log: SQLiteLog) -> None:
    assert await damage(left) == []
    again = SQLiteLog(left)
    await again.open()
    assert again.epoch == log.epoch
    assert data(await again.read("e1")) == list(range(COMMITS))
    await again.close()


async def test_lost_commits_are_told_and_old_cursors_get_a_gap(
    left: Path, log: SQLiteLog, capsys: pytest.CaptureFixture[str]
) -> None:
    flip(Path(f"{left}-wal"), place(left, 6))
    (told,) = await damage(left)
    assert told == "the file: 7 commits in its write-ahead log cannot be read any more"
    again = SQLiteLog(left)
    await again.open()
    assert "commits of the event log are lost" in capsys.readouterr().out
    assert data(await again.read("e1")) == [0, 1, 2, 3, 4]
    assert again.epoch != log.epoch
    # the numbers are given anew, so who saw the old ones is not served as if nothing had been
    assert await add(again, "e1", 100) == 6
    assert (await again.locate("e1", f"{log.epoch}:6")).gap is not None
    assert await again.damage() == []
    await again.close()
    assert b'"sequence":12,' in await asyncio.to_thread(Path(f"{left}-wal.damaged").read_bytes)
    epoch = again.epoch
    await again.open()
    assert again.epoch == epoch
    await again.close()


async def test_the_last_commit_may_have_been_cut_off_by_the_power(left: Path) -> None:
    flip(Path(f"{left}-wal"), place(left, COMMITS))
    assert await damage(left) == []


async def test_commits_that_failed_are_not_taken_for_lost_ones(
    layer: Failing, path: Path, tmp_path: Path
) -> None:
    log = SQLiteLog(path, vfs="lossy")
    await log.open()
    await begin(log, "e1", 0)
    layer.failing["sync"] = apsw.IOError("fsync")
    for size in (400_000, 200_000, 100_000):
        with pytest.raises(LogError, match="its disk failed"):
            await add(log, "e1", "x" * size)
    layer.failing.clear()
    await add(log, "e1", 1)
    assert await damage(copied(path)) == []
    assert lost_commits(str(path)) == 0
    await log.close()


async def test_flips_anywhere_in_it_are_told_when_more_than_one_commit_is_lost(left: Path) -> None:
    chance = random.Random(3)
    size = await asyncio.to_thread(lambda: Path(f"{left}-wal").stat().st_size)
    found = 0
    for number in range(40):
        one = copied(left, f"flip{number}")
        flip(Path(f"{one}-wal"), chance.randrange(32, size))
        view = LogView(one, threaded=False)
        try:
            await view.open()
            events = await view.read("e1")
        except LogError:
            continue
        finally:
            await view.close()
        told = await damage(one)
        if len(events) < COMMITS - 1:
            found += 1
            assert told
    assert found > 20


def locked(path: Path) -> set[str]:
    """Which of the log's files this process has locked, as the system tells."""
    inodes = {str(Path(f"{path}{suffix}").stat().st_ino): suffix for suffix in ("", "-shm")}
    held = (line.split() for line in Path("/proc/locks").read_text().splitlines())
    places = [word for line in held for word in line if word.count(":") == 2]
    return {
        inodes[place.rpartition(":")[2]] for place in places if place.rpartition(":")[2] in inodes
    }


async def test_looking_at_a_log_leaves_the_locks_of_who_has_it_open(
    log: SQLiteLog, path: Path
) -> None:
    await begin(log, "e1", 1)
    assert locked(path) == {"", "-shm"}
    assert await damage(path) == []
    assert await log.damage() == []
    with pytest.raises(LogError, match="is written by"):
        await SQLiteLog(path).open()
    assert locked(path) == {"", "-shm"}
    await log.close()
    view = LogView(path)
    await view.open()
    await view.read("e1")
    before = locked(path)
    await log.open()
    assert locked(path) >= before
    assert locked(path) == {"", "-shm"}
    await log.close()
    await view.close()

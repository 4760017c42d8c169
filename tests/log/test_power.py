"""A power cut: what was written and not yet synced is gone.

A file layer under SQLite copies each file when it is synced; the copies are what a machine without power
would find. The write-ahead index is shared memory and does not survive.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from rxstream.adapters.logs import SQLiteLog
from rxstream.errors import LogError
from rxstream.events import StreamEvent
from rxstream.log import Commit, Delta
from tests.log.parts import begin, data, outputs


class Lossy(apsw.VFS):
    """The usual files; `disk` holds what has reached the disk."""

    def __init__(self, disk: Path) -> None:
        self.disk = disk
        super().__init__("lossy", base="")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> LossyFile:
        return LossyFile(self.disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        (self.disk / Path(filename).name).unlink(missing_ok=True)


class LossyFile(apsw.VFSFile):
    def __init__(self, disk: Path, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        self._disk = disk

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        shutil.copy(self._path, self._disk / Path(self._path).name)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    layer = Lossy(disk)
    yield disk
    layer.unregister()


def cut(disk: Path, number: int) -> Path:
    """Switch the power off; the result is the log's file as it is found afterwards."""
    found = disk.with_name(f"found{number}")
    shutil.copytree(disk, found)
    return found / "events.db"


async def stored(path: Path) -> tuple[list[object], dict[str, dict[str, bytes]]]:
    log = SQLiteLog(path)
    await log.open()
    assert await log.damage() == []
    events: list[StreamEvent] = []
    while page := await log.read("e1", after=len(events)):
        events += page
    states = await log.states("e1")
    await log.close()
    return data(events), states


async def lost_after_cuts(disk: Path, power_safe: bool) -> int:
    """Commit, cut the power after each acknowledgement, and count how often something was lost."""
    log = SQLiteLog(disk.with_name("events.db"), power_safe=power_safe, vfs="lossy")
    await log.open()
    await begin(log)
    lost = 0
    for i in range(25):
        # now and then enough for the write-ahead log to be folded into the file
        size = 1_000_000 if i % 5 == 4 else 10
        last = await log.commit(
            Commit("e1", outputs(i, "x" * size), states={"n": Delta({"i": b"%d" % i})})
        )
        try:
            events, states = await stored(cut(disk, i))
        except LogError:
            lost += 1
            continue
        # whatever is found is a beginning, and the states belong to its end
        assert events[::2] == list(range(len(events) // 2))
        assert states.get("n", {"i": b"-1"}) == {"i": b"%d" % (len(events) // 2 - 1)}
        lost += len(events) < last
    await log.close()
    return lost


async def test_a_power_cut_loses_nothing_acknowledged(disk: Path) -> None:
    assert await lost_after_cuts(disk, power_safe=True) == 0
    assert (disk / "events.db").stat().st_size > 4_000_000  # folded between the cuts


async def test_without_waiting_for_the_disk_a_power_cut_does(disk: Path) -> None:
    """Which shows that the test above can fail."""
    assert await lost_after_cuts(disk, power_safe=False) > 0


async def test_a_cut_while_many_commit_leaves_a_beginning_of_each(disk: Path) -> None:
    log = SQLiteLog(disk.with_name("events.db"), vfs="lossy")
    await log.open()
    await begin(log)
    await asyncio.gather(*(begin(log, f"x{i}", *range(i)) for i in range(20)))
    after = SQLiteLog(cut(disk, 0))
    await after.open()
    assert [(await after.head(f"x{i}")).last for i in range(20)] == list(range(20))
    await after.close()
    await log.close()

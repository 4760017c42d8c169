"""A disk that fails: a full one, one whose sync fails, one that cannot be read. Never an acknowledgement.

A file layer under SQLite fails on command; beside it are the copies that a power cut would leave, because
what was written before a failed sync may be gone although the next sync succeeds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

import rxstream as rxs
from rxstream.adapters.logs import SQLiteLog
from rxstream.errors import LogError
from rxstream.log import Commit, Delta
from tests.log.parts import add, begin, data, numbers, outputs
from tests.log.test_power import Lossy, LossyFile, cut, stored


class Failing(Lossy):
    """The usual files, until one of their calls is to fail."""

    def __init__(self, disk: Path) -> None:
        super().__init__(disk)
        self.failing: dict[str, Exception] = {}
        self.failed = 0

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> FailingFile:
        return FailingFile(self, name, flags)

    def check(self, call: str) -> None:
        if call in self.failing:
            self.failed += 1
            raise self.failing[call]


class FailingFile(LossyFile):
    def __init__(
        self, layer: Failing, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        super().__init__(layer.disk, name, flags)
        self._layer = layer

    def xSync(self, flags: int) -> None:
        self._layer.check("sync")
        super().xSync(flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._layer.check("write")
        super().xWrite(data, offset)


@pytest.fixture
def layer(tmp_path: Path) -> Iterator[Failing]:
    disk = tmp_path / "disk"
    disk.mkdir()
    layer = Failing(disk)
    yield layer
    layer.unregister()


FAILURES = [
    ("sync", apsw.IOError("fsync"), "log_error", "its disk failed to read or write"),
    ("write", apsw.FullError("ENOSPC"), "log_full", "no room is left: free space on its disk"),
    ("write", apsw.IOError("EIO"), "log_error", "its disk failed to read or write"),
]


@pytest.mark.parametrize(("call", "error", "code", "said"), FAILURES)
async def test_a_disk_that_fails_acknowledges_nothing_and_the_same_commit_succeeds_later(
    layer: Failing, path: Path, call: str, error: Exception, code: str, said: str
) -> None:
    log = SQLiteLog(path, vfs="lossy")
    await log.open()
    await begin(log, "e1", 0)
    same = Commit("e1", outputs(1, "x" * 200_000), states={"n": Delta({"i": b"0"})})
    layer.failing[call] = error
    reader = await log.follow("e1", 1)
    for _ in range(3):
        with pytest.raises(LogError, match=said) as failed:
            await log.commit(same)
        assert failed.value.code == code
        assert await reader.next(timeout=0) == []
        assert (await log.head("e1")).last == 1
    assert layer.failed >= 3
    del layer.failing[call]
    assert await log.commit(same) == 3
    assert await add(log, "e1", 2) == 4
    assert numbers(await reader.next()) == [2, 3, 4]
    found, states = await stored(cut(layer.disk, 1))
    assert (found[:2], found[3], states) == ([0, 1], 2, {"n": {"i": b"0"}})
    await log.close()


async def test_a_disk_that_fails_while_it_makes_the_file_smaller_loses_nothing(
    layer: Failing, path: Path
) -> None:
    log = SQLiteLog(path, vfs="lossy")
    await log.open()
    await begin(log, "e1", 0)
    for i in range(5):  # enough for the write-ahead log to be folded into the file
        layer.failing["sync"] = apsw.IOError("fsync")
        with pytest.raises(LogError, match="its disk failed"):
            await add(log, "e1", "x" * 1_000_000)
        layer.failing.clear()
        await add(log, "e1", "x" * 1_000_000, i)
        found, _ = await stored(cut(layer.disk, i))
        assert found[2::2] == list(range(i + 1))
    assert await log.damage() == []
    await log.close()


@pytest.mark.parametrize(("call", "error", "code", "said"), FAILURES[:2])
async def test_a_graph_waits_loudly_for_its_disk_and_goes_on_when_it_is_back(
    layer: Failing,
    path: Path,
    call: str,
    error: Exception,
    code: str,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    @rxs.graph
    def counting() -> rxs.Stream[int]:
        return rxs.range(20_000)

    async with rxs.Engine(SQLiteLog(path, vfs="lossy")) as engine:
        execution = await engine.start(counting)
        await execution.events().__anext__()
        layer.failing[call] = error
        shown = ""
        async with asyncio.timeout(30):
            while "refused a commit; producers wait" not in shown:
                await asyncio.sleep(0.01)
                shown += capsys.readouterr().out
        assert said in shown
        assert not execution.ended
        before = (await engine.log.head(execution.id)).last
        assert (await engine.log.head(execution.id)).last == before
        layer.failing.clear()
        assert await execution.result() == 19_999
        events = [event async for event in execution.events()]
    assert numbers(events) == list(range(1, len(events) + 1))
    assert data([e for e in events if e.event_type == "step_output"]) == list(range(20_000))

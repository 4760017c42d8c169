"""Readers between a disk that is slow and a log that goes on, in orders that a real disk rarely takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from rxstream.errors import LogError
from rxstream.events import StreamEvent, sealed, unseal
from rxstream.log import Commit, Head, MemoryLog
from tests.log.parts import add, begin, data, drained, finish, numbers, outputs, until


class Disk(MemoryLog):
    """A log in memory that answers from a disk after whatever `meanwhile` lets happen."""

    def __init__(self, ring_events: int = 4) -> None:
        super().__init__(ring_events=ring_events)
        self.stored: list[StreamEvent] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def _published(self, execution_id: str, first: int, lines: Sequence[bytes]) -> None:
        self.stored += [unseal(line, execution_id, n) for n, line in enumerate(lines, first)]
        super()._published(execution_id, first, lines)

    def _first_available(self, execution_id: str, ring: object) -> int:
        return 1

    async def _head(self, execution_id: str) -> Head:
        answer = Head(1, len(self.stored), any(e.terminal for e in self.stored))
        self.meanwhile()
        return answer

    async def _read(self, execution_id: str, after: int, limit: int) -> list[StreamEvent]:
        answer = self.stored[after : after + limit]
        self.meanwhile()
        return answer


@pytest.fixture
async def disk() -> Disk:
    disk = Disk()
    await disk.open()
    return disk


async def test_a_commit_while_the_head_is_read_is_not_missed(disk: Disk) -> None:
    await begin(disk, "e1", 1)
    disk.rings.drop("e1")

    def commit() -> None:
        disk.meanwhile = lambda: None
        disk._published("e1", 2, sealed(outputs(2), "e1", disk.epoch, 2))

    disk.meanwhile = commit
    assert await disk.wait("e1", 1, timeout=5) is True


async def test_what_the_disk_has_and_nobody_was_shown_is_held_back(disk: Disk) -> None:
    await begin(disk, "e1", *range(9))
    disk.stored.append(StreamEvent("step_output", "e1", 10, b"{}"))  # not published yet
    assert (await disk.head("e1")).last == 9
    assert len(await disk.read("e1", after=1, limit=100)) == 8
    assert len(await disk.read("e1", after=1, limit=3)) == 3


async def test_a_commit_between_two_questions_is_read(disk: Disk) -> None:
    await begin(disk, "e1", 1)
    disk.rings.drop("e1")
    reader = await disk.follow("e1", 1)
    extra = StreamEvent("step_output", "e1", 2, b"{}")

    def commit() -> None:
        disk.meanwhile = lambda: None
        disk.stored.append(extra)

    disk.meanwhile = commit
    assert await reader.next(timeout=5) == [extra]


async def test_events_that_should_be_there_and_are_not_are_an_error(disk: Disk) -> None:
    await begin(disk, "e1", 1, 2)
    disk.rings.drop("e1")
    reader = await disk.follow("e1", 1)

    async def nothing(execution_id: str, after: int, limit: int) -> list[StreamEvent]:
        return []

    disk._read = nothing  # type: ignore[method-assign]  # a damaged disk
    with pytest.raises(LogError, match="are missing"):
        await reader.next(timeout=5)


async def test_a_reader_far_behind_reads_the_disk_while_it_goes_on(disk: Disk) -> None:
    await begin(disk, "e1", *range(20))
    reader = await disk.follow("e1")
    left = iter(range(20, 60))
    read = 0

    def commit_one() -> None:
        nonlocal read
        read += 1
        disk.commit(Commit("e1", outputs(next(left))))

    disk.meanwhile = commit_one
    seen = await reader.next(limit=3)
    while disk.rings.read("e1", len(seen), 1) is None:
        seen += await reader.next(limit=3)
    assert read > 5
    await finish(disk)
    seen += await drained(reader)
    assert numbers(seen) == list(range(1, len(disk.stored) + 1))


async def test_a_reader_that_was_overtaken_is_told_what_it_missed() -> None:
    log = MemoryLog(ring_events=4)
    await log.open()
    await begin(log, "e1", 0)
    reader = await log.follow("e1")
    assert data(await reader.next()) == [0]
    for i in range(1, 20):
        await add(log, "e1", i)
    head = await log.head("e1")
    (told,) = await reader.next()
    assert told.data == {
        "requested": "1",
        "first_available": head.first,
        "missed": head.first - 2,
    }
    assert reader.cursor == told.cursor
    assert numbers(await reader.next()) == list(range(head.first, 21))


async def test_a_reader_of_the_beginning_is_told_that_it_is_gone() -> None:
    log = MemoryLog(ring_events=4)
    await log.open()
    await begin(log, "e1", *range(9))
    position = await log.locate("e1", None)
    assert position.gap is not None
    assert position.gap.data == {"requested": "0", "first_available": 7, "missed": 6}
    behind = await log.locate("e1", f"{log.epoch}:2")
    assert behind.gap is not None
    assert behind.gap.data == {
        "requested": f"{log.epoch}:2",
        "first_available": 7,
        "missed": 4,
    }


async def test_the_rest_is_read_from_memory_after_closing() -> None:
    log = MemoryLog()
    await log.open()
    await begin(log, "e1", 1, 2)
    await finish(log)
    reader = await log.follow("e1")
    await reader.next(limit=1)
    await log.close()
    assert numbers(await drained(reader)) == [2, 3]


async def test_a_log_that_cannot_open_is_not_open() -> None:
    class Broken(MemoryLog):
        async def _open(self) -> None:
            raise LogError("no")

    log = Broken()
    with pytest.raises(LogError):
        await log.open()
    assert not log.is_open


async def test_who_is_cancelled_in_the_moment_of_a_commit_is_passed_over(disk: Disk) -> None:
    await begin(disk, "e1", 1)
    staying, leaving = [asyncio.create_task(disk.wait("e1", 1)) for _ in range(2)]
    await until(lambda: len(disk._waiting.get("e1", ())) == 2)
    leaving.cancel()
    disk.commit(Commit("e1", outputs(2)))
    assert await staying is True
    assert leaving.cancelled()


async def test_one_reader_waits_no_longer_than_it_was_told(disk: Disk) -> None:
    await begin(disk, "e1", 1)
    reader = await disk.follow("e1", 1)
    assert await reader.next(timeout=0.01) == []
    assert await reader.next(timeout=0) == []
    await add(disk, "e1", 2)
    assert data(await reader.next(timeout=0)) == [2]

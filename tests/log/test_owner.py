"""What a killed process leaves, and who may write after it or beside it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from rxstream.adapters.logs import SQLiteLog
from rxstream.errors import LogError, LogLocked
from rxstream.events import StreamEvent
from rxstream.log import Commit, Delta, Retention
from tests.log.parts import add, begin, data, finish, foreign, numbers, outputs, record

ROOT = Path(__file__).parents[2]


# -- what survives ----------------------------------------------------------------------------


async def writing(path: Path) -> asyncio.subprocess.Process:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.log.writing", str(path),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    assert await child.stdout.readline() == b"ready\n"
    return child


@pytest.mark.parametrize("lines", [1, 17, 80])
async def test_a_kill_in_the_middle_of_commits_loses_nothing_acknowledged(
    path: Path, lines: int
) -> None:
    child = await writing(path)
    assert child.stdout is not None
    said = [await child.stdout.readline() for _ in range(lines)]
    child.kill()
    said += (await child.stdout.read()).splitlines(keepends=True)
    await child.wait()
    acknowledged = {
        name: int(last)
        for name, last in (line.decode().split() for line in said if line.endswith(b"\n"))
    }

    log = SQLiteLog(path)
    await log.open()  # the lock went with the process
    for name, last in acknowledged.items():
        head = await log.head(name)
        assert head.last >= last
        stored = [e async for e in everything(log, name)]
        assert numbers(stored) == list(range(1, head.last + 1))
        assert data(stored) == list(range(1, head.last + 1))
        assert await finish(log, name) == head.last + 1
    assert await log.damage() == []
    await log.close()


async def everything(log: SQLiteLog, execution_id: str) -> AsyncIterator[StreamEvent]:
    after = 0
    while page := await log.read(execution_id, after):
        for event in page:
            yield event
        after = page[-1].sequence or 0


async def test_a_second_process_is_told_who_writes(path: Path) -> None:
    child = await writing(path)
    with pytest.raises(LogLocked) as refused:
        await SQLiteLog(path).open()
    child.kill()
    await child.communicate()
    message = refused.value.message
    assert f"{path} is written by process {child.pid} on {socket.gethostname()} since 2" in message
    assert "(writing.py)" in message
    assert "\n" not in message


async def test_two_logs_of_one_process_cannot_write_one_file(log: SQLiteLog, path: Path) -> None:
    path.with_name("other").symlink_to(path)
    with pytest.raises(LogLocked, match=f"process {os.getpid()} "):
        await SQLiteLog(path.with_name("other")).open()
    await begin(log)  # the first goes on


async def test_the_epoch_stays_with_the_file(path: Path) -> None:
    epochs = set()
    for _ in range(2):
        log = SQLiteLog(path)
        await log.open()
        epochs.add(log.epoch)
        await log.close()
    assert len(epochs) == 1


async def test_a_log_can_be_opened_again_after_another_wrote(path: Path) -> None:
    first, second = SQLiteLog(path), SQLiteLog(path)
    await first.open()
    await begin(first, "e1", 1)
    await first.close()
    await second.open()
    await add(second, "e1", 2)
    await second.close()
    await first.open()
    assert numbers(await first.read("e1")) == [1, 2]
    assert await add(first, "e1", 3) == 3
    await first.close()


# -- who may write ----------------------------------------------------------------------------


async def test_an_owner_who_was_replaced_is_refused(log: SQLiteLog, path: Path) -> None:
    await begin(log, "e1", 1)
    with foreign(path) as other:
        other.execute("UPDATE meta SET value = value + 1 WHERE key = 'generation'")
    other.close()
    with pytest.raises(LogLocked, match="taken over"):
        await add(log, "e1", 2)
    assert (await log.head("e1")).last == 1


async def test_a_holder_that_has_not_signed_is_another_process(path: Path) -> None:
    first = SQLiteLog(path)
    await first.open()
    path.with_name("events.db.lock").write_bytes(b"")
    with pytest.raises(LogLocked, match="written by another process: stop"):
        await SQLiteLog(path).open()
    await first.close()


async def test_a_system_without_locks_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(LogError, match="No locks available"):
        await SQLiteLog(path).open()
    assert len(os.listdir("/proc/self/fd")) == before


async def test_opening_that_is_given_up_leaves_no_lock(path: Path) -> None:
    opening = asyncio.create_task(SQLiteLog(path).open())
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    again = SQLiteLog(path)
    async with asyncio.timeout(30):
        while not again.is_open:
            try:
                await again.open()
            except LogLocked:
                await asyncio.sleep(0.01)
    await again.close()


async def test_opening_that_is_given_up_leaves_another_s_lock(log: SQLiteLog, path: Path) -> None:
    opening = asyncio.create_task(SQLiteLog(path).open())
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    with pytest.raises(LogLocked):
        await SQLiteLog(path).open()


def test_a_log_outlives_its_loop(path: Path) -> None:
    log = SQLiteLog(path)

    async def commit_and_leave() -> apsw.Connection:
        await log.open()
        slow = foreign(path)
        slow.execute("BEGIN IMMEDIATE")
        log.commit(Commit("e1", outputs(1), record("e1")))
        return slow

    slow = asyncio.run(commit_and_leave())
    slow.execute("ROLLBACK")
    slow.close()
    asyncio.run(log.close())

    async def look() -> list[int | None]:
        await log.open()
        assert log.pending == 0
        seen = numbers(await log.read("e1"))
        await log.close()
        return seen

    assert asyncio.run(look()) == [1]


# -- who was paused ---------------------------------------------------------------------------


async def test_a_process_that_was_paused_and_lost_the_log_cannot_commit(path: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.log.asked", str(path),
        cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stdin is not None
    assert child.stdout is not None

    async def ask() -> bytes:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b"commit\n")
        return await child.stdout.readline()

    assert await ask() == b"1\n"
    assert await ask() == b"2\n"
    child.send_signal(signal.SIGSTOP)
    # the system's lock is held by who is paused: somebody removes its file, as a restore of a backup does
    path.with_name("events.db.lock").unlink()
    log = SQLiteLog(path)
    await log.open()
    assert await add(log, "e1", 3) == 3
    child.send_signal(signal.SIGCONT)
    assert b"was taken over by another process: this one cannot write it any more" in await ask()
    assert b"was taken over" in await ask()  # and it stays so
    assert await add(log, "e1", 4) == 4
    assert data(await log.read("e1")) == [1, 2, 3, 4]
    assert await log.damage() == []
    with pytest.raises(LogLocked, match=f"process {os.getpid()} on "):
        await SQLiteLog(path).open()
    child.stdin.close()
    assert await child.wait() == 0
    # its own end did not take the lock away from who has it now
    with pytest.raises(LogLocked, match=f"process {os.getpid()} on "):
        await SQLiteLog(path).open()
    assert await add(log, "e1", 5) == 5
    await log.close()


async def test_pruning_and_checkpoints_of_who_was_replaced_are_refused_too(
    log: SQLiteLog, path: Path
) -> None:
    await log.commit(Commit("e1", outputs(1), record("e1"), {"n": Delta({"k": b"v"})}))
    await finish(log, "e1")
    await begin(log, "e2", 1)
    other = foreign(path)
    other.execute("UPDATE meta SET value = value + 1 WHERE key = 'generation'")
    other.close()
    with pytest.raises(LogLocked, match="taken over"):
        await log.prune(Retention(max_executions=0))
    with pytest.raises(LogLocked, match="taken over"):
        await log.checkpoint("e2")
    assert (await log.head("e1")).ended

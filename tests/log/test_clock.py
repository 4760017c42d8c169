"""The clock of the wall jumps an hour back and a day ahead: neither order nor timers care."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest

import rxstream as rxs
from rxstream.adapters.logs import SQLiteLog
from rxstream.testing import run

JUMPS = [timedelta(hours=-1), timedelta(days=1)]


class Wall:
    """What the clock of the wall shows is off by this."""

    off = timedelta()


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    wall, right = Wall(), time.time

    class Jumping(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.now(tz) + wall.off

        @classmethod
        def utcnow(cls) -> Any:
            return datetime.now(UTC).replace(tzinfo=None) + wall.off

    for module in ("rxstream.events", "rxstream.engine.life", "rxstream.engine.engine"):
        monkeypatch.setattr(f"{module}.datetime", Jumping)
    monkeypatch.setattr(time, "time", lambda: right() + wall.off.total_seconds())
    return wall


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_timers_go_on_at_their_pace(wall: Wall, jump: timedelta) -> None:
    @rxs.graph
    def ticking() -> rxs.Stream[Any]:
        ticks = rxs.interval(1.0).take(10)
        return ticks.buffer_with_time(2.5).delay(0.25)

    async def main() -> list[tuple[float, Any]]:
        loop = asyncio.get_running_loop()
        found: list[tuple[float, Any]] = []
        async with rxs.Engine() as engine:
            execution = await engine.start(ticking)
            begun = loop.time()
            loop.call_later(3.1, setattr, wall, "off", jump)
            loop.call_later(6.1, setattr, wall, "off", -jump)
            async for event in execution.events():
                if event.event_type == "step_output":
                    found.append((round(loop.time() - begun, 1), event.data))
        return found

    jumping = run(main())
    wall.off = jump = timedelta()
    assert jumping == run(main())
    assert len(jumping) >= 4


@pytest.mark.parametrize("jump", JUMPS, ids=str)
async def test_order_is_that_of_commits(wall: Wall, jump: timedelta, path: Path) -> None:
    @rxs.graph
    def three() -> rxs.Stream[int]:
        return rxs.of(1, 2, 3)

    ids = []
    async with rxs.Engine(SQLiteLog(path)) as engine:
        for off in (timedelta(), jump, timedelta()):
            wall.off = off
            execution = await engine.start(three)
            assert await execution.result() == 3
            ids.append(execution.id)
        records = await engine.records()
        assert [record.execution_id for record in records] == ids[::-1]  # newest first
        assert (
            records[1].created_at - records[2].created_at > timedelta(minutes=50)
            or jump < timedelta()
        )
        after = await engine.records(after=ids[2])
        assert [record.execution_id for record in after] == [ids[1], ids[0]]
        for execution_id in ids:
            events = await engine.log.read(execution_id)
            assert [event.sequence for event in events] == list(range(1, len(events) + 1))


async def test_what_was_recorded_before_a_jump_is_read_on_from_its_cursor(
    wall: Wall, path: Path
) -> None:
    go = asyncio.Event()

    @rxs.graph
    def two() -> rxs.Stream[int]:
        async def source() -> Any:
            yield 1
            await go.wait()
            yield 2

        return rxs.source(source)

    async with rxs.Engine(SQLiteLog(path)) as engine:
        execution = await engine.start(two)
        seen = []
        async for event in execution.events():
            seen.append(event)
            if event.event_type == "step_output" and not go.is_set():
                wall.off = JUMPS[0]
                go.set()
        stamps = [event.timestamp for event in seen]
        assert stamps != sorted(stamps)  # the wall's clock did jump
        again = [event async for event in execution.events(after=seen[1].cursor)]
        assert [e.json for e in again] == [e.json for e in seen[2:]]
        assert await execution.result() == 2

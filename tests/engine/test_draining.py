"""A process that ends for another: nothing new, what can go on is put away, and the next one takes over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import rxstream as rxs
from rxstream.errors import Draining, LogError
from rxstream.testing import JournalLog, virtual_time
from tests.engine.crashing import ticks
from tests.engine.parts import FullLog, SlowLog, events_of, now, told, within


@rxs.graph
def totals(count: int = 20) -> Any:
    """A running total, which can go on after a stop."""
    return ticks(count).scan(lambda a, b: a + b, 0).named("total")


@rxs.graph
def once(seconds: float = 10.0) -> Any:
    """What has begun cannot go on."""

    async def work() -> float:
        await asyncio.sleep(seconds)
        return now()

    return rxs.source(work).named("work")


GRAPHS: list[Any] = [totals, once]


@virtual_time
async def test_the_next_engine_goes_on_with_everything() -> None:
    journal = JournalLog()
    first = rxs.Engine(journal, graphs=GRAPHS, max_running=2)
    await first.open()
    running = [await first.start("totals") for _ in range(2)]
    queued = [await first.start("totals", user="anna") for _ in range(2)]
    async for event in running[0].events():
        if event.event_type == "step_output":
            break
    await first.drain()
    assert [e.status for e in running + queued] == ["running", "running", "queued", "queued"]
    await first.close()

    again = JournalLog(journal.commits, journal.epoch)
    async with rxs.Engine(again, graphs=GRAPHS, max_running=2) as second:
        for execution in running + queued:
            events = await within(60, events_of(second.execution(execution.id)))
            assert [e.sequence for e in events] == list(range(1, len(events) + 1))
            shown = [e.data for e in events if e.event_type == "step_output"]
            assert shown == [n * (n + 1) // 2 for n in range(20)]
            assert events[-1].event_type == "pipeline_complete"


@virtual_time
async def test_readers_of_what_was_put_away_see_no_end() -> None:
    journal = JournalLog()
    engine = rxs.Engine(journal, graphs=GRAPHS, max_running=1)
    await engine.open()
    readers = [
        asyncio.ensure_future(events_of(await engine.start("totals", {"count": 10_000})))
        for _ in range(2)
    ]
    await asyncio.sleep(0.1)
    await engine.drain()
    for read in await asyncio.gather(*readers, return_exceptions=True):
        assert isinstance(read, LogError)
        assert read.code == "log_abandoned"
        assert "the engine was stopped" in read.message
    await engine.close()


@virtual_time
async def test_what_cannot_go_on_has_its_grace_and_is_then_cancelled() -> None:
    async with rxs.Engine(JournalLog(), graphs=GRAPHS) as engine:
        quick = await engine.start("once", {"seconds": 3})
        slow = await engine.start("once", {"seconds": 100})
        begun = now()
        await engine.drain(grace_s=5)
        assert now() - begun == 5
        assert (quick.status, slow.status) == ("completed", "cancelled")
        assert (await events_of(slow))[-1].data == {"reason": "the server was stopped"}


@virtual_time
async def test_without_a_durable_log_what_waits_is_cancelled_too() -> None:
    async with rxs.Engine(graphs=GRAPHS, max_running=1) as engine:
        running, queued = await engine.start("totals"), await engine.start("totals")
        done = await engine.start("once")
        done.cancel()
        await engine.drain()
        assert (running.status, queued.status) == ("cancelled", "cancelled")
        assert await told(queued) == ["pipeline_cancelled"]


@virtual_time
async def test_nothing_is_started_meanwhile_and_what_runs_may_use_resources() -> None:
    async with rxs.Engine(JournalLog(), graphs=GRAPHS, resources={"gpu": 1}) as engine:
        work = await engine.start("once", {"seconds": 3}, resources={"gpu": 1})
        queued = await engine.start("once", resources={"gpu": 1})
        draining = asyncio.ensure_future(engine.drain(grace_s=5))
        await asyncio.sleep(1)
        with pytest.raises(Draining):
            await engine.start("once")
        await draining
        assert (work.status, queued.status) == ("completed", "queued")
        async with engine.resources.acquire(gpu=1):
            pass


@virtual_time
async def test_one_whose_start_is_being_recorded_goes_on_too() -> None:
    journal = JournalLog()
    engine = rxs.Engine(journal, graphs=GRAPHS)
    await engine.open()
    starting = asyncio.ensure_future(engine.start("totals"))
    await asyncio.sleep(0)
    await engine.drain()
    execution = await starting
    await engine.close()
    again = JournalLog(journal.commits, journal.epoch)
    async with rxs.Engine(again, graphs=GRAPHS) as second:
        assert await within(60, second.execution(execution.id).result()) == 190


class _Full(FullLog):
    durable = True


class _Slow(SlowLog):
    durable = True


@virtual_time
async def test_a_slow_log_is_waited_for_before_what_begins_is_put_away() -> None:
    async with rxs.Engine(_Slow(), graphs=GRAPHS) as engine:
        starting = asyncio.ensure_future(engine.start("totals"))
        await asyncio.sleep(0.1)
        await engine.drain()
        execution = await starting
        assert (execution.status, execution.ended) == ("running", True)


@virtual_time
async def test_a_log_that_is_lost_meanwhile_does_not_hold_it_up() -> None:
    log = _Full()
    async with rxs.Engine(log, graphs=GRAPHS) as engine:
        execution = await engine.start("totals", {"count": 10_000})
        await asyncio.sleep(0.1)
        execution.recorder.hurry()
        log.full = True
        begun = now()
        await engine.drain(timeout=4)
        assert now() < begun + 2
        assert execution.ended


@virtual_time
async def test_a_log_that_refuses_does_not_hold_it_for_ever() -> None:
    log = _Full()
    async with rxs.Engine(log, graphs=GRAPHS) as engine:
        await engine.start("totals", {"count": 10_000})
        await asyncio.sleep(0.1)
        log.full = True
        begun = now()
        await engine.drain(timeout=4)
        assert now() == pytest.approx(begun + 4)

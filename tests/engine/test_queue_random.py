"""Random executions with users, resources and dependencies, and a crash: each ends, once, as it must."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest

import rxstream as rxs
from rxstream.testing import JournalLog, run

TOTALS = {"gpu": 2, "cpu": 3}
PLACES = 4


@rxs.graph
def works(seconds: float, fails: bool) -> Any:
    """Takes a while, and may fail."""

    async def work(_: int) -> str:
        await asyncio.sleep(seconds)
        if fails:
            raise ValueError("no luck")
        return "done"

    return rxs.of(0).map_async(work).named("work")  # goes on after the crash


async def start_some(engine: rxs.Engine, chance: random.Random) -> list[rxs.Execution]:
    made: list[rxs.Execution] = []
    for _ in range(25):
        needs = chance.sample(made, min(len(made), chance.choice([0, 0, 0, 1, 2])))
        names = chance.sample(sorted(TOTALS), chance.choice([0, 0, 1, 2]))
        after: Any = {chance.choice(["after_success", "after_end"]): [one.id for one in needs]}
        made.append(
            await engine.start(
                "works",
                {"seconds": chance.choice([0.5, 3, 20]), "fails": chance.random() < 0.1},
                priority=chance.randrange(-2, 3),
                user=chance.choice(["anna", "bert", "carl"]),
                resources={name: chance.randint(1, TOTALS[name]) for name in names},
                **after,
            )
        )
        await asyncio.sleep(chance.choice([0, 0, 1]))
    for execution in chance.sample(made, 3):
        if execution.unsettled():
            execution.cancel()
    return made


def check(engine: rxs.Engine) -> None:
    """No more runs and is held than there is."""
    running = [e for e in engine._roster.known.values() if e.status == "running" and not e.ended]
    held = Counter[str]()
    for execution in running:
        held.update(execution.record.detail.get("asks", {}).get("resources", {}))
    assert len(running) <= PLACES
    assert all(held[name] <= total for name, total in TOTALS.items())
    assert all(engine.resources.free(name) >= 0 for name in TOTALS)


async def watched(engine: rxs.Engine) -> None:
    while True:
        check(engine)
        await asyncio.sleep(0.25)


@pytest.mark.parametrize("seed", range(12))
def test_each_ends_once_and_as_what_it_waited_for_allows(seed: int) -> None:
    async def history() -> None:
        chance = random.Random(seed)
        journal = JournalLog()
        options: Any = {"graphs": [works], "max_running": PLACES, "resources": TOTALS}
        async with rxs.Engine(journal, **options) as first:
            watching = asyncio.ensure_future(watched(first))
            made = await start_some(first, chance)
            await asyncio.sleep(chance.uniform(0, 30))
            died = JournalLog(list(journal.commits), journal.epoch)
            watching.cancel()
        async with rxs.Engine(died, **options) as second:
            watching = asyncio.ensure_future(watched(second))
            for one in made:
                if (await second.record(one.id)).ended_at is None:
                    await second.execution(one.id).wait()
            assert not watching.done(), watching.exception()
            watching.cancel()
            assert {name: second.resources.free(name) for name in TOTALS} == TOTALS
            assert second.queue() == {}
            await judge(second, made)

    run(history())


async def judge(engine: rxs.Engine, made: list[rxs.Execution]) -> None:
    statuses = {one.id: (await engine.record(one.id)).status for one in made}
    assert Counter(statuses.values())["completed"] > 3
    for one in made:
        events = [event async for event in await engine.log.follow(one.id)]
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        assert sum(event.terminal for event in events) == 1
        begun = any(event.event_type == "pipeline_start" for event in events)
        needed = one.record.detail.get("asks", {}).get("after_success", ())
        if any(statuses[name] != "completed" for name in needed):
            assert not begun
            assert statuses[one.id] == "cancelled"
        if begun:
            began = next(e.timestamp for e in events if e.event_type == "pipeline_start")
            for name in one.record.detail.get("asks", {}).get("after_end", ()):
                last = [e async for e in await engine.log.follow(name)][-1]
                assert last.timestamp <= began

"""An attempt is not counted anew after two commits between which its wrapper had nothing to do."""

from __future__ import annotations

import asyncio
from typing import Any

import rxstream as rxs
from rxstream.log import Commit
from rxstream.testing import JournalLog, run
from tests.engine.crashing import ticks
from tests.engine.parts import events_of


def picky(n: int) -> int:
    if n == 6:
        raise ValueError("six")
    return n


class Slow(JournalLog):
    """A commit takes four milliseconds."""

    def _commit(self, commit: Commit) -> asyncio.Future[int]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[int] = loop.create_future()
        whole = super()._commit
        loop.call_later(0.004, lambda: done.set_result(whole(commit).result()))
        return done


@rxs.graph
def tried() -> Any:
    """Three attempts that fail at the same place; what wraps them is the output."""
    return ticks(9).map(picky).retry(3).named("tried")


async def rested(after_s: float) -> list[rxs.StreamEvent]:
    """A run that is suspended after so many seconds, and gone on with."""
    log = Slow()
    engine = rxs.Engine(log, graphs=[tried])
    await engine.open()
    execution = await engine.start("tried")
    await asyncio.sleep(after_s)
    await execution.suspend()
    await engine.close()
    async with rxs.Engine(log, graphs=[tried]) as engine:
        return await events_of(engine.execution(execution.id))


def test_suspended_at_any_time_there_are_three() -> None:
    for tenths in range(1, 600, 7):
        events = run(rested(tenths / 10_000))
        shown = [event.data for event in events if event.event_type == "step_output"]
        started = [event.step_id for event in events if event.event_type == "step_start"]
        assert shown == [0, 1, 2, 3, 4, 5] * 3
        assert started.count("tried") == 1

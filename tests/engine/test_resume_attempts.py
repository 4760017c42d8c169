"""Of attempts that fail the same is told, whenever they were put to rest and gone on with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

import rxstream as rxs
from rxstream.log import Commit
from rxstream.source import SourcePort
from rxstream.testing import JournalLog, run
from tests.engine.crashing import Ticks, ticks
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


class Failing(Ticks):
    """Ticks that fail by themselves instead of ending."""

    name = "failing"

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[int]]:
        async for batch in super().open(port):
            yield batch
        await asyncio.sleep(self.apart)
        raise ValueError("over")


@rxs.graph
def tried() -> Any:
    """Three attempts that fail at the same place; what wraps them is the output."""
    return ticks(9).map(picky).retry(3).named("tried")


@rxs.graph
def batches() -> Any:
    """The same, where an element that fails is the first of its batch."""
    return ticks(12, batch=3).map(picky).retry(3).named("tried")


@rxs.graph
def source() -> Any:
    """The same, where it is the source that fails."""
    return rxs.source(Failing(6, 0.003, batch=2)).retry(3).named("tried")


async def rested(graph: rxs.Graph[[], Any], after_s: float) -> list[rxs.StreamEvent]:
    """A run that is suspended after so many seconds if it still runs then, and gone on with."""
    log = Slow()
    engine = rxs.Engine(log, graphs=[graph])
    await engine.open()
    execution = await engine.start(graph)
    await asyncio.sleep(after_s)
    await execution.suspend()
    await engine.close()
    async with rxs.Engine(log, graphs=[graph]):
        return [event async for event in await log.follow(execution.id)]


async def undisturbed(graph: rxs.Graph[[], Any]) -> list[rxs.StreamEvent]:
    async with rxs.Engine(Slow()) as engine:
        return await events_of(await engine.start(graph))


def told(events: list[rxs.StreamEvent]) -> list[Any]:
    """All of it but times: which attempt began and failed, what came, and how many there were."""
    return [
        (
            event.event_type,
            event.step_id,
            event.metadata,
            event.data["count"] if event.event_type == "step_complete" else event.data,
        )
        for event in events
        if event.event_type != "pipeline_error"
    ]


@pytest.mark.parametrize("graph", [tried, batches, source], ids=lambda graph: graph.name)
def test_suspended_at_any_time_there_are_three(graph: rxs.Graph[[], Any]) -> None:
    expected = told(run(undisturbed(graph)))
    assert [data for kind, _, _, data in expected if kind == "step_output"] == [*range(6)] * 3
    for tenths in range(1, 600, 7):
        assert told(run(rested(graph, tenths / 10_000))) == expected

"""What a node counts of its own is in its statistics, and is not forgotten over a crash."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import rxstream as rxs
from rxstream.engine.reporting import tally
from rxstream.source import Source, SourcePort
from rxstream.testing import run
from rxstream.testing.crashes import JournalLog


class Counting(Source[int]):
    """Counts what it gives by itself."""

    name = "counting"
    seekable = True

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[int]]:
        for number in range(port.start or 0, 4):
            tally(port, "sum", number)
            port.seek_point(number + 1)
            yield [number]


@rxs.graph
def counting() -> Any:
    left = rxs.source(Counting()).named("left")
    return {"left": left, "right": rxs.source(Counting()).named("right")}


async def counted(log: JournalLog, execution_id: str | None = None) -> tuple[str, dict[str, float]]:
    async with rxs.Engine(log) as engine:
        if execution_id is None:
            execution = await engine.start(counting)
        else:
            execution = await engine.resume(execution_id, counting)
        await execution.wait()
        assert {n.node: n.tallies for n in execution.statistics().nodes}["left"] == {"sum": 6}
        return execution.id, execution.statistics().tallies


def test_they_are_added_up_for_an_execution() -> None:
    assert run(counted(JournalLog()))[1] == {"sum": 12}


def test_they_go_on_after_a_crash() -> None:
    journal = JournalLog()
    execution_id, _ = run(counted(journal))
    for point in range(1, len(journal.commits)):
        died = JournalLog(journal.commits[:point], journal.epoch)
        assert run(counted(died, execution_id))[1] == {"sum": 12}


def test_a_port_that_is_no_engines_counts_nothing() -> None:
    tally(object(), "sum", 1)  # type: ignore[arg-type]  # as one of a test's

"""A source whose offset grows: stored by what changed, however long it becomes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

import rxstream as rxs
from rxstream.engine.sources import TaskUnit
from rxstream.source import Changes, Source, SourcePort
from rxstream.testing import crash_everywhere, run
from rxstream.testing.crashes import JournalLog


class Kept:
    """All that was given, a row for each cut."""

    def __init__(self, rows: dict[str, str]) -> None:
        self.all = "".join(rows[name] for name in sorted(rows, key=int))
        self._row = len(rows)
        self._new = ""

    def add(self, text: str) -> None:
        self.all += text
        self._new += text

    def changes(self) -> Changes | None:
        if not self._new:
            return None
        row = str(self._row)
        self._row += 1
        new, self._new = self._new, ""
        return False, {row: new}, []


class Digits(Source[str]):
    """Numbers one after the other; it finds out from what it gave how far it was."""

    name = "digits"
    seekable = True
    incremental = True

    def __init__(self, count: int, fails: bool = False) -> None:
        self.count = count
        self.fails = fails

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[str]]:
        kept = Kept(port.start or {})
        port.seek_point(kept)
        while len(kept.all) < self.count:
            await asyncio.sleep(0.003)
            batch = [str((len(kept.all) + index) % 10) for index in range(2)]
            kept.add("".join(batch))
            yield batch
        if self.fails:
            raise OSError("it broke")


def graph_of(source: Source[str], then: Callable[[Any], Any] = lambda s: s) -> rxs.Graph[[], Any]:
    def digits() -> Any:
        return then(rxs.source(source)).named("digits")

    return rxs.graph(digits)


@pytest.mark.parametrize("fails", [False, True])
def test_it_goes_on_after_a_crash_at_any_commit(fails: bool) -> None:
    assert crash_everywhere(graph_of(Digits(40, fails))) > 10


class FailsOnce(Digits):
    """Breaks the first time it is opened."""

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[str]]:
        self.fails, fails = False, self.fails
        async for batch in super().open(port):
            yield batch
        if fails:
            raise OSError("it broke")


def test_it_is_started_anew_with_the_part_of_a_graph_it_is_in() -> None:
    async def main() -> list[Any]:
        async with rxs.Engine(JournalLog()) as engine:
            execution = await engine.start(graph_of(FailsOnce(6, True), lambda s: s.retry(2)))
            return [e.data async for e in execution.events() if e.event_type == "step_output"]

    assert run(main()) == list("012345012345")


def test_what_is_stored_is_in_proportion_to_what_was_given() -> None:
    def stored(count: int) -> int:
        async def main() -> int:
            log = JournalLog()
            async with rxs.Engine(log) as engine:
                await (await engine.start(graph_of(Digits(count)))).result()
            deltas = [delta for commit in log.commits for delta in commit.states.values()]
            return sum(len(value) for delta in deltas for value in delta.set.values())

        return run(main())

    assert stored(4_000) < 2.2 * stored(2_000)


def test_what_did_not_change_is_not_told_again() -> None:
    unit = TaskUnit(Digits(4))
    assert unit.changes() == (False, {"": ((), False, None)}, [])
    assert unit.changes() is None
    again = TaskUnit(Digits(4))
    again.restore_changes({"": ((), False, None), "0": "01"})
    assert again.start_offset == {"0": "01"}
    assert again.changes() is None

"""Crashes at every commit: a graph is run, then resumed once from each state the log was ever in.

A commit is all or nothing, so what a process leaves when it dies is what the log was after some commit. Each
of these states is made again, an engine goes on from it, and what readers then have seen in all is compared
with the run that nothing interrupted. In virtual time, so it is fast and times are exact: an engine goes on
at the moment in which the one before died.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import structlog

from rxstream.engine.engine import Engine
from rxstream.events import StreamEvent
from rxstream.graph.build import BoundGraph, Graph
from rxstream.log.contract import Commit
from rxstream.log.memory import MemoryLog
from rxstream.testing.clock import run

_LONGEST_S: Final = 1_000_000.0
"""Virtual seconds after which a run that was resumed counts as hanging."""

_MOST_EVENTS: Final = 1_000_000

Seen = Mapping[str, Sequence[Any]]
"""What was published, by node; under `""` how the execution ended."""


class JournalLog(MemoryLog):
    """A log in memory that outlives its engine and remembers every commit it took."""

    durable: ClassVar[bool] = True

    def __init__(self, commits: Sequence[Commit] = (), epoch: str | None = None) -> None:
        super().__init__()
        self.commits: list[Commit] = []
        self.times: list[float] = []
        """When each was taken, on the loop's clock."""
        self._before = commits
        if epoch is not None:
            self.epoch = epoch

    async def _open(self) -> None:
        await super()._open()
        before, self._before = self._before, ()
        for commit in before:
            self.keep(commit)

    def _commit(self, commit: Commit) -> asyncio.Future[int]:
        return self.keep(commit)

    def keep(self, commit: Commit) -> asyncio.Future[int]:
        """Take a commit and remember it."""
        done = super()._commit(commit)
        if done.done() and done.exception() is None:
            self.commits.append(commit)
            self.times.append(asyncio.get_running_loop().time())
        return done


@dataclass(frozen=True)
class Difference:
    """A crash after which readers saw something else."""

    commit: int
    """The crash came after this many commits."""
    expected: Seen
    got: Seen

    def __str__(self) -> str:
        nodes = [
            n for n in {**self.expected, **self.got} if self.expected.get(n) != self.got.get(n)
        ]
        lines = [f"after commit {self.commit}:"]
        for node in nodes:
            name = node or "the end"
            lines.append(f"  {name}: expected {list(self.expected.get(node, ()))}")
            lines.append(f"  {' ' * len(name)}  got      {list(self.got.get(node, ()))}")
        return "\n".join(lines)


def crash_everywhere(
    graph: Graph[..., Any] | BoundGraph,
    params: Mapping[str, Any] | None = None,
    *,
    by: Callable[[Seen], Any] = lambda seen: seen,
    most: int = 200,
    again: bool = True,
    seed: int = 0,
) -> int:
    """Run a graph; then resume it from after each of its commits, and each such run once more from a
    commit of its own. Returns how many crashes were tried.

        >>> import rxstream as rxs
        >>> from rxstream.testing import crash_everywhere
        >>> @rxs.graph
        ... def pairs():
        ...     return rxs.range(5).pairwise()
        >>> crash_everywhere(pairs) > 0
        True

    `by` makes of what was seen what has to be equal: give one that sorts where the order is free. With more
    than `most` commits that many are chosen by `seed`. Raises `AssertionError` that says after which commit
    what differed: an element shown twice or never, a number left out, a changed event, another end.
    """
    bound = graph if isinstance(graph, BoundGraph) else graph.bind(**(params or {}))
    obstacles = bound.build().obstacles
    assert not obstacles, f"it cannot be resumed: {obstacles}"
    chance = random.Random(seed)
    with _silence():
        journal, execution_id, expected = run(_whole(bound))
        points = list(range(1, len(journal.commits)))
        tried = 0
        for point in points if len(points) <= most else sorted(chance.sample(points, most)):
            died = journal.times[point - 1]
            log = run(_resumed(bound, journal, point, execution_id, by, expected), start=died)
            tried += 1
            later = range(point + 1, len(log.commits))
            if again and later:
                again_at = chance.choice(later)
                died = log.times[again_at - 1]
                run(_resumed(bound, log, again_at, execution_id, by, expected), start=died)
                tried += 1
    return tried


@contextmanager
def _silence() -> Iterator[None]:
    """Hundreds of runs would log thousands of lines."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)


async def _whole(bound: BoundGraph) -> tuple[JournalLog, str, Seen]:
    """The run that nothing interrupts."""
    journal = JournalLog()
    async with Engine(journal) as engine:
        execution = await engine.start(bound)
        await asyncio.wait_for(execution.wait(), _LONGEST_S)
        events = [event async for event in execution.events()]
    return journal, execution.id, _seen(events)


async def _resumed(
    bound: BoundGraph,
    journal: JournalLog,
    point: int,
    execution_id: str,
    by: Callable[[Seen], Any],
    expected: Seen,
) -> JournalLog:
    """Go on from after a commit; what was seen before the crash must still be there."""
    log = JournalLog(journal.commits[:point], journal.epoch)
    async with Engine(log) as engine:
        before = await log.read(execution_id, 0, _MOST_EVENTS)
        execution = await engine.resume(execution_id, bound)
        try:
            await asyncio.wait_for(execution.wait(), _LONGEST_S)
        except TimeoutError:
            raise AssertionError(f"after commit {point} it never ended: {execution}") from None
        after = [event async for event in execution.events()]
    assert [e.sequence for e in after] == list(range(1, len(after) + 1)), f"numbers after {point}"
    shown = [event.json for event in after[: len(before)]]
    assert shown == [event.json for event in before], f"events changed after commit {point}"
    got = _seen(after)
    if by(got) != by(expected):
        raise AssertionError(str(Difference(point, expected, got)))
    return log


def _seen(events: Sequence[StreamEvent]) -> dict[str, list[Any]]:
    seen: dict[str, list[Any]] = {}
    for event in events:
        if event.event_type == "step_output":
            seen.setdefault(event.step_id or "", []).append(event.data)
    last = events[-1]
    data = dict(last.data or {})
    data.pop("duration_ms", None)
    seen[""] = [last.event_type, data]
    for kind in ("step_start", "step_complete"):
        ids = sorted(str(e.step_id) for e in events if e.event_type == kind)
        seen[f"({kind})"] = ids
    return seen

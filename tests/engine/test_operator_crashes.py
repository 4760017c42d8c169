"""Every operator that says it can be resumed is crashed at every commit, its timers and queues with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

import rxstream as rxs
from rxstream.source import Source, SourcePort
from rxstream.testing import crash_everywhere
from rxstream.testing.crashes import Seen
from tests.engine.crashing import ticks
from tests.operators import test_unit_state as units
from tests.operators.lives import Case, Script
from tests.operators.test_state import OPERATORS


class Played(Source[Any]):
    """A script as a source that goes on where it was, in its times too."""

    name = "played"
    seekable = True

    def __init__(self, script: Script) -> None:
        self.script = script

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[Any]]:
        clock = asyncio.get_running_loop().time
        at, left = port.start or (0, None)
        while at < len(self.script):
            due, item = self.script[at]
            apart = due - (self.script[at - 1][0] if at else 0.0)
            until = clock() + (apart if left is None else left)
            port.seek_point(lambda at=at, until=until: (at, max(0.0, until - clock())))
            yield []
            await asyncio.sleep(until - clock())
            if item == "|":
                return
            if isinstance(item, Exception):
                raise item
            at, left = at + 1, None
            port.seek_point((at, None))
            yield [item]


def graph_of(case: Case, monkeypatch: pytest.MonkeyPatch) -> rxs.Graph[[], Any]:
    def g() -> Any:
        scripts: Iterator[Script] = iter(case.scripts)
        first = rxs.source(Played(next(scripts)))
        monkeypatch.setattr(units, "other", lambda: rxs.source(Played(next(scripts))))
        made = case.make(first)
        if isinstance(made, rxs.Stream):
            return made.map(lambda item: item).named("shown")
        return {f"shown{index}": stream.map(repr) for index, stream in enumerate(made)}

    return rxs.graph(g)


def shown(seen: Seen) -> Mapping[str, Any]:
    """What was published and how it ended."""
    return {node: items for node, items in seen.items() if not node.startswith("(")}


@pytest.mark.parametrize("name", [name for name in units.CASES if name != "flat_map of lists"])
def test_units(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = graph_of(units.CASES[name], monkeypatch)
    assert crash_everywhere(graph, by=shown, most=12) > 0


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: repr(operator.spec.name))
def test_machines(operator: Any) -> None:
    make: Callable[[], Any] = lambda: ticks(15).pipe(operator).map(repr)  # noqa: E731  # short
    assert crash_everywhere(rxs.graph(make), by=shown, most=8) > 0

"""A unit by itself on a clock that jumps, stored and made anew as often as one likes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from tests.operators.bench import Bench, plain
from tests.operators.parts import virtually

Told = list[tuple[float, Any]]


class Timed(Bench):
    """A bench that notes when something was told."""

    def push(self, items: Sequence[Any]) -> None:
        now = round(asyncio.get_running_loop().time(), 3)
        super().push([(now, item) for item in items])

    def finish(self) -> None:
        self.told.append((round(asyncio.get_running_loop().time(), 3), "|"))

    def fail(self, error: BaseException) -> None:
        self.told.append((round(asyncio.get_running_loop().time(), 3), str(error)))


async def settled() -> None:
    """Let what is ready run."""
    for _ in range(5):
        await asyncio.sleep(0)


def live(operator: Any, *times: tuple[float, Any], restored: bool = False) -> Told:
    """What a unit tells, and when, of elements at times; `|` ends it, an exception breaks it."""

    async def main() -> Told:
        told: Told = []
        bench = Timed(operator)
        for due, item in times:
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            if item == "|":
                bench.edge.finish()
            elif isinstance(item, Exception):
                bench.edge.fail(item)
            else:
                bench.edge.push([item])
            await settled()
            if restored and not bench.unit.closed:
                told += bench.told
                state = bench.unit.snapshot()
                assert plain(state), state
                bench.unit.close()
                bench = Timed(operator, state)
                await settled()
        return told + bench.told

    found: Told = virtually(main())
    return found

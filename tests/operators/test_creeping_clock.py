"""A clock moves on between two looks at it; what falls together must stay together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import rxstream as rxs


class Creeping(asyncio.SelectorEventLoop):
    """Each look at its clock takes ten microseconds."""

    crept = 0.0

    def time(self) -> float:
        self.crept += 1e-5
        return super().time() + self.crept


async def numbers() -> AsyncIterator[int]:
    for number in range(400):
        if number % 4 == 0:
            await asyncio.sleep(0)
        yield number


async def spans() -> list[list[int]]:
    stream = rxs.source(numbers).buffer_with_time(0.000_2)
    return [span async for span in stream]


def test_spans_that_follow_each_other_share_no_element() -> None:
    with asyncio.Runner(loop_factory=Creeping) as runner:
        found = runner.run(spans())
    assert len(found) > 3
    assert [number for span in found for number in span] == list(range(400))

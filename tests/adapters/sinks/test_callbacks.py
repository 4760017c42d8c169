from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rxstream.adapters import sinks
from rxstream.errors import AuthorError
from rxstream.sink import Sink

from .writing import FakePort


async def write(sink: Sink[Any], *batches: list[Any]) -> None:
    async with sink.open(FakePort()) as give:
        for batch in batches:
            await give(batch)


async def test_a_plain_function_is_called_for_every_element_in_order() -> None:
    seen: list[int] = []
    await write(sinks.callback(seen.append), [1, 2], [], [3])
    assert seen == [1, 2, 3]


async def test_an_asynchronous_function_is_awaited_before_the_next_element() -> None:
    seen: list[str] = []

    async def slow(element: int) -> None:
        seen.append(f"begin {element}")
        await asyncio.sleep(0)
        seen.append(f"end {element}")

    await write(sinks.callback(slow), [1, 2])
    assert seen == ["begin 1", "end 1", "begin 2", "end 2"]


async def test_what_the_function_raises_is_raised() -> None:
    seen: list[int] = []

    def picky(element: int) -> None:
        if element == 2:
            raise ValueError("not two")
        seen.append(element)

    with pytest.raises(ValueError, match="not two"):
        await write(sinks.callback(picky), [1, 2, 3])
    assert seen == [1]


def test_what_is_no_function_is_refused_when_drawn() -> None:
    with pytest.raises(AuthorError, match="needs a function, not int"):
        sinks.callback(3)  # type: ignore[arg-type]  # that is the point

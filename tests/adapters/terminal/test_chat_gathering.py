"""A model's answer in few batches: the first at once, then at most ten a second."""

from __future__ import annotations

import asyncio

import pytest

from rxstream.adapters.terminal.chat.gathering import Gathered
from rxstream.errors import WorldError
from rxstream.models import Question
from rxstream.testing import virtual_time
from tests.adapters.terminal.chat_parts import Says, token


async def heard(model: Says, limit: int | None = None) -> list[tuple[float, str]]:
    """When each batch came, and its text."""
    now = asyncio.get_running_loop().time
    begun = now()
    batches: list[tuple[float, str]] = []
    answer = Gathered(model).answer(Question([]))
    async for batch in answer:
        batches.append((round(now() - begun, 2), "".join(each.get("text", "") for each in batch)))
        if limit is not None and len(batches) == limit:
            break
    await answer.aclose()
    return batches


@virtual_time
async def test_the_first_token_comes_at_once_and_others_ten_times_a_second() -> None:
    batches = await heard(Says([each for letter in "abcdef" for each in (token(letter), 0.02)]))
    assert "".join(text for _, text in batches) == "abcdef"
    assert batches[0] == (0.0, "a")
    assert [at for at, _ in batches[1:]] == [0.1, 0.12]


@virtual_time
async def test_what_came_before_an_error_is_given_first() -> None:
    answer = Gathered(Says([token("a"), token("b"), WorldError("gone")])).answer(Question([]))
    assert [each["text"] for each in await anext(answer)] == ["a", "b"]
    with pytest.raises(WorldError, match="gone"):
        await anext(answer)


@virtual_time
async def test_who_leaves_closes_the_answer() -> None:
    model = Says([token("a"), 60.0, token("b")])
    assert await heard(model, limit=1) == [(0.0, "a")]
    assert model.closed == 1


@virtual_time
async def test_a_reader_that_is_slow_holds_the_model() -> None:
    model = Says([token(str(number)) for number in range(5_000)])
    most = 0
    async for batch in Gathered(model).answer(Question([])):
        most = max(most, len(batch))
        await asyncio.sleep(1)
    assert most <= 1_000

"""The local model calls tools: real calls, streamed by a real model that was never taught any."""

from __future__ import annotations

from typing import Any

import pytest

from rxstream.adapters.llm import LocalEndpoint, chat
from rxstream.models import Element, Message
from tests.adapters.llm.dialects import WEATHER, calls, said

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASKED: Message = {"role": "user", "content": "What is the weather in Paris?"}


async def answer(*messages: Message, **options: Any) -> list[Element]:
    options = {"tools": [WEATHER], "temperature": 0, "max_tokens": 24, **options}
    return [element async for element in chat(messages, **options)]


async def test_a_question_becomes_one_call_and_its_result_becomes_words(
    running: LocalEndpoint,
) -> None:
    call, done = await answer(ASKED)
    assert (call["name"], call["arguments"]) == ("get_weather", {"city": "Paris"})
    assert done["finish_reason"] == "tool_calls"
    assert done["usage"]["completion_tokens"] > 5

    told: Message = {"role": "assistant", "content": "", "tool_calls": [call]}
    result: Message = {"role": "tool", "tool_call_id": call["id"], "content": "sunny, 21 degrees"}
    *words, done = await answer(ASKED, told, result)
    assert {element["type"] for element in words} == {"token"}
    assert "21" in done["text"]


async def test_it_may_be_told_not_to_call_or_to_go_on_calling(running: LocalEndpoint) -> None:
    in_words = await answer(ASKED, tool_choice="none", max_tokens=6)
    assert (calls(in_words), said(in_words) != "") == ([], True)
    several = await answer(ASKED, parallel_tool_calls=True, max_tokens=60)
    assert len(calls(several)) > 1
    assert len({element["id"] for element in several[:-1]}) == len(calls(several))


async def test_a_call_that_is_cut_by_the_limit_comes_as_text(running: LocalEndpoint) -> None:
    *_, call, done = await answer(ASKED, max_tokens=9)
    assert isinstance(call["arguments"], str)
    assert done["finish_reason"] == "length"

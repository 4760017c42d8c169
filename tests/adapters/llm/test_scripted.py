"""Every provider against aimock, which we did not write: conversations with tools, and faults."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

import rxstream as rxs
from rxstream.adapters.llm import ModelError, chat
from rxstream.codec import Binary
from rxstream.models import Element, Message
from tests.adapters.llm.dialects import ADD, NOW, WEATHER, calls, said
from tests.adapters.llm.test_client import until_it_fails

PROVIDERS = ["openai", "openai-responses", "compatible", "anthropic", "gemini", "ollama"]
PIXEL = Binary(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d494844520000000100000001080600000"
        "01f15c4890000000d49444154789c6360f8cf500f000382018025b4e6e60000000049454e44ae426082"
    ),
    "image/png",
)

each = pytest.mark.parametrize("provider", PROVIDERS)


def asked(
    aimock: str, provider: str, messages: str | Sequence[Message], **options: Any
) -> rxs.Stream[Element]:
    base = f"{aimock}/v1" if provider in ("openai", "openai-responses", "compatible") else aimock
    return chat(messages, model=f"{provider}:m", base_url=base, api_key="some-key", **options)


async def answer(*asking: Any, **options: Any) -> list[Element]:
    return [element async for element in asked(*asking, **options)]


@each
async def test_it_answers(aimock: str, provider: str) -> None:
    *_, done = elements = await answer(aimock, provider, "Hi.")
    assert said(elements) == done["text"] == "Flüsse tragen 🌊🌊🌊🌊🌊 Schiffe — 船.\n"
    assert done["finish_reason"] == "stop"


@each
async def test_a_conversation_with_two_calls_goes_there_and_back(
    aimock: str, provider: str
) -> None:
    messages: list[Message] = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": [{"type": "text", "text": "Use two tools."}]},
    ]
    *_, done = elements = await answer(aimock, provider, messages, tools=[WEATHER, ADD])
    assert [name for name, _ in calls(elements)] == ["get_weather", "add"]
    assert calls(elements)[1][1] == {"a": 1, "b": 2}
    assert (said(elements), done["finish_reason"]) == ("Let me look.", "tool_calls")

    made = [element for element in elements if element["type"] == "tool_call"]
    messages.append({"role": "assistant", "content": done["text"], "tool_calls": made})
    messages += [{"role": "tool", "tool_call_id": call["id"], "content": "3"} for call in made]
    *_, done = await answer(aimock, provider, messages, tools=[WEATHER, ADD])
    assert done["text"] == "It is sunny, and 3."


@pytest.mark.parametrize("provider", [each for each in PROVIDERS if each != "ollama"])
async def test_thoughts_are_told_apart_and_what_is_carried_goes_back(
    aimock: str, provider: str
) -> None:
    *_, call, _ = elements = await answer(aimock, provider, "think first", tools=[NOW])
    assert said(elements, "reasoning") == "Hm — 船."
    assert said(elements) == "So it is."
    back: list[Message] = [
        {"role": "user", "content": "What time is it?"},
        {"role": "assistant", "content": "So it is.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "name": "now", "content": "noon"},
    ]
    await answer(aimock, provider, back, tools=[NOW])
    if provider == "anthropic":
        (thought,) = call["carry"]["anthropic"]
        assert (thought["thinking"], thought["signature"] != "") == ("Hm — 船.", True)


@each
async def test_an_image_of_the_user_is_taken(aimock: str, provider: str) -> None:
    parts = [{"type": "text", "text": "Hi."}, {"type": "image", "data": PIXEL}]
    *_, done = await answer(aimock, provider, [{"role": "user", "content": parts}])
    assert done["text"].startswith("Flüsse")


@each
async def test_the_limit_ends_it_and_that_is_said(aimock: str, provider: str) -> None:
    *_, done = await answer(aimock, provider, "stop early", max_tokens=5)
    expected = "length" if provider not in ("ollama", "openai-responses") else done["finish_reason"]
    assert (done["text"], done["finish_reason"]) == ("As far as it", expected)


@each
@pytest.mark.parametrize("how", ["cut short", "hang up"])
async def test_an_answer_that_breaks_off_is_an_error(aimock: str, provider: str, how: str) -> None:
    seen, error = await until_it_fails(asked(aimock, provider, how))
    assert isinstance(error, ModelError)
    assert error.retryable
    assert error.code in ("answer_cut", "truncated", "disconnected")
    assert "This answer is broken off long before its end".startswith(said(seen[:-1])[:40])
    assert "here" not in said(seen[:-1])


@each
async def test_a_limit_is_said(aimock: str, provider: str) -> None:
    _, error = await until_it_fails(asked(aimock, provider, "limit"))
    assert isinstance(error, ModelError)
    assert (error.code, error.retryable) == ("rate_limited", True)


@pytest.mark.parametrize("provider", ["compatible", "ollama"])
async def test_a_slow_beginning_is_measured(aimock: str, provider: str) -> None:
    *_, done = await answer(aimock, provider, "be slow")
    assert (done["text"], done["timings"]["first_token_ms"] >= 150) == ("At last.", True)

"""The real local model, asked in every wire format that a real server of it speaks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from rxstream.adapters.llm import LocalEndpoint, ModelError, chat
from rxstream.adapters.llm.hermes import BEGINNING
from rxstream.models import Element, Message, Question, open_model
from tests.adapters.llm import gateway
from tests.adapters.llm.dialects import ADD, WEATHER, calls, said

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROVIDERS = ["openai", "openai-responses", "anthropic", "gemini"]
COLOUR: Message = {"role": "user", "content": "Name a colour."}
NAMED = Question((COLOUR,), max_tokens=8, temperature=0)
SUM: list[Message] = [
    {"role": "system", "content": "You are good at sums."},
    {"role": "user", "content": "How much is 17 plus 25?"},
    {"role": "assistant", "content": BEGINNING},  # what makes so small a model call
]
"""A question that can only be answered by a call, once a call is required."""
REQUIRED: dict[str, dict[str, Any]] = {
    "openai": {"tool_choice": "required"},
    "openai-responses": {"tool_choice": "required"},
    "anthropic": {"tool_choice": {"type": "any"}},
    "gemini": {
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        # the gateway reads schemas by their older name only
        "tools": [{"functionDeclarations": [{"name": "add", "parameters": dict(ADD.parameters)}]}],
    },
}

each = pytest.mark.parametrize("provider", PROVIDERS)


@pytest.fixture(scope="module")
def gemini(running: LocalEndpoint) -> Iterator[str]:
    with gateway.before(running) as url:
        yield url


@pytest.fixture(scope="module")
def told() -> dict[str, list[Element]]:
    return {}


@pytest.fixture
def where(running: LocalEndpoint, gemini: str, provider: str) -> dict[str, str]:
    if provider == "gemini":
        return {"base_url": gemini}
    return {"base_url": running.base_url, "api_key": running.api_key}


async def answer(model: str, question: Question, **where: str) -> list[Element]:
    elements: list[Element] = []
    async for batch in open_model(model, **where).answer(question):
        elements += batch
    return elements


@each
async def test_it_says_the_same_in_every_wire_format(
    provider: str, where: dict[str, str], told: dict[str, list[Element]]
) -> None:
    if "local" not in told:
        told["local"] = await answer("local:smollm2", NAMED)
    direct = told["local"]
    *_, done = elements = await answer(f"{provider}:smollm2", NAMED, **where)
    assert said(elements) == done["text"] == said(direct) != ""
    assert done["usage"]["completion_tokens"] == direct[-1]["usage"]["completion_tokens"]
    assert done["usage"]["prompt_tokens"] > 0
    assert done["timings"]["tokens_per_second"] > 0
    assert done["metadata"]["malformed"] == 0


@each
async def test_it_calls_a_tool_in_every_wire_format(provider: str, where: dict[str, str]) -> None:
    question = Question(tuple(SUM), (ADD,), 24, 0, REQUIRED[provider])
    elements = await answer(f"{provider}:smollm2", question, **where)
    assert calls(elements)[0] == ("add", {"a": 17, "b": 25})
    assert elements[0]["id"]


@pytest.mark.parametrize("provider", PROVIDERS[:3])
async def test_a_wrong_key_is_said(provider: str, where: dict[str, str]) -> None:
    with pytest.raises(ModelError, match="401") as refused:
        await answer(f"{provider}:x", Question((COLOUR,)), **where | {"api_key": "guess"})
    assert (refused.value.code, refused.value.retryable) == ("bad_key", False)


@each
async def test_too_long_a_question_is_said(provider: str, where: dict[str, str]) -> None:
    long: Message = {"role": "user", "content": "word " * 4_500}
    with pytest.raises(ModelError, match="shorten") as refused:
        await answer(f"{provider}:smollm2", Question((long,)), **where)
    assert refused.value.code == "context_too_long"


@pytest.mark.parametrize("provider", ["gemini"])
async def test_a_model_nobody_has_is_said(provider: str, where: dict[str, str]) -> None:
    with pytest.raises(ModelError, match="nobody") as refused:
        await answer("gemini:nobody", Question((COLOUR,)), **where)
    assert refused.value.code == "unknown_model"


async def test_the_local_model_goes_on_behind_a_beginning(running: LocalEndpoint) -> None:
    count: Message = {"role": "user", "content": "Count from one to ten in words, with commas."}
    whole = said(await answer("local:smollm2", Question((count,), max_tokens=24, temperature=0)))
    begin: Message = {"role": "assistant", "content": whole[:20]}
    question = Question((count, begin), max_tokens=16, temperature=0)
    assert getattr(open_model("local:smollm2"), "continues", False)
    rest = said(await answer("local:smollm2", question))
    assert rest.split()[0].strip(",") in whole[20:]
    assert not rest.startswith(whole[:20])


# --- tools of the model that runs here, which was never taught any ------------------------------

PARIS: Message = {"role": "user", "content": "What is the weather in Paris?"}


async def with_tools(*messages: Message, **options: Any) -> list[Element]:
    options = {"tools": [WEATHER], "temperature": 0, "max_tokens": 24, **options}
    return [element async for element in chat(messages, **options)]


async def test_a_question_becomes_one_call_and_its_result_becomes_words(
    running: LocalEndpoint,
) -> None:
    call, done = await with_tools(PARIS)
    assert (call["name"], call["arguments"]) == ("get_weather", {"city": "Paris"})
    assert done["finish_reason"] == "tool_calls"
    assert done["usage"]["completion_tokens"] > 5

    told: Message = {"role": "assistant", "content": "", "tool_calls": [call]}
    result: Message = {"role": "tool", "tool_call_id": call["id"], "content": "sunny, 21 degrees"}
    *words, done = await with_tools(PARIS, told, result)
    assert {element["type"] for element in words} == {"token"}
    assert "21" in done["text"]


async def test_it_may_be_told_not_to_call_or_to_go_on_calling(running: LocalEndpoint) -> None:
    in_words = await with_tools(PARIS, tool_choice="none", max_tokens=6)
    assert (calls(in_words), said(in_words) != "") == ([], True)
    several = await with_tools(PARIS, parallel_tool_calls=True, max_tokens=60)
    assert len(calls(several)) > 1
    assert len({element["id"] for element in several[:-1]}) == len(calls(several))


async def test_a_call_that_is_cut_by_the_limit_comes_as_text(running: LocalEndpoint) -> None:
    *_, call, done = await with_tools(PARIS, max_tokens=9)
    assert isinstance(call["arguments"], str)
    assert done["finish_reason"] == "length"

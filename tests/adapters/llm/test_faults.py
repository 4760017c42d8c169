"""The faults of every provider, by a server that we did not write: classified, and never a short answer."""

from __future__ import annotations

from typing import Any

import pytest

import rxstream as rxs
from rxstream.adapters.llm import ModelError, chat
from rxstream.models import Element
from tests.adapters.llm.dialects import WEATHER, calls, said
from tests.adapters.llm.faults import PATHS, Faulty
from tests.adapters.llm.test_client import until_it_fails

each = pytest.mark.parametrize("provider", PATHS)


def asked(faulty: Faulty, provider: str, **options: Any) -> rxs.Stream[Element]:
    options |= {"base_url": faulty.base_url(provider), "api_key": "k"}
    return chat("What is the weather in Paris?", model=f"{provider}:some-model", **options)


async def ask(faulty: Faulty, provider: str, **options: Any) -> list[Element]:
    return [element async for element in asked(faulty, provider, **options)]


async def fails(faulty: Faulty, provider: str) -> ModelError:
    seen, error = await until_it_fails(asked(faulty, provider))
    assert isinstance(error, ModelError)
    assert seen[-1]["message"] == error.message
    assert "done" not in {element["type"] for element in seen}
    return error


@each
async def test_it_answers(faulty: Faulty, provider: str) -> None:
    await faulty.will(type="reply", text="It is sunny in Paris — 21 °C 🌞.")
    *_, done = elements = await ask(faulty, provider)
    assert done["text"] == said(elements) == "It is sunny in Paris — 21 °C 🌞."
    assert (done["finish_reason"], done["metadata"]["malformed"]) == ("stop", 0)
    assert done["usage"]["prompt_tokens"] > 0
    assert done["usage"]["completion_tokens"] > 0


@each
async def test_it_calls_the_tools_it_was_told_of(faulty: Faulty, provider: str) -> None:
    wanted = [{"name": "get_weather", "arguments": {"city": city}} for city in ("Paris", "Köln")]
    await faulty.will(type="reply", tool_calls=wanted)
    *_, done = elements = await ask(faulty, provider, tools=[WEATHER])
    assert calls(elements) == [("get_weather", call["arguments"]) for call in wanted]
    assert len({element["id"] for element in elements[:-1]}) == 2
    assert done["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("provider", [each for each in PATHS if each != "gemini"])
async def test_arguments_that_are_not_json_come_as_they_are(faulty: Faulty, provider: str) -> None:
    await faulty.will(type="tool_fault", kind="malformed_arguments")
    ((_, arguments),) = calls(await ask(faulty, provider, tools=[WEATHER]))
    assert isinstance(arguments, str)


@each
@pytest.mark.parametrize("kind", ["truncate", "disconnect"])
async def test_a_stream_that_ends_too_early_is_an_error(
    faulty: Faulty, provider: str, kind: str
) -> None:
    await faulty.will(type="stream_fault", kind=kind, after_chunks=3)
    error = await fails(faulty, provider)
    assert error.retryable
    assert error.code in ("answer_cut", "truncated", "disconnected")


@each
async def test_a_chunk_that_is_not_json_is_skipped_and_counted(
    faulty: Faulty, provider: str
) -> None:
    await faulty.will(type="stream_fault", kind="malformed", after_chunks=3)
    *_, done = await ask(faulty, provider)
    assert done["metadata"]["malformed"] == 1


@each
async def test_a_limit_says_how_long_to_wait(faulty: Faulty, provider: str) -> None:
    await faulty.will(type="fail", status=429, retry_after=7)
    error = await fails(faulty, provider)
    assert (error.code, error.retryable, error.retry_after) == ("rate_limited", True, 7.0)
    assert "7 s" in error.message


@each
@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "bad_key"), (404, "unknown_model"), (500, "model_failed"), (503, "overloaded")],
)
async def test_a_refusal_is_classified(
    faulty: Faulty, provider: str, status: int, code: str
) -> None:
    await faulty.will(type="fail", status=status)
    error = await fails(faulty, provider)
    assert (error.code, error.retryable) == (code, status >= 500)
    assert "\n" not in error.message


async def test_anthropic_that_has_too_much_to_do_says_so(faulty: Faulty) -> None:
    await faulty.will(type="fail", status=529)
    assert (await fails(faulty, "anthropic")).code == "overloaded"


@each
async def test_too_long_a_question_says_so(faulty: Faulty, provider: str) -> None:
    said = "This model's maximum context length was exceeded."
    await faulty.will(type="fail", status=400, code="context_length_exceeded", message=said)
    error = await fails(faulty, provider)
    assert (error.code, error.retryable) == ("context_too_long", False)
    assert "shorten" in error.message


@each
async def test_a_slow_first_token_is_waited_for_and_measured(faulty: Faulty, provider: str) -> None:
    await faulty.will(type="slow_first_token", seconds=0.1)
    *_, done = await ask(faulty, provider)
    assert done["timings"]["first_token_ms"] >= 100

"""Answers that broke off, over real sockets: they come whole, and nothing of them twice."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from rxstream.adapters.llm import ModelError, Retries, chat, local, retrying
from rxstream.models import Delivered, Element, Question, open_model
from tests.adapters.llm.faulty import Faulty, Said, faulty
from tests.adapters.llm.provider import WORDS, transcript
from tests.adapters.llm.reader import Reader

WIRE = transcript()
TEXT = "".join(WORDS)
COUNT = "Count from one to twelve in digits, separated by commas."


@pytest.fixture(autouse=True)
def patient(asked_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model is asked again, without long pauses."""
    monkeypatch.setattr(retrying, "DEFAULT", Retries(first=0.001))


@pytest.fixture
def llmock_server() -> Iterator[Any]:
    """One for each test, in place of one for all: its threads end with it."""
    from llmock.testing import LLMockServer

    with LLMockServer() as server:
        yield server


async def read(model: str, url: str | None = None, **options: Any) -> Reader:
    reader = Reader()
    async for element in chat("Speak.", model=model, base_url=url, **options):
        reader.read([element])
    assert reader.done is not None
    return reader


async def whole(server: Faulty) -> Reader:
    reader = await read("openai:m", server.url)
    assert reader.done is not None
    assert reader.text == reader.done["text"] == TEXT
    assert reader.restarts == 0
    return reader


async def test_cut_at_any_bytes_it_comes_whole() -> None:
    chance = random.Random(5)
    for _ in range(15):
        cuts = [Said(WIRE[: chance.randrange(len(WIRE))], "abort") for _ in range(3)]
        async with faulty(*cuts, Said(WIRE)) as server:
            await whole(server)


async def test_an_end_in_peace_that_is_too_early_is_one_too() -> None:
    async with faulty(Said(WIRE[:200]), Said(WIRE)) as server:
        reader = await whole(server)
    assert reader.done is not None
    assert reader.done["metadata"]["attempts"] == 2


async def test_a_refusal_that_passes_is_waited_for() -> None:
    limited = Said(b'{"error": {"message": "slow"}}', status=429, headers="Retry-After: 0.05\r\n")
    async with faulty(limited, Said(b"{}", status=503), Said(WIRE)) as server:
        await whole(server)
    assert len(server.asked) == 3


async def test_another_answer_is_said_to_be_one() -> None:
    async with faulty(
        Said(WIRE[:300], "abort"), Said(transcript(["Flotten", " ruhen."]))
    ) as server:
        reader = await read("openai:m", server.url)
    assert (reader.text, reader.restarts) == ("Flotten ruhen.", 1)


async def test_a_bad_key_is_not_tried_again() -> None:
    async with faulty(Said(b"{}", status=401), Said(WIRE)) as server:
        with pytest.raises(ModelError, match="401"):
            await whole(server)
    assert len(server.asked) == 1


async def test_how_often_it_is_tried_is_said_of_a_model() -> None:
    async with faulty(Said(WIRE[:300], "abort")) as server:
        once = open_model("openai:m", base_url=server.url, api_key="k", retries=Retries(attempts=1))
        with pytest.raises(ModelError):
            await chat("Speak.", model=once)
    assert len(server.asked) == 1


async def test_one_that_is_said_to_go_on_is_asked_for_the_rest() -> None:
    rest = transcript(["gen 🌊", " Schiffe", " — 船", ".\n"])
    async with faulty(Said(WIRE[: WIRE.index(b"gen")], "abort"), Said(rest)) as server:
        goes_on = open_model("openai:m", base_url=server.url, api_key="k", continues=True)
        done = await chat("Speak.", model=goes_on)
    assert server.asked[1]["messages"][-1] == {"role": "assistant", "content": WORDS[0]}
    assert done["text"] == WORDS[0] + "gen 🌊 Schiffe — 船.\n"


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize("fault", ["truncate", "disconnect", "rate_limit"])
async def test_faults_of_a_server_we_did_not_write(llmock: Any, provider: str, fault: str) -> None:
    text = "The quick brown fox jumps over the lazy dog."
    llmock.reply(text, times=None)
    if fault == "rate_limit":
        llmock.rate_limit(retry_after=0.05)
    else:
        getattr(llmock, fault)(after_chunks=4)
    reader = await read(f"{provider}:some-model", llmock.base_url(provider), api_key="k")
    assert (reader.text, reader.restarts) == (text, 0)
    assert reader.done is not None
    assert reader.done["metadata"]["attempts"] > 1


async def test_in_each_wire_format_an_answer_is_gone_on_with_behind_its_beginning(
    model: str,
) -> None:
    question = Question(({"role": "user", "content": COUNT},), max_tokens=8, temperature=0)
    async with local() as endpoint:
        at = {"base_url": endpoint.base_url, "api_key": endpoint.api_key, "continues": True}
        for provider in ("anthropic", "compatible", "openai-responses"):
            asked = open_model(f"{provider}:smollm2", **at)
            whole = [each async for batch in asked.answer(question) for each in batch]
            given = "".join(each["text"] for each in whole[:3])
            delivered = Delivered(given, "", (), 3)
            rest = [each async for batch in asked.answer(question, delivered) for each in batch]
            assert whole[-1]["text"] == rest[-1]["text"], provider
            assert given + "".join(each["text"] for each in rest[:-1]) == rest[-1]["text"]
            assert rest[-1]["metadata"]["replayed"] == 0, "it was not asked anew"


async def test_a_local_model_that_dies_goes_on_with_the_same_text(model: str) -> None:
    async def answer(kill_at: int | None) -> Reader:
        reader = Reader()
        async with local() as endpoint:
            asked = chat(COUNT, model=model, max_tokens=8, temperature=0)
            seen: list[Element] = []
            async for element in asked:
                seen.append(element)
                reader.read([element])
                if len(seen) == kill_at:
                    os.kill(endpoint.process.pid, signal.SIGKILL)
        return reader

    undisturbed, killed = await answer(None), await answer(4)
    assert killed.text == undisturbed.text
    assert killed.restarts == 0
    assert killed.done is not None
    assert killed.done["text"] == killed.text
    assert killed.done["metadata"]["attempts"] == 2

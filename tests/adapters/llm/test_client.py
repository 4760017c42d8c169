"""`chat` over real sockets: what comes, what breaks, and what a key must never be seen in."""

from __future__ import annotations

import asyncio
import random
import socket

import pytest

import rxstream as rxs
from rxstream.adapters.llm import ModelError, chat, client
from rxstream.errors import AuthorError
from rxstream.models import Element
from tests.adapters.llm.provider import WORDS, Provider, transcript


def ask(provider: Provider, api_key: str | None = None) -> rxs.Stream[Element]:
    return chat("Speak.", model="openai:m", base_url=provider.url, api_key=api_key)


async def until_it_fails(stream: rxs.Stream[Element]) -> tuple[list[Element], Exception]:
    seen: list[Element] = []
    try:
        async for element in stream:
            seen.append(element)
    except Exception as error:
        return seen, error
    raise AssertionError(f"it did not fail: {seen}")


async def test_an_answer_is_tokens_and_one_done(provider: Provider) -> None:
    *tokens, done = [element async for element in ask(provider)]
    assert [token["text"] for token in tokens] == WORDS
    assert done["text"] == "".join(WORDS)
    assert done["timings"]["duration_ms"] >= done["timings"]["first_token_ms"] >= 0


async def test_each_run_asks_anew(provider: Provider) -> None:
    stream = ask(provider)
    assert provider.asked == []
    assert (await stream)["text"] == (await stream)["text"] == "".join(WORDS)
    assert len(provider.asked) == 2


async def test_an_answer_cut_at_random_bytes_fails_and_is_never_short(provider: Provider) -> None:
    wire, chance = transcript(), random.Random(7)
    for at in [0, 1, *(chance.randrange(wire.index(b'"stop"')) for _ in range(20))]:
        provider.parts, provider.ending = [wire[:at]], "cut"
        seen, error = await until_it_fails(ask(provider))
        assert isinstance(error, ModelError)
        assert error.retryable
        assert seen[-1]["type"] == "error"
        assert seen[-1]["message"] == error.message
        assert "done" not in {element["type"] for element in seen}
        text = "".join(element["text"] for element in seen[:-1])
        assert "".join(WORDS).startswith(text)


async def test_an_answer_that_ends_early_in_peace_fails_too(provider: Provider) -> None:
    provider.parts = [transcript()[:200]]
    _, error = await until_it_fails(ask(provider))
    assert getattr(error, "code", "") == "answer_cut"


@pytest.mark.parametrize(("status", "retryable"), [(401, False), (429, True), (503, True)])
async def test_a_refusal_says_what_the_server_said(
    provider: Provider, status: int, retryable: bool
) -> None:
    provider.status, provider.refusal = status, {"error": {"message": "not today"}}
    (told,), error = await until_it_fails(ask(provider))
    assert f"{status}: not today" in str(error)
    assert (told["kind"], told["retryable"]) == ("world", retryable)


async def test_nobody_there_is_one_line(provider: Provider) -> None:
    url = provider.url.replace("/v1", "")
    closed = url.rsplit(":", 1)[0] + ":1"
    (told,), error = await until_it_fails(chat("?", model="openai:m", base_url=closed))
    assert "cannot connect" in told["message"]
    assert "\n" not in str(error)


async def test_silence_ends(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "SILENCE_S", 0.05)
    provider.parts, provider.ending = [transcript()[:150]], "silent"
    _, error = await until_it_fails(ask(provider))
    assert getattr(error, "code", "") == "model_silent"


async def test_who_stops_listening_closes_the_connection(provider: Provider) -> None:
    provider.parts, provider.ending = [transcript()[:300]], "silent"
    async for _ in ask(provider):
        break
    async with asyncio.timeout(30):
        await provider.left.wait()


async def test_the_key_is_sent_and_shown_nowhere(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.status = 401
    stream = ask(provider, api_key="k-secret")
    seen, error = await until_it_fails(stream)
    assert provider.asked[0][0] == "Bearer k-secret"
    assert "k-secret" not in f"{seen} {error!r} {stream!r} {stream.spec.arguments}"
    monkeypatch.setenv("OPENAI_API_KEY", "k-variable")
    await until_it_fails(ask(provider))
    assert provider.asked[1][0] == "Bearer k-variable"


async def test_a_graph_shows_the_model_and_records_the_tokens(provider: Provider) -> None:
    @rxs.graph
    def talk():  # type: ignore[no-untyped-def]  # as a user writes it
        return ask(provider).named("answer")

    assert talk.build().describe()["nodes"][0]["arguments"]["model"] == "openai:m"
    async with rxs.Engine() as engine:
        execution = await engine.start(talk)
        events = [event async for event in execution.events()]
    said = [event.data["text"] for event in events if event.event_type == "step_output"][:-1]
    assert said == WORDS
    assert events[-1].data["result"]["type"] == "done"


@pytest.mark.parametrize("model", ["smollm2", "nobody:m", "openai:", "local"])
def test_a_model_that_is_none_is_an_error_when_the_graph_is_built(model: str) -> None:
    with pytest.raises(AuthorError, match="openai:NAME"):
        chat("?", model=model)


@pytest.mark.parametrize(("kept", "connections"), [("http:", 1), ("https:", 3)])
async def test_a_connection_serves_several_questions_where_it_is_dear(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, kept: str, connections: int
) -> None:
    monkeypatch.setattr(client, "KEPT", kept)
    provider.parts, provider.pause = [transcript()[:99], transcript()[99:]], 0.02
    for _ in range(3):
        assert (await ask(provider))["type"] == "done"
    assert len(provider.connections) == connections


@pytest.mark.parametrize(
    ("media_type", "body", "expected"),
    [
        ("text/html", b"<html>Welcome</html>", "is base_url the address"),
        ("application/json", b'{"choices": []}', "instead of a stream"),
        ("application/json", b'{"error": {"message": "out of memory"}}', "out of memory"),
    ],
)
async def test_what_is_no_stream_is_said(
    provider: Provider, media_type: str, body: bytes, expected: str
) -> None:
    provider.media_type, provider.parts = media_type, [body]
    _, error = await until_it_fails(ask(provider))
    assert expected in str(error)


async def test_a_redirection_does_not_get_the_key(provider: Provider) -> None:
    provider.status, provider.location = 307, f"{provider.url}/chat/completions"
    _, error = await until_it_fails(ask(provider, api_key="k-secret"))
    assert "as base_url" in str(error)
    assert len(provider.asked) == 1


async def test_the_newline_of_a_keys_file_is_left_out(provider: Provider) -> None:
    await ask(provider, api_key="k-secret\n")
    assert provider.asked[0][0] == "Bearer k-secret"


async def test_nobody_who_takes_the_connection_is_nobody_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as deaf:  # listens, and its queue is full
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        address = deaf.getsockname()
        with socket.create_connection(address):
            monkeypatch.setattr(client, "CONNECT_S", 0.2)
            url = f"http://127.0.0.1:{address[1]}/v1"
            _, error = await until_it_fails(chat("?", model="openai:m", base_url=url))
    assert getattr(error, "code", "") == "no_server"

"""Who can be asked, by which name, where, and with which key."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

import pytest

from rxstream.adapters.llm import ModelError, chat, providers
from rxstream.adapters.llm.client import Key, at, joined
from rxstream.errors import AuthorError
from rxstream.models import open_model
from tests.adapters.llm.provider import Provider

NAMES = ["anthropic", "compatible", "gemini", "local", "ollama", "openai", "openai-responses"]


def test_every_provider_is_found_by_its_name_and_starts_nothing() -> None:
    ours = [p.name for p in entry_points(group="rxstream.models") if "rxstream" in p.value]
    assert sorted(ours) == NAMES
    for name in NAMES:
        assert open_model(f"{name}:m", base_url="http://localhost:1/v1").name == f"{name}:m"


def test_a_compatible_server_has_to_be_named() -> None:
    with pytest.raises(AuthorError, match="give base_url"):
        open_model("compatible:m")


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        ("http://h/v1", "/chat/completions", "http://h/v1/chat/completions"),
        ("http://h", "/v1/messages", "http://h/v1/messages"),
        ("http://h/v1", "/v1/messages", "http://h/v1/messages"),
        ("http://h/api", "/api/chat", "http://h/api/chat"),
        ("http://h/openai/v1", "/responses", "http://h/openai/v1/responses"),
        ("http://h/v1?v=1", "/chat/completions", "http://h/v1/chat/completions?v=1"),
        ("http://h?v=1", "/m:stream?alt=sse", "http://h/m:stream?alt=sse&v=1"),
    ],
)
def test_a_version_that_both_have_is_there_once(base: str, path: str, url: str) -> None:
    assert joined(base, path) == url


@pytest.mark.parametrize(
    ("said", "url"),
    [
        ("", None),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("box:9999", "http://box:9999"),
        ("http://box", "http://box:11434"),
        ("https://box/", "https://box:443"),
        ("[::1]:9", "http://[::1]:9"),
        ("[::]", "http://127.0.0.1:11434"),
        (":8000", "http://127.0.0.1:8000"),
        ("https://box/models/", "https://box:443/models"),
    ],
)
def test_ollamas_own_variable_says_where_it_is(
    said: str, url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", said)
    assert providers._ollama_host() == url


def test_an_address_of_ollama_that_is_none_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "box:many")
    with pytest.raises(AuthorError, match="OLLAMA_HOST is 'box:many', which is no address"):
        open_model("ollama:m")


async def test_ollama_that_does_not_run_says_how_to_start_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    with pytest.raises(ModelError, match="ollama serve") as failed:
        await chat("Hi.", model="ollama:m")
    assert (failed.value.code, failed.value.retryable) == ("no_server", True)


@pytest.mark.parametrize("name", sorted(providers.KEY_VARIABLES))
async def test_a_key_is_looked_for_when_it_is_asked(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = providers.KEY_VARIABLES[name]
    reach = at("http://h/", Key(None, variable))
    for key in ("first", "second"):
        monkeypatch.setenv(variable, key)
        async with reach(lambda percentage, message: None) as address:
            assert (address.url, address.api_key) == ("http://h", key)


@pytest.mark.parametrize("name", ["anthropic", "gemini", "openai", "openai-responses"])
async def test_without_a_key_nobody_is_asked(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    variable = providers.KEY_VARIABLES[name]
    monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("rxstream.adapters.llm.client.session", None)  # whoever asks fails
    model: Any = open_model(f"{name}:m")
    with pytest.raises(ModelError, match=f"{name}:m: .*set {variable}") as failed:
        await chat("Hi.", model=model)
    assert (failed.value.code, failed.value.retryable) == ("bad_key", False)
    with pytest.raises(ModelError, match=f"set {variable}"):
        model.check()
    monkeypatch.setenv(variable, "k")
    model.check()


async def test_a_server_of_ones_own_may_want_no_key(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    await chat("Hi.", model="openai:m", base_url=provider.url)
    assert provider.asked[0][0] is None


async def test_a_refused_key_is_not_shown(provider: Provider) -> None:
    provider.status = 401
    provider.refusal = {"error": {"message": "no such key: sk-very-secret"}}
    asked = chat("Hi.", model="openai:m", base_url=provider.url, api_key="sk-very-secret")
    with pytest.raises(ModelError, match="set OPENAI_API_KEY") as failed:
        await asked
    assert "sk-very-secret" not in str(failed.value)
    assert failed.value.code == "bad_key"


@pytest.mark.parametrize("url", ["not a url", "http://", "localhost:8000/v1", "file:///etc"])
async def test_a_base_url_that_is_none_is_said(url: str) -> None:
    asked: Any = chat("Hi.", model="openai:m", base_url=url)
    with pytest.raises(AuthorError, match="base_url"):
        await asked


def test_a_base_url_that_is_none_is_known_before_anything_is_asked() -> None:
    model: Any = open_model("openai:m", base_url="localhost:8000/v1")
    with pytest.raises(AuthorError, match="openai:m: its base_url is not a valid URL"):
        model.check()
    with pytest.raises(AuthorError, match="base_url is a text, not a int"):
        open_model("openai:m", base_url=8000)


async def test_a_key_of_two_lines_is_none(provider: Provider) -> None:
    with pytest.raises(ModelError, match="more than one line") as failed:
        await chat("Hi.", model="openai:m", base_url=provider.url, api_key="one\ntwo")
    assert (failed.value.code, provider.asked) == ("bad_key", [])

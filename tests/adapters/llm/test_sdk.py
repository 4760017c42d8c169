"""A client the user brings says what ours says; the official SDKs are asked themselves in the slow run."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rxstream.adapters.llm import ModelError, chat, from_sdk
from rxstream.adapters.llm.reading import END, EventReader, LineReader, Said
from rxstream.errors import AuthorError
from rxstream.models import Element
from tests.adapters.llm.dialects import calls, decode, said
from tests.adapters.llm.test_client import until_it_fails

WIRE = Path(__file__).parent / "wire"
PROVIDERS = ["openai", "openai-responses", "anthropic", "gemini", "ollama"]

each = pytest.mark.parametrize("provider", PROVIDERS)


class Client:
    """An asynchronous client whose stream gives the objects of a transcript."""

    def __init__(self, provider: str, dump: bool = True) -> None:
        self.dialect = provider.removeprefix("openai-")
        self.dump = dump
        self.closed = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[Any]:
        objects: list[Said] = []
        reader = LineReader() if self.dialect == "ollama" else EventReader()
        reader.feed((WIRE / f"aimock-tools.{self.dialect}").read_bytes(), objects)
        for event, value in objects:
            if event != END:
                yield (
                    SimpleNamespace(model_dump=lambda value=value, **_: value)
                    if self.dump
                    else value
                )

    async def close(self) -> None:
        self.closed.set()


@each
@pytest.mark.parametrize("dump", [True, False])
async def test_objects_are_read_as_bytes_are(provider: str, dump: bool) -> None:
    client = Client(provider, dump)
    elements = [element async for element in from_sdk(lambda: client, provider)]
    wire = (WIRE / f"aimock-tools.{client.dialect}").read_bytes()
    expected = decode(client.dialect, [wire])
    assert (said(elements), calls(elements)) == (said(expected), calls(expected))
    assert elements[-1] == expected[-1]
    assert client.closed.is_set()


async def test_who_stops_listening_closes_the_users_stream() -> None:
    client = Client("openai")
    async for _ in from_sdk(lambda: client, "openai"):
        break
    async with asyncio.timeout(30):
        await client.closed.wait()


async def test_a_stream_that_ends_too_early_is_an_error() -> None:
    async def short() -> AsyncIterator[Any]:
        yield {"choices": [{"index": 0, "delta": {"content": "a"}}]}

    seen, error = await until_it_fails(from_sdk(short, "openai"))
    assert said(seen) == "a"
    assert getattr(error, "code", "") == "answer_cut"


async def test_what_an_sdk_raises_is_classified_and_what_is_no_stream_is_said() -> None:
    class Refused(Exception):
        status_code = 429
        body: Mapping[str, str] = {"message": "slow down"}
        response = SimpleNamespace(headers={"retry-after": "3"})

    async def refuse() -> Any:
        raise Refused

    with pytest.raises(ModelError, match="slow down") as refused:
        await from_sdk(refuse, "openai")
    assert (refused.value.code, refused.value.retry_after) == ("rate_limited", 3.0)
    with pytest.raises(AuthorError, match="asynchronous client gives, not str"):
        await from_sdk(lambda: "text", "openai")
    with pytest.raises(AuthorError, match="none of openai"):
        from_sdk(refuse, "nobody")


@asynccontextmanager
async def asking(url: str, provider: str, text: str) -> AsyncIterator[Callable[[], Any]]:
    """The official client of a provider, with one question."""
    names = {"openai-responses": "openai", "gemini": "google.genai"}
    name = names.get(provider, provider)
    sdk = pytest.importorskip(name, reason=f"missing: the SDK {name}")
    asked: dict[str, Any] = {"model": "m", "stream": True}
    messages = [{"role": "user", "content": text}]
    if name == "openai":
        async with sdk.AsyncOpenAI(base_url=f"{url}/v1", api_key="k") as client:
            if provider == "openai":
                yield lambda: client.chat.completions.create(messages=messages, **asked)
            else:
                yield lambda: client.responses.create(input=messages, **asked)
    elif name == "anthropic":
        async with sdk.AsyncAnthropic(base_url=url, api_key="k") as client:
            yield lambda: client.messages.create(messages=messages, max_tokens=99, **asked)
    elif name == "ollama":
        client = sdk.AsyncClient(host=url)
        yield lambda: client.chat(messages=messages, **asked)
        await client._client.aclose()
    else:
        options = {"base_url": url, "api_version": "v1beta"}
        async with sdk.Client(api_key="k", http_options=options).aio as client:
            yield lambda: client.models.generate_content_stream(model="m", contents=text)
    gc.collect()  # what the SDKs leave open is theirs, and must not be seen in another test


def told(elements: list[Element]) -> list[Element]:
    """What does not differ between two answers of one server."""
    fleeting = ("id", "timings", "metadata", "usage")
    return [{k: v for k, v in each.items() if k not in fleeting} for each in elements]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the SDKs
@each
@pytest.mark.parametrize("text", ["Hi.", "two tools", "think first"])
async def test_the_official_sdk_says_what_ours_says(aimock: str, provider: str, text: str) -> None:
    async with asking(aimock, provider, text) as ask:
        theirs = [element async for element in from_sdk(ask, provider)]
    base = f"{aimock}/v1" if provider.startswith("openai") else aimock
    stream = chat(text, model=f"{provider}:m", base_url=base, api_key="k")
    assert told(theirs) == told([element async for element in stream])

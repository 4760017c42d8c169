"""`chat`: the answer of a model as a stream.

The answer is a cold stream of the elements of `dialect`, ends with one `done`, and asks the model
again for each run. When it fails, its last element is an `error` that says what a reader needs to
know, and then the stream fails with the same error, so a cut answer cannot be taken for a whole
one. Whoever stops listening closes the connection, which frees the model.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import aiohttp
import orjson

from rxstream.adapters.http import failure, session
from rxstream.adapters.llm.dialect import Dialect, Element, Message, Question
from rxstream.adapters.llm.errors import ModelError
from rxstream.adapters.llm.openai import OpenAIChat, error_text
from rxstream.adapters.llm.process import local
from rxstream.errors import AuthorError, classify
from rxstream.source import Source, SourcePort
from rxstream.stream import Stream, source

SILENCE_S: Final = 120.0
"""How long a model may say nothing before it is given up."""
_ERROR_BYTES: Final = 64 * 1024


@dataclass(frozen=True)
class Provider:
    """Who answers for `provider:model`; `key_variable` is the environment's name for the key."""

    dialect: Dialect
    base_url: str = ""
    key_variable: str = ""


_PROVIDERS: Final[Mapping[str, Provider]] = {
    "local": Provider(OpenAIChat()),
    "openai": Provider(OpenAIChat(), "https://api.openai.com/v1", "OPENAI_API_KEY"),
}


def chat(
    messages: str | Sequence[Message],
    *,
    model: str = "local:smollm2",
    max_tokens: int | None = 512,
    temperature: float | None = None,
    base_url: str | None = None,
    api_key: str | None = None,
    **options: Any,
) -> Stream[Element]:
    """Ask a model; a text is one message of the user.

    `model` is `provider:name`; providers are `local` (fetched and started on first use) and `openai`,
    which with a `base_url` is any server that speaks its chat completions. Without `api_key` the
    provider's environment variable is read when the stream runs. `options` are further fields of
    the request. Raises `AuthorError` for an unknown provider.

        token(text) token(text) … done(text, usage, timings, finish_reason, metadata)
    """
    provider, _, name = model.partition(":")
    if provider not in _PROVIDERS or not name:
        known = ", ".join(f"{known}:NAME" for known in _PROVIDERS)
        raise AuthorError(f"{model[:80]!r} names no model: write one of {known}")
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    question = Question(name, tuple(messages), max_tokens, temperature, options)
    return source(ChatSource(provider, question, base_url, api_key))


@dataclass(frozen=True)
class _Address:
    url: str
    api_key: str | None = field(repr=False)


class ChatSource(Source[Element]):
    """One question to one model, asked anew in each run."""

    name: ClassVar[str] = "chat"
    endless = False

    def __init__(
        self, provider: str, question: Question, base_url: str | None, api_key: str | None
    ) -> None:
        self._provider = provider
        self._question = question
        self._base_url = base_url
        self._api_key = api_key

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The model and the last message, shortened; never the key."""
        question = self._question
        last = question.messages[-1].get("content", "") if question.messages else ""
        shown = {
            "model": f"{self._provider}:{question.model}",
            "prompt": last if len(str(last)) <= 80 else f"{str(last)[:79]}…",
            "max_tokens": question.max_tokens,
            "temperature": question.temperature,
        }
        return {name: value for name, value in shown.items() if value is not None}

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[Element]]:
        """Ask, and give what comes as it comes."""
        try:
            async with contextlib.aclosing(self._answer(port)) as answer:
                async for batch in answer:
                    yield batch
        except Exception as error:
            told = self._explain(error)
            yield [
                {
                    "type": "error",
                    "kind": classify(told)["kind"],
                    "message": classify(told)["message"],
                    "retryable": getattr(told, "retryable", False),
                }
            ]
            if told is error:
                raise
            raise told from error

    async def _answer(self, port: SourcePort) -> AsyncGenerator[Sequence[Element], None]:
        provider = _PROVIDERS[self._provider]
        loop = asyncio.get_running_loop()
        decoder = provider.dialect.decoder()
        count, first_ms = 0, None
        async with self._asked(provider, port) as address:
            asked_at = loop.time()
            port.progress(None, "waiting for the first token")
            async with self._post(provider.dialect, address) as response:
                while not decoder.ended:
                    chunk = await response.content.readany()
                    elements = decoder.feed(chunk) if chunk else decoder.finish()
                    if elements and first_ms is None:
                        first_ms = round((loop.time() - asked_at) * 1_000, 1)
                    count += sum(element["type"] == "token" for element in elements)
                    if chunk and elements:
                        port.progress(None, _tokens(count))
                        yield elements
                    if not chunk:
                        break
                else:
                    elements = decoder.finish()
            duration_ms = round((loop.time() - asked_at) * 1_000, 1)
            timings = {"first_token_ms": first_ms, "duration_ms": duration_ms}
            done = elements[-1]
            yield [*elements[:-1], {**done, "timings": {**done["timings"], **timings}}]
            port.progress(100.0, f"{_tokens(count)} in {duration_ms / 1_000:.1f} s", "done")

    @contextlib.asynccontextmanager
    async def _asked(self, provider: Provider, port: SourcePort) -> AsyncIterator[_Address]:
        if self._provider == "local" and self._base_url is None:
            async with local(self._question.model, port.progress) as endpoint:
                yield _Address(endpoint.base_url, endpoint.api_key)
            return
        key = self._api_key or os.environ.get(provider.key_variable) or None
        yield _Address((self._base_url or provider.base_url).rstrip("/"), key)

    @contextlib.asynccontextmanager
    async def _post(
        self, dialect: Dialect, address: _Address
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {**dialect.headers(address.api_key), "Content-Type": "application/json"}
        if self._provider == "local":
            # it may close a kept connection just when the next question is sent on it
            headers["Connection"] = "close"
        body = orjson.dumps(dialect.body(self._question))
        # total: a long answer is no fault; silence is
        patience = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=SILENCE_S)
        async with (
            (await session()).post(
                address.url + dialect.path, data=body, headers=headers, timeout=patience
            ) as response,
        ):
            if response.status != 200:
                raise _refused(response.status, await response.content.read(_ERROR_BYTES))
            try:
                yield response
            finally:
                response.close()  # an answer that nobody reads to its end must not go on

    def _explain(self, error: Exception) -> Exception:
        """What a reader can act on, of what the network said."""
        name = f"{self._provider}:{self._question.model}"
        if isinstance(error, TimeoutError):
            return ModelError(
                f"{name} said nothing for {SILENCE_S:.0f} s", code="model_silent", retryable=True
            )
        if isinstance(error, aiohttp.InvalidURL):
            return AuthorError(f"{name}: its base_url is not a valid URL")
        if isinstance(error, aiohttp.ClientError):
            told = failure(name, error)
            return ModelError(told.message, code=told.code, retryable=True)
        return error


def _tokens(count: int) -> str:
    return f"{count} token" if count == 1 else f"{count} tokens"


def _refused(status: int, body: bytes) -> ModelError:
    try:
        said = error_text(orjson.loads(body))
    except orjson.JSONDecodeError:
        said = error_text(body[:300].decode(errors="replace"))
    return ModelError(
        f"the model's server answered {status}: {said}",
        code="model_refused",
        retryable=status in (408, 409, 429) or status >= 500,
    )

"""A model behind HTTP: one question is one request, and its answer comes as it is said.

An attempt either ends with `done` or raises; whoever stops listening closes the connection, which frees the
model. When to try again, and what of it is given then, is in `retrying`. Must not know any provider.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import orjson

from rxstream.adapters.http import failure, session
from rxstream.adapters.llm.answering import SLICE
from rxstream.adapters.llm.dialect import Dialect
from rxstream.adapters.llm.errors import ModelError, error_text, refusal
from rxstream.adapters.llm.messages import encoded
from rxstream.adapters.llm.reading import EVENTS
from rxstream.adapters.llm.retrying import Retries, retried
from rxstream.errors import AuthorError
from rxstream.models import Delivered, Element, Question, Tell

SILENCE_S: Final = 120.0
"""How long a model may say nothing before it is given up."""
CONNECT_S: Final = 30.0
KEPT: Final = "https:"
"""Connections that serve several questions. A plain one costs little, and some servers close those they
said they keep.
"""
_ERROR_BYTES: Final = 64 * 1024
_MEASURABLE_S: Final = 0.02
"""What came in less time came at once, and says nothing of the model's pace."""
_SECRET: Final = 8
"""Characters of a key that is worth hiding; a shorter one is part of any word."""
_REST_S: Final = 0.05
"""How long the end of the body is waited for behind the end of the answer."""


@dataclass(frozen=True)
class Address:
    """Where a server listens, and as whom to ask; `close` where it cannot keep connections."""

    url: str
    api_key: str | None = field(default=None, repr=False)
    close: bool = False


Reach = Callable[[Tell], AbstractAsyncContextManager[Address]]
"""Gives the address while it is used; told how far it is where a server has to be started first."""


class HTTPModel:
    """One model of one provider, asked in one dialect.

    `continues` says whether it goes on behind an assistant's message that is the last of the question.
    `hints` say what to do, by the code of an error. `ready` raises what every question would fail with.
    """

    def __init__(
        self,
        name: str,
        dialect: Dialect,
        reach: Reach,
        *,
        continues: bool = False,
        hints: Mapping[str, str] | None = None,
        retries: Retries | None = None,
        ready: Callable[[], object] = lambda: None,
    ) -> None:
        self.name = name
        self.continues = continues
        self.retries = retries
        self._ready = ready
        self._dialect = dialect
        self._reach = reach
        self._hints = hints or {}

    def __repr__(self) -> str:
        return f"<model {self.name}>"

    def check(self) -> None:
        """Raise what is wrong already, without asking: a missing key, a local model that nobody knows."""
        try:
            self._ready()
        except Exception as error:
            told = self._explained(error, None)
            if told is error:
                raise
            raise told from error

    async def answer(
        self, question: Question, delivered: Delivered | None = None, tell: Tell | None = None
    ) -> AsyncGenerator[Sequence[Element], None]:
        """Ask as often as it takes, within `retries`; what was delivered is not given again."""
        answer = retried(self, question, delivered, tell, self.retries)
        async with contextlib.aclosing(answer):
            async for batch in answer:
                yield batch

    async def attempt(
        self, question: Question, tell: Tell | None = None
    ) -> AsyncGenerator[Sequence[Element], None]:
        """Ask once, from the beginning. Raises what a reader can act on, `ModelError` mostly."""
        say = tell or (lambda percentage, message: None)
        body = encoded(self._dialect.body(self.name.partition(":")[2], question)).encode()
        key: str | None = None
        try:
            async with self._reach(say) as address:
                key = address.api_key
                async with contextlib.aclosing(self._asked(address, body, question, say)) as answer:
                    async for batch in answer:
                        yield batch
        except Exception as error:
            told = self._explained(error, key)
            if told is error:
                raise
            raise told from error

    async def _asked(
        self, address: Address, body: bytes, question: Question, say: Tell
    ) -> AsyncGenerator[Sequence[Element], None]:
        loop = asyncio.get_running_loop()
        decoder = self._dialect.decoder(question)
        asked_at = loop.time()
        first_at: float | None = None
        say(None, "waiting for the first token")
        async with self._post(address, body) as response:
            elements: list[Element] = []
            while not decoder.ended:
                chunk = await response.content.readany()
                if not chunk:
                    break
                for start in range(0, len(chunk), SLICE):
                    elements = decoder.feed(chunk[start : start + SLICE])
                    if first_at is None and decoder.begun:
                        first_at = loop.time()
                    if elements:
                        yield elements
                    if len(chunk) > SLICE:
                        await asyncio.sleep(0)  # whoever sends that much waits, not everybody else
            elements = decoder.finish()
            ended_at = loop.time()
            done = elements[-1]
            timings = {"first_token_ms": None, "duration_ms": _ms(ended_at - asked_at)}
            if first_at is not None:
                timings["first_token_ms"] = _ms(first_at - asked_at)
                tokens = (done["usage"] or {}).get("completion_tokens", 0)
                if tokens > 1 and ended_at - first_at >= _MEASURABLE_S:
                    timings["tokens_per_second"] = round((tokens - 1) / (ended_at - first_at), 2)
            yield [*elements[:-1], {**done, "timings": {**timings, **done["timings"]}}]
            if decoder.ended and address.url.startswith(KEPT):
                await _read_out(response)

    @contextlib.asynccontextmanager
    async def _post(self, address: Address, body: bytes) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {
            **self._dialect.headers(address.api_key),
            "Content-Type": "application/json",
            "Accept": self._dialect.media_type,
            "Accept-Encoding": "identity",  # a compressor holds back what is to be shown at once
        }
        if address.close:
            headers["Connection"] = "close"
        # total: a long answer is no fault; silence is
        patience = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S)
        url = joined(address.url, self._dialect.path(self.name.partition(":")[2]))
        async with (await session()).post(
            url,
            data=body,
            headers=headers,
            timeout=patience,
            allow_redirects=False,  # one would take the key to whomever it names
        ) as response:
            if 300 <= response.status < 400:
                raise ModelError(
                    f"the server says that it is elsewhere ({response.status}): give the address it "
                    "names as base_url",
                    code="model_refused",
                )
            if response.status != 200:
                said = _read(await response.content.read(_ERROR_BYTES))
                raise refusal(response.status, said, response.headers, self._hints)
            if _at_once(response.content_type, self._dialect.media_type):
                raise _no_stream(_read(await response.content.read(_ERROR_BYTES)), response)
            if not address.url.startswith(KEPT) and response.connection is not None:
                protocol = response.connection.protocol
                if protocol is not None:
                    protocol.force_close()
            try:
                yield response
            finally:
                response.close()  # an answer that nobody reads to its end must not go on

    def _explained(self, error: Exception, key: str | None) -> Exception:
        """What a reader can act on, of what the network or the server said; never the key."""
        if isinstance(error, ModelError):
            message = f"{self.name}: {error.message}"
            if key and len(key) >= _SECRET and key in message:
                message = message.replace(key, "…")
            return ModelError(
                message,
                code=error.code,
                retryable=error.retryable,
                retry_after=error.retry_after,
            )
        if isinstance(error, aiohttp.ClientConnectorError):
            hint = self._hints.get("no_server", "")
            return ModelError(
                failure(self.name, error).message + (f" ({hint})" if hint else ""),
                code="no_server",
                retryable=True,
            )
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return ModelError(
                f"{self.name}: nobody took the connection within {CONNECT_S:.0f} s",
                code="no_server",
                retryable=True,
            )
        if isinstance(error, TimeoutError):
            return ModelError(
                f"{self.name} said nothing for {SILENCE_S:.0f} s",
                code="model_silent",
                retryable=True,
            )
        if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
            return AuthorError(
                f"{self.name}: its base_url is not a valid URL: write http://… or https://…"
            )
        if isinstance(error, aiohttp.ClientError):
            told = failure(self.name, error)
            return ModelError(told.message, code=told.code, retryable=True)
        return error


@dataclass(frozen=True)
class Key:
    """The key that was given, else what the environment's variable says when it is read."""

    given: str | None = field(default=None, repr=False)
    variable: str = ""
    needed: bool = False
    """Whether a question without one is not worth asking."""

    def read(self) -> str | None:
        """The key, if there is one. Raises `ModelError` where it is needed."""
        # one that was read from a file has the file's last newline
        key = (self.given or os.environ.get(self.variable) or "").strip()
        if self.needed and not key:
            raise ModelError(
                f"no key is there to ask with: set {self.variable}, or give api_key",
                code="bad_key",
            )
        if not key.isprintable():
            raise ModelError(
                "the key has characters that no key has: is it more than one line?", code="bad_key"
            )
        return key or None


def at(url: str, key: Key) -> Reach:
    """A server that is there already; its key is read at each question."""

    @contextlib.asynccontextmanager
    async def reach(tell: Tell) -> AsyncIterator[Address]:
        yield Address(url.rstrip("/"), key.read())

    return reach


def joined(base: str, path: str) -> str:
    """The URL of a path; a version that both have (`…/v1` and `/v1/…`) is there once, a query comes last."""
    base, _, query = base.partition("?")
    base = base.rstrip("/")
    first = path[: path.find("/", 1)]
    url = base + path.removeprefix(first) if base.endswith(first) else base + path
    return f"{url}{'&' if '?' in path else '?'}{query}" if query else url


async def _read_out(response: aiohttp.ClientResponse) -> None:
    """Read what is behind the end of an answer, mostly nothing, so that its connection can be used again."""
    with contextlib.suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(_REST_S):
            while await response.content.readany():
                pass


def _at_once(given: str, wanted: str) -> bool:
    """Whether a body is a page, or one JSON value where events were to come."""
    return given == "text/html" or (given == "application/json" and wanted == EVENTS)


def _no_stream(said: Any, response: aiohttp.ClientResponse) -> ModelError:
    if isinstance(said, dict) and said.get("error"):
        return refusal(None, said)
    return ModelError(
        f"the server answered with {response.content_type} instead of a stream: {error_text(said)} "
        "(is base_url the address of a model's server?)",
        code="model_refused",
    )


def _ms(seconds: float) -> float:
    return round(seconds * 1_000, 1)


def _read(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body[:300].decode(errors="replace")

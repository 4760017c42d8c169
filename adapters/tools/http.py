"""The tool `http_get`: a page of a named host, as it comes, up to a limit.

The name is resolved once, every address it stands for is checked, and the connection goes to one of those: a
name that leads elsewhere a moment later leads nobody there. A redirect is a new question. No cookies, no
proxies, no passwords. It must not know what the page means.
"""

from __future__ import annotations

import asyncio
import codecs
import socket
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Final

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver, ResolveResult
from pydantic import Field
from yarl import URL

from rxstream.adapters.http import failure, shown
from rxstream.adapters.tools.bash_output import Ends
from rxstream.adapters.tools.http_addresses import Named, checked, named, refusal
from rxstream.adapters.tools.recognising import Text
from rxstream.adapters.tools.recognising import named as named_encoding
from rxstream.errors import AuthorError, ClientError, WorldError
from rxstream.tools import Output, Tool, ToolContext, ToolResult

MAX_REDIRECTS: Final = 5
_CHUNK: Final = 64 * 1024
_RESULT_BYTES: Final = 200_000
"""What of the text the result has, as JSON; a result has a limit of its own, and all was told live."""
_MOST_JSON_BYTES: Final = 6
"""Of one character: an escaped one."""
_REASON_CHARS: Final = 80
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_TEXT: Final = ("json", "xml", "javascript", "ecmascript", "yaml", "toml", "x-www-form-urlencoded")


def http_get(
    hosts: Sequence[str],
    *,
    allow_private: bool = False,
    limit: int = 1_000_000,
    timeout: float = 30.0,
    name: str = "http_get",
) -> Tool:
    """A tool that gets pages of these hosts: `example.org`, `*.example.org`, `localhost:8080`, `*`.

    Without a port, 80 and 443 are meant. Hosts whose names lead to this machine or its network are refused
    unless `allow_private`; addresses by which clouds give out keys always are. Of a body at most `limit`
    bytes are read; `timeout` is in seconds, for everything together.
    """
    if isinstance(hosts, str) or not hosts:
        raise AuthorError('http_get needs the hosts it may ask, such as hosts=["example.org"]')
    if limit < 1 or timeout <= 0:
        raise AuthorError("the limit and the timeout of http_get are more than 0")
    getting = _Getting(named(hosts), allow_private, limit, timeout)
    return Tool(
        getting.run,
        name=name,
        description=f"Get a page by HTTP. Hosts that may be asked: {', '.join(hosts)}.",
        parallel=True,
        idempotent=True,
    )


class _Getting:
    def __init__(self, hosts: tuple[Named, ...], private: bool, limit: int, timeout: float) -> None:
        self._hosts = hosts
        self._private = private
        self._limit = limit
        self._timeout = timeout

    async def run(
        self,
        url: Annotated[str, Field(description="http:// or https://", max_length=8000)],
        context: ToolContext,
    ) -> AsyncIterator[Output | ToolResult]:
        asked, _ = checked(url, self._hosts)
        what = f"GET {shown(str(asked))}"
        connector = aiohttp.TCPConnector(
            resolver=_Checking(self._private), use_dns_cache=False, force_close=True
        )
        try:
            async with (
                asyncio.timeout(self._timeout),
                aiohttp.ClientSession(
                    connector=connector,
                    cookie_jar=aiohttp.DummyCookieJar(),
                    auto_decompress=False,  # what a few bytes may become has no limit
                    timeout=aiohttp.ClientTimeout(total=None),
                    headers={"User-Agent": "rxstream", "Accept-Encoding": "identity"},
                ) as session,
            ):
                for _ in range(MAX_REDIRECTS + 1):
                    _refuse_literal(asked, self._private)
                    async with session.get(asked, allow_redirects=False) as answer:
                        target = answer.headers.get("Location")
                        if answer.status in _REDIRECTS and target is not None:
                            asked = self._redirected(asked, target)
                            continue
                        body = _Body(answer, asked, self._limit)
                        async for said in body.read(context):
                            yield said
                        yield body.result()
                        return
        except (aiohttp.ClientError, OSError) as error:
            cause = error.__cause__ if isinstance(error.__cause__, ClientError) else None
            raise cause or failure(what, error) from None
        raise WorldError(f"{what}: more than {MAX_REDIRECTS} redirects", code="request_failed")

    def _redirected(self, asked: URL, target: str) -> URL:
        try:
            following = asked.join(URL(target))
        except ValueError:
            raise WorldError("the redirect leads to no URL", code="request_failed") from None
        return checked(str(following), self._hosts)[0]


class _Checking(AbstractResolver):
    """Resolves a name, and refuses it when any of its addresses is not for us."""

    def __init__(self, private: bool) -> None:
        self._private = private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await lookup(host, port)
        for address, _ in found:
            _refuse(host, address, self._private)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=kind,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address, kind in found
        ]

    async def close(self) -> None:
        return


async def lookup(host: str, port: int) -> list[tuple[str, int]]:
    """Every address a name stands for, with its family. Raises `OSError`."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((str(each[4][0]), int(each[0])) for each in found))


def _refuse_literal(url: URL, private: bool) -> None:
    """An address instead of a name is not resolved, so it is checked here; a short form of one is refused."""
    host = url.host or ""
    if ":" in host or host.replace(".", "").isdigit():
        _refuse(host, host, private)


def _refuse(host: str, address: str, private: bool) -> None:
    if why := refusal(address, private):
        raise _refused(host, address, why)


def _refused(host: str, address: str, why: str) -> ClientError:
    where = host if host == address else f"{host} leads to {address}, which"
    return ClientError(f"{where} {why}, so it is not asked", code="address_refused")


class _Body:
    """One answer: its text as it comes, or a description of what is no text."""

    def __init__(self, answer: aiohttp.ClientResponse, url: URL, limit: int) -> None:
        self._answer = answer
        self._url = url
        self._limit = limit
        self._bytes = 0
        self._truncated = False
        self._kept: list[str] = []
        self._room = _RESULT_BYTES
        self._ends = Ends()
        encoded = answer.headers.get("Content-Encoding", "identity").lower() != "identity"
        self._type = _printable(answer.content_type)
        self._is_text = not encoded and (
            self._type.startswith("text/") or any(each in self._type for each in _TEXT)
        )

    async def read(self, context: ToolContext) -> AsyncIterator[Output]:
        decoder: codecs.IncrementalDecoder | None = None
        length = self._answer.content_length
        async for data in self._answer.content.iter_chunked(_CHUNK):
            context.token.check()
            data = data[: self._limit - self._bytes + 1]
            if self._bytes + len(data) > self._limit:
                self._truncated = True
                data = data[:-1]
            self._bytes += len(data)
            if length:
                context.progress(100 * self._bytes / length)
            if decoder is None:
                text = self._charset(data)
                decoder = codecs.getincrementaldecoder(text.encoding)("replace")
                data = data[text.mark :]
            if self._is_text and (said := self._said(decoder.decode(data))):
                yield said
            if self._truncated:
                return
        if self._is_text and decoder and (said := self._said(decoder.decode(b"", True))):
            yield said

    def _charset(self, head: bytes) -> Text:
        # servers name what is no text encoding, and UTF-16 that says nowhere which
        try:
            return named_encoding(self._answer.charset or "utf-8", head)
        except ClientError:
            return named_encoding("utf-8", head)

    def _said(self, text: str) -> Output | None:
        if not text:
            return None
        self._keep(text)
        self._ends.take(text)
        return Output(text, "body")

    def _keep(self, text: str) -> None:
        size = len(orjson.dumps(text))
        if size > self._room:
            text, size = text[: self._room // _MOST_JSON_BYTES], self._room
        self._room -= size
        self._kept.append(text)

    def result(self) -> ToolResult:
        length = self._answer.content_length
        value: dict[str, Any] = {
            "url": str(self._url),
            "status": self._answer.status,
            "content_type": self._type,
            "bytes": self._bytes,
            "truncated": self._truncated,
            "text": "".join(self._kept) if self._is_text else None,
            "text_cut": self._room == 0,
        }
        size = f"{self._bytes:,} bytes"
        if self._truncated:
            size = f"the first {size}" + (f" of {length:,}" if length else "")
        reason = _printable(self._answer.reason or "")
        first = f"[{self._answer.status} {reason}; {self._type}; {size}]"
        rest = str(self._ends) if self._is_text else "(not text, so not shown)"
        return ToolResult(value, brief=f"{first}\n{rest}".rstrip("\n"))


def _printable(text: str) -> str:
    """What a server says about its answer, as one short line."""
    return "".join(filter(str.isprintable, text))[:_REASON_CHARS]

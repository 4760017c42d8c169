"""The body of an HTTP answer, as lines or chunks, while it arrives.

Reading pauses when nothing is wanted, and TCP then holds the server back. A body that ends before its
declared length or last chunk is an error; only a body that declares neither can end early unnoticed,
because such an answer has no other ending than the connection's.

Where asked for, a body goes on at a byte (RFC 9110, 14 and 13.1.5: Range, If-Range), as long as its strong
ETag says that it is the same. One byte too many is asked for, so that there is an answer also at its end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar, Final

import aiohttp

from rxstream.adapters import http as pool
from rxstream.adapters.sources.splitting import MAX_LINE_BYTES, LineSplitter, checked_encoding
from rxstream.errors import AuthorError, WorldError
from rxstream.source import Source, SourcePort
from rxstream.stream import Stream, source

_SHOWN_BYTES: Final = 500
_HEADER_BYTES: Final = 32 * 1024


class BodySource(Source[Any]):
    """An HTTP body; see `http`."""

    name: ClassVar[str] = "http"

    def __init__(
        self,
        url: str,
        *,
        method: str,
        headers: Mapping[str, str],
        json: Any,
        data: bytes | str | None,
        lines: bool,
        timeout: float | None,
        connect_timeout: float | None,
        encoding: str | None,
        errors: str,
        max_line: int,
        resumable: bool,
    ) -> None:
        if encoding is not None:
            checked_encoding(encoding, errors)
        self._url = url
        self._method = method
        self._headers = headers
        self._json = json
        self._data = data
        self._lines = lines
        self._timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=connect_timeout, connect=connect_timeout, sock_read=timeout
        )
        self._silence = timeout
        self._encoding = encoding
        self._errors = errors
        self._max_line = max_line
        self.seekable = resumable
        self._what = f"{method} {pool.shown(url)}"

    @property
    def arguments(self) -> Mapping[str, Any]:
        return {"url": pool.shown(self._url), "method": self._method}

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[Any]]:
        begin, etag = port.start or (0, "")
        response = await self._ask(begin, etag)
        try:
            await self._check(response, begin)
            if self.seekable:
                etag = self._same(response, begin, etag)
            splitter = self._splitter(response, begin) if self._lines else None
            again = 1 if begin else 0
            read, size = begin - again, response.content_length
            size = size and read + size
            while chunk := await self._read(response):
                read += len(chunk)
                chunk, again = chunk[again:], 0
                if splitter is None:
                    port.seek_point((read, etag))
                    yield [chunk] if chunk else []
                else:
                    splitter.feed(chunk)
                    while splitter.ready:
                        lines = splitter.take(port.wanted)
                        port.seek_point((splitter.offset, etag))
                        yield lines
                if size and "Content-Encoding" not in response.headers:
                    port.progress(min(100.0, 100.0 * read / size), f"{read:,} of {size:,} bytes")
            if splitter is not None:
                splitter.end()
                if splitter.ready:
                    lines = splitter.take(1)
                    port.seek_point((splitter.offset, etag))
                    yield lines
        finally:
            response.close()  # a connection whose body was read is back in the pool and stays there

    async def _ask(self, begin: int, etag: str) -> aiohttp.ClientResponse:
        session = await pool.session()
        part = {"Range": f"bytes={begin - 1}-", "If-Range": etag} if begin else {}
        try:
            return await session.request(
                self._method,
                self._url,
                headers={**self._headers, **part},
                json=self._json,
                data=self._data,
                timeout=self._timeout,
                max_line_size=_HEADER_BYTES,
                max_field_size=_HEADER_BYTES,
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise pool.failure(self._what, error) from error

    def _same(self, response: aiohttp.ClientResponse, begin: int, etag: str) -> str:
        """The body's ETag. Raises `WorldError` where it could not go on, or is another body by now."""
        found = response.headers.get("ETag", "")
        if begin:
            part = response.headers.get("Content-Range", "").startswith(f"bytes {begin - 1}-")
            if response.status != 206 or not part or found != etag:
                raise self._changed(begin)
            return etag
        why = None
        if not found.startswith('"'):
            why = "no strong ETag, so nobody could tell whether it is the same"
        elif response.headers.get("Accept-Ranges", "").lower() != "bytes":
            why = "no part of it (Accept-Ranges)"
        elif "Content-Encoding" in response.headers:
            why = "it only encoded, so bytes cannot be counted"
        if why is not None:
            raise WorldError(
                f"{self._what} cannot be resumed: the server gives {why}", code="not_resumable"
            )
        return found

    def _changed(self, begin: int) -> WorldError:
        return WorldError(
            f"{self._what} cannot go on at byte {begin}: the body is another one by now",
            code="body_changed",
        )

    async def _check(self, response: aiohttp.ClientResponse, begin: int) -> None:
        if response.status < 400:
            return
        if begin and response.status == 416:  # it is shorter
            raise self._changed(begin)
        try:
            body = (await response.content.read(_SHOWN_BYTES)).decode("utf-8", "replace")
        except (aiohttp.ClientError, OSError):
            body = ""
        said = " ".join(body.split())
        raise WorldError(
            f"{self._what} was answered with {response.status} {response.reason or ''}".rstrip()
            + (f": {said}" if said else ""),
            code="http_status",
            detail={"status": response.status, "body": body},
        )

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        try:
            return await response.content.readany()
        except TimeoutError as error:
            raise pool.failure(
                f"{self._what} sent nothing for {self._silence:g} s", error
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise pool.failure(self._what, error) from error

    def _splitter(self, response: aiohttp.ClientResponse, begin: int) -> LineSplitter:
        encoding = self._encoding or response.charset or "utf-8"
        return LineSplitter(
            self._what,
            encoding=checked_encoding(encoding, self._errors),
            errors=self._errors,
            limit=self._max_line,
            offset=begin,
        )


def http(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    json: Any = None,
    data: bytes | str | None = None,
    lines: bool = True,
    timeout: float | None = 60.0,
    connect_timeout: float | None = 10.0,
    encoding: str | None = None,
    errors: str = "strict",
    max_line: int = MAX_LINE_BYTES,
    resumable: bool = False,
) -> Stream[Any]:
    """The body of an HTTP answer as it arrives: lines as str, or chunks as bytes.

    `timeout` is the longest silence in seconds, not the length of the whole; None waits for ever. A
    status of 400 and above fails with a `WorldError` that shows the status and the first bytes, a body
    cut off with code `truncated`, silence with `ExecutionTimeout`. Compression is not asked for, because
    compressors hold back what a stream should show at once; a header `Accept-Encoding` changes that.
    Redirects are followed. Neither headers, body nor query are shown in graphs and errors.

    Not resumed, unless `resumable` says that the server can: then a GET goes on at the byte after the last
    element, each line or byte exactly once (chunks may be cut elsewhere). It needs a strong ETag and ranges
    of bytes, else the source fails when it starts, with code `not_resumable`; a body that is another one by
    the time of a restart fails with `body_changed`.
    """
    if not url.startswith(("http://", "https://")):
        raise AuthorError(
            f"http needs a URL that begins with http:// or https://, not {url[:80]!r}"
        )
    if json is not None and data is not None:
        raise AuthorError("http takes either json or data, not both")
    if resumable and (method.upper() != "GET" or json is not None or data is not None):
        raise AuthorError("http can only resume a GET without a body")
    return source(
        BodySource(
            url,
            method=method.upper(),
            headers={"Accept-Encoding": "identity", **(headers or {})},
            json=json,
            data=data,
            lines=lines,
            timeout=timeout,
            connect_timeout=connect_timeout,
            encoding=encoding,
            errors=errors,
            max_line=max_line,
            resumable=resumable,
        )
    )

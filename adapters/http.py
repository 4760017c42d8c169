"""The one HTTP client of the process: an aiohttp session for each event loop, shared by whoever speaks HTTP.

It is made when first asked for and closed when its loop is: `asyncio.run` and every runner like it close
the asynchronous generators of their loop, and the session lives in one. No cookie is kept, because users
of one pool must not see each other's, and no timeout is set, because streams are as long as they are:
whoever makes a request says how long it may be silent. It must not know any URL.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

import aiohttp
from yarl import URL

from rxstream.errors import AuthorError, ExecutionTimeout, RxStreamError, WorldError

MAX_CONNECTIONS: Final = 1_000
"""Streams are long, so the limit is a last resort, not a throttle."""

_Keeper = AsyncGenerator[aiohttp.ClientSession, None]

_open: dict[asyncio.AbstractEventLoop, tuple[_Keeper, aiohttp.ClientSession]] = {}


async def session() -> aiohttp.ClientSession:
    """The session of the running loop. Do not close it; `close` does, and so does the loop's end."""
    loop = asyncio.get_running_loop()
    found = _open.get(loop)
    if found is not None and not found[1].closed:
        return found[1]
    for other in list(_open):
        if other.is_closed():  # without closing its generators; nothing can close its session now
            _open.pop(other, None)
    keeper = _keep(loop)
    made = await anext(keeper)  # does not wait, so nobody else can have come in between
    _open[loop] = (keeper, made)
    return made


async def close() -> None:
    """Close the running loop's session now; whoever still uses it gets an error. Idempotent."""
    found = _open.get(asyncio.get_running_loop())
    if found is not None:
        await found[0].aclose()


async def _keep(loop: asyncio.AbstractEventLoop) -> _Keeper:
    made = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        headers={"User-Agent": "rxstream"},
    )
    try:
        yield made
    finally:
        _open.pop(loop, None)
        await made.close()


def shown(url: str) -> str:
    """A URL as errors and graphs show it: without user, password, query and fragment.

    Raises `AuthorError` when it is none.
    """
    try:
        parsed = URL(url)
    except ValueError as error:
        raise AuthorError(f"this is not a valid URL: {error}") from None
    if not parsed.host:
        raise AuthorError("this is not a valid URL: it names no host")
    return str(parsed.with_user(None).with_query(None).with_fragment(None))


def failure(what: str, error: BaseException) -> RxStreamError:
    """The one line that says what the network did; `what` says which request.

    What aiohttp says is shown only where it names no URL, because a URL may hold a secret.
    """
    if isinstance(error, TimeoutError):
        return ExecutionTimeout(f"{what}: no answer in time")
    if isinstance(error, aiohttp.ClientPayloadError):
        return WorldError(f"{what}: the body was cut off", code="truncated")
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return WorldError(f"{what}: the server closed the connection", code="disconnected")
    return WorldError(f"{what}: {_reason(error)}", code="request_failed")


def _reason(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        why = error.os_error.strerror or str(error.os_error)
        return f"cannot connect to {error.host}:{error.port}: {why}"
    if isinstance(error, aiohttp.TooManyRedirects):
        return "too many redirects"
    if isinstance(error, aiohttp.ClientResponseError):
        return " ".join(error.message.split())[:200] or type(error).__name__
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return type(error).__name__

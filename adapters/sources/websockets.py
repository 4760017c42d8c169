"""The messages a WebSocket server sends, read as a client.

The stream ends well only when the server says so by a close frame; a connection that just ends is an
error. Messages are read when they are wanted, so a slow reader holds the server back by TCP. For that
reason silence is measured, and pings are sent, only while something is wanted: a reader that is busy is
no sign of a dead peer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Final

import aiohttp
from aiohttp import WSCloseCode, WSMsgType

from rxstream.adapters import http as pool
from rxstream.errors import AuthorError, ExecutionTimeout, RxStreamError, WorldError
from rxstream.source import Source, SourcePort
from rxstream.stream import Stream, source

_CLOSE_SECONDS: Final = 1.0
_CLOSING: Final = aiohttp.ClientWSTimeout(ws_close=_CLOSE_SECONDS)  # pyright: ignore[reportCallIssue]  # attrs
_NORMAL: Final = (0, 1000)
"""A close frame without a code is read as 0; it is how browsers close."""


class WebSocketSource(Source["str | bytes"]):
    """Messages of a WebSocket; see `websocket`."""

    name: ClassVar[str] = "websocket"
    endless = True  # the server may close it, and nothing says that it will

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        protocols: Sequence[str],
        send: Sequence[str | bytes],
        heartbeat: float,
        connect_timeout: float,
        max_msg_size: int,
    ) -> None:
        self._url = url
        self._headers = headers
        self._protocols = protocols
        self._send = send
        self._heartbeat = heartbeat
        self._connect_timeout = connect_timeout
        self._max_msg_size = max_msg_size
        self._what = f"WebSocket {pool.shown(url)}"

    @property
    def arguments(self) -> Mapping[str, Any]:
        return {"url": pool.shown(self._url)}

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[str | bytes]]:
        socket = await self._connect()
        try:
            for message in self._send:
                if isinstance(message, str):
                    await socket.send_str(message)
                else:
                    await socket.send_bytes(message)
            while (received := await self._receive(socket)) is not None:
                yield [received]
        except (aiohttp.ClientError, OSError) as error:
            raise pool.failure(self._what, error) from error
        finally:
            # a server that goes on sending would make aiohttp wait for its close frame without end
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await socket.close()

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        session = await pool.session()
        try:
            async with asyncio.timeout(self._connect_timeout):
                return await session.ws_connect(
                    self._url,
                    headers=self._headers,
                    protocols=self._protocols,
                    autoping=False,
                    max_msg_size=self._max_msg_size + 1,  # aiohttp refuses what reaches it
                    timeout=_CLOSING,
                )
        except aiohttp.WSServerHandshakeError as error:
            raise WorldError(
                f"{self._what} was answered with {error.status}",
                code="http_status",
                detail={"status": error.status},
            ) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise pool.failure(self._what, error) from error

    async def _receive(self, socket: aiohttp.ClientWebSocketResponse) -> str | bytes | None:
        """The next message; None when the server has closed well."""
        asked = False
        while True:
            try:
                async with asyncio.timeout(self._heartbeat):
                    message = await socket.receive()
            except TimeoutError:
                if asked:
                    raise ExecutionTimeout(
                        f"{self._what}: no answer to a ping for {self._heartbeat:g} s"
                    ) from None
                asked = True
                await socket.ping()
                continue
            asked = False
            if message.type is WSMsgType.TEXT:
                return str(message.data)
            if message.type is WSMsgType.BINARY:
                return bytes(message.data)
            if message.type is WSMsgType.PING:
                await socket.pong(message.data)
            elif message.type is WSMsgType.CLOSE and message.data in _NORMAL:
                return None
            elif message.type is not WSMsgType.PONG:
                raise self._ended(message)

    def _ended(self, message: aiohttp.WSMessage) -> RxStreamError:
        if message.type is WSMsgType.CLOSE:
            reason = f": {message.extra}" if message.extra else ""
            return WorldError(
                f"{self._what} was closed with code {message.data}{reason}",
                code="closed",
                detail={"code": message.data},
            )
        if getattr(message.data, "code", None) == WSCloseCode.MESSAGE_TOO_BIG:
            return WorldError(
                f"{self._what} sent a message above {self._max_msg_size} bytes: raise max_msg_size",
                code="message_too_big",
            )
        if message.type is WSMsgType.ERROR:
            return WorldError(f"{self._what}: {message.data}", code="protocol_error")
        return WorldError(f"{self._what}: the connection was cut off", code="truncated")


def websocket(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    protocols: Sequence[str] = (),
    send: Sequence[str | bytes] = (),
    heartbeat: float = 30.0,
    connect_timeout: float = 10.0,
    max_msg_size: int = 4 * 1024 * 1024,
) -> Stream[str | bytes]:
    """The messages of a WebSocket server: text as str, binary as bytes.

    `send` is sent first, to subscribe to something. It ends when the server closes with code 1000 or none;
    any other code, a connection that is cut, or a message above `max_msg_size` bytes is a
    `WorldError`. After `heartbeat` seconds of silence a ping is sent, and after as many without an answer
    it fails with `ExecutionTimeout`. Headers and query are not shown in graphs and errors. It cannot be
    resumed: what was sent while nobody listened is gone.
    """
    if not url.startswith(("ws://", "wss://", "http://", "https://")):
        raise AuthorError(
            f"websocket needs a URL that begins with ws:// or wss://, not {url[:80]!r}"
        )
    if max_msg_size < 1:
        raise AuthorError(f"websocket needs a max_msg_size of at least 1, not {max_msg_size}")
    return source(
        WebSocketSource(
            url,
            headers=dict(headers or {}),
            protocols=tuple(protocols),
            send=tuple(send),
            heartbeat=heartbeat,
            connect_timeout=connect_timeout,
            max_msg_size=max_msg_size,
        )
    )

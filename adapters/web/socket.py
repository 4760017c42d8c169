"""One WebSocket connection: both directions, heartbeat, and an ending with a code in bounded time.

Listening and sending run side by side; whichever ends first decides how the connection ends. Frames go
to the transport as they were made, which is right because compression is never negotiated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, NamedTuple

from aiohttp import WSMsgType, web

from rxstream.adapters.web import frames
from rxstream.adapters.web.connections import Connections
from rxstream.adapters.web.errors import COME_BACK_S, NotFound, describe
from rxstream.adapters.web.outlet import Outlet, SlowClient
from rxstream.adapters.web.settings import Settings
from rxstream.errors import (
    BadRequest,
    ClientError,
    UnknownExecution,
    UnknownGraph,
    WorldError,
)


class Ending(NamedTuple):
    """How a connection ends: close code, a reason of at most 123 bytes, and whether it hurries."""

    code: int
    reason: str
    hurry: bool = True


ENDED: Final = Ending(1000, "the execution has ended", hurry=False)
RESTARTING: Final = Ending(
    1012, f"the server is closing: come back in {COME_BACK_S} s with your cursor"
)
TOO_SLOW: Final = Ending(4408, "too slow: come back with your cursor")
GONE: Final = Ending(1006, "")
"""The client is gone: there is nobody to tell."""

OnText = Callable[[str | bytes], Awaitable[None]]


class Socket:
    """The shell around one connection."""

    def __init__(self, request: web.Request, settings: Settings, connections: Connections) -> None:
        self.response = web.WebSocketResponse(
            timeout=max(settings.write_timeout, settings.close_timeout),
            autoping=False,
            compress=False,
            max_msg_size=settings.max_message_bytes,
        )
        self._request = request
        self._settings = settings
        self._connections = connections
        self._outlet: Outlet | None = None

    async def open(self) -> Outlet:
        """Upgrade the request. Raises `BadRequest` when it does not ask for that."""
        if not self.response.can_prepare(self._request):
            raise BadRequest("this address speaks WebSocket (version 13): ask for an upgrade")
        writer = await self.response.prepare(self._request)
        self._outlet = Outlet(self._request, self.response, writer, self._settings.write_timeout)
        return self._outlet

    async def serve(
        self, sending: Coroutine[Any, Any, Ending], on_text: OnText | None = None
    ) -> web.WebSocketResponse:
        """Listen and send until one of both ends, then close; returns when the connection is over."""
        tasks = [
            asyncio.create_task(self._conclude(sending)),
            asyncio.create_task(self._conclude(self._listen(on_text))),
        ]
        ending = GONE
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            ending = next(task for task in tasks if task in done).result()
        except asyncio.CancelledError:
            if not self._connections.closing:
                raise
            ending = RESTARTING
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._close(ending)
        return self.response

    async def _listen(self, on_text: OnText | None) -> Ending:
        settings, outlet = self._settings, self._outlet
        assert outlet is not None  # open() came first
        loop = asyncio.get_running_loop()
        heard = loop.time()
        while True:
            try:
                message = await self.response.receive(settings.heartbeat)
            except TimeoutError:
                if loop.time() - heard > settings.stale_timeout:
                    return TOO_SLOW
                await outlet.write(frames.frame(b"", frames.PING))
                continue
            heard = loop.time()
            if message.type is WSMsgType.PING:
                await outlet.write(frames.frame(bytes(message.data), frames.PONG))
            elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                if on_text is not None:
                    await on_text(message.data)
            elif message.type is not WSMsgType.PONG:
                return GONE  # closed by the client, or by what it sent

    async def _conclude(self, work: Coroutine[Any, Any, Ending]) -> Ending:
        try:
            return await work
        except SlowClient:
            return TOO_SLOW
        except ConnectionError:
            return GONE
        except (UnknownExecution, UnknownGraph, NotFound) as error:
            return Ending(4404, error.message, hurry=False)
        except ClientError as error:
            return Ending(4400, error.message, hurry=False)
        except WorldError:
            return RESTARTING  # the log went away before the end was said
        except Exception as error:
            return Ending(1011, describe(error)["message"])

    async def _close(self, ending: Ending) -> None:
        transport = self._request.transport
        if transport is None:
            return
        if ending is GONE:
            # a close frame may be on its way out; it gets the time any write gets
            if not transport.is_closing():
                transport.close()
            loop = asyncio.get_running_loop()
            loop.call_later(self._settings.close_timeout, transport.abort)
            return
        settings = self._settings
        try:
            async with asyncio.timeout(
                settings.close_timeout if ending.hurry else settings.write_timeout
            ):
                # draining could wait for ever; what is waited for is the client's own close frame
                await self.response.close(
                    code=ending.code, message=_reason(ending.reason), drain=False
                )
        except TimeoutError:
            pass  # it does not read, so it is not told
        finally:
            transport.abort()


def _reason(text: str) -> bytes:
    """At most 123 bytes of UTF-8, which is what a close frame holds."""
    return text.encode("utf-8", "replace")[:123].decode("utf-8", "ignore").encode()

"""Follows an execution on a server over SSE, through cut connections and restarts, losing nothing.

The cursor of the last event that was handed on is where every connection goes on, so an event is shown
once and none is left out. Waiting doubles from 0.1 to 5 seconds with jitter, and ends when nothing at all
came for as long as was allowed. Must not know how events are shown.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import orjson

from rxstream.adapters.cli.failure import FAILED, USAGE, Failure
from rxstream.adapters.llm.sse import SSEDecoder
from rxstream.events import StreamEvent

PATIENCE: Final = 60.0
"""Seconds without any event or answer after which a lost server is given up."""

_FIRST_WAIT: Final = 0.1
_LONGEST_WAIT: Final = 5.0

_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=30)
"""A server says something every ten seconds at least, so thirty of silence are a dead connection."""

_LOST: Final = (aiohttp.ClientError, OSError, TimeoutError)


class Follower:
    """One execution on one server, from a cursor on."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        execution_id: str,
        after: str | None = None,
        *,
        tell: Callable[[str], None],
        patience: float = PATIENCE,
    ) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._id = execution_id
        self._tell = tell
        self._patience = patience
        self._connected_once = False
        self._heard = time.monotonic()
        self._waits = 0
        self.cursor = after
        """Where the next connection goes on."""

    async def batches(self) -> AsyncGenerator[list[StreamEvent]]:
        """Events as they come; ends after the terminal event, or when there is nothing to read.

        Raises `Failure` when the server refuses, or stays away for too long.
        """
        while True:
            try:
                async with aclosing(self._connection()) as connection:
                    async for events in connection:
                        self.cursor = events[-1].cursor
                        yield events
                        if events[-1].terminal:
                            return
            except _LOST as error:
                await self._wait_after(error)
            else:
                if self._all_read:
                    return
                await self._wait_after(None)

    async def record(self) -> dict[str, Any]:
        """What the server knows of the execution. Raises `Failure`."""
        address = f"{self._url}/api/executions/{quote(self._id, safe='')}"
        try:
            async with self._session.get(address, timeout=_TIMEOUT) as response:
                if response.status != 200:
                    raise await self._refused(response)
                return dict(orjson.loads(await response.read()))
        except _LOST as error:
            raise self._unreachable(error) from error

    async def _connection(self) -> AsyncGenerator[list[StreamEvent]]:
        self._all_read = False
        address = f"{self._url}/stream/pipeline/{quote(self._id, safe='')}"
        headers = {"Accept": "text/event-stream"}
        query = {}
        if self.cursor is not None and not self._connected_once:
            query["after"] = self.cursor
        elif self.cursor is not None:
            headers["Last-Event-ID"] = self.cursor
        async with self._session.get(
            address, params=query, headers=headers, timeout=_TIMEOUT
        ) as response:
            if response.status == 204:
                self._all_read = True
                return
            if response.status != 200:
                if response.status >= 500 and self._connected_once:
                    # it is restarting, or something between is
                    raise aiohttp.ClientPayloadError(f"the server answers {response.status}")
                raise await self._refused(response)
            if response.content_type != "text/event-stream":
                raise Failure(
                    f"{self._url} is not a rxstream server: it answers {response.content_type}",
                    FAILED,
                )
            self._connected_once = True
            decoder = SSEDecoder()
            async for chunk in response.content.iter_any():
                self._hear()
                events = [StreamEvent.parse(told.data) for told in decoder.feed(chunk)]
                if events:
                    self._waits = 0
                    yield events

    def _hear(self) -> None:
        self._heard = time.monotonic()

    async def _wait_after(self, error: BaseException | None) -> None:
        if not self._connected_once:
            raise self._unreachable(error)
        left = self._heard + self._patience - time.monotonic()
        if left <= 0:
            raise Failure(
                f"lost the server at {self._url} and it did not come back in {self._patience:.0f} s: "
                f"go on later with rxstream watch {self._id} --after {self.cursor} --url {self._url}",
                FAILED,
            )
        wait = min(_FIRST_WAIT * 2**self._waits, _LONGEST_WAIT)
        if self._waits == 0:
            self._tell(f"lost the connection to {self._url}, reconnecting")
        self._waits = min(self._waits + 1, 16)
        # jitter, so that a thousand watchers do not come back in the same instant
        await asyncio.sleep(min(wait * random.uniform(0.5, 1.0), left))

    def _unreachable(self, error: BaseException | None) -> Failure:
        reason = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
        if isinstance(error, aiohttp.ClientConnectorError):
            number = error.os_error.errno
            reason = f" ({os.strerror(number)})" if number and number > 0 else reason
        return Failure(
            f"no server answers at {self._url}{reason}: start one with rxstream serve, "
            "or say where it is with --url",
            FAILED,
        )

    async def _refused(self, response: aiohttp.ClientResponse) -> Failure:
        code, message = "", f"the server at {self._url} answers {response.status}"
        try:
            error = orjson.loads(await response.content.read(64 * 1024))["error"]
            code, message = str(error["code"]), str(error["message"])
        except (ValueError, KeyError, TypeError):
            pass  # not a rxstream server, or something before it
        if code == "unknown_execution":
            message += f" at {self._url}: rxstream watch takes an execution's id"
        return Failure(message, USAGE if code == "invalid_cursor" else FAILED)

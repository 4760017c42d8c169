"""Follows an execution on a server over SSE, through cut connections and restarts, losing nothing.

The cursor of the last event that was handed on is where every connection goes on, so an event is shown
once and none is left out. Waiting doubles from 0.1 to 5 seconds with jitter, and ends when nothing at all
came for as long as was allowed. Must not know how events are shown.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

import aiohttp

from rxstream.adapters.cli.failure import FAILED, Failure
from rxstream.adapters.cli.served import LOST, TIMEOUT, Served
from rxstream.adapters.llm.sse import SSEDecoder
from rxstream.events import StreamEvent

PATIENCE: Final = 60.0
"""Seconds without any event or answer after which a lost server is given up."""

_FIRST_WAIT: Final = 0.1
_LONGEST_WAIT: Final = 5.0


class Follower:
    """One execution on one server, from a cursor on."""

    def __init__(
        self,
        served: Served,
        after: str | None = None,
        *,
        tell: Callable[[str], None],
        patience: float = PATIENCE,
    ) -> None:
        self._served = served
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
            except LOST as error:
                await self._wait_after(error)
            else:
                if self._all_read:
                    return
                await self._wait_after(None)

    async def _connection(self) -> AsyncGenerator[list[StreamEvent]]:
        self._all_read = False
        served = self._served
        address = f"{served.url}/stream/pipeline/{served.quoted_id}"
        headers = {"Accept": "text/event-stream"}
        query = {}
        if self.cursor is not None and not self._connected_once:
            query["after"] = self.cursor
        elif self.cursor is not None:
            headers["Last-Event-ID"] = self.cursor
        async with served.session.get(
            address, params=query, headers=headers, timeout=TIMEOUT
        ) as response:
            if response.status == 204:
                self._all_read = True
                return
            if response.status != 200:
                if response.status >= 500 and self._connected_once:
                    # it is restarting, or something between is
                    raise aiohttp.ClientPayloadError(f"the server answers {response.status}")
                raise await self._served.refused(response)
            if response.content_type != "text/event-stream":
                raise Failure(
                    f"{self._served.url} is not a rxstream server: it answers {response.content_type}",
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
            raise self._served.unreachable(error)
        left = self._heard + self._patience - time.monotonic()
        if left <= 0:
            served = self._served
            again = f"rxstream watch {served.execution_id} --after {self.cursor} --url {served.url}"
            raise Failure(
                f"lost the server at {served.url} and it did not come back in {self._patience:.0f} s: "
                f"go on later with {again}",
                FAILED,
            )
        wait = min(_FIRST_WAIT * 2**self._waits, _LONGEST_WAIT)
        if self._waits == 0:
            self._tell(f"lost the connection to {self._served.url}, reconnecting")
        self._waits = min(self._waits + 1, 16)
        # jitter, so that a thousand watchers do not come back in the same instant
        await asyncio.sleep(min(wait * random.uniform(0.5, 1.0), left))

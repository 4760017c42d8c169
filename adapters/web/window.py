"""How much of a stream a client is given before it says that it has taken it in.

A browser reads a WebSocket as fast as the network brings it, whatever the page does with it; a client that
names a window paces the server by its own work. Without one nothing here waits. Knows no socket.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

from rxstream.adapters.web import frames
from rxstream.errors import BadRequest
from rxstream.events import StreamEvent

MOST: Final = 100_000
"""Events a window may have."""


class Window:
    """The events of one stream that were given and are not acknowledged yet."""

    def __init__(self, size: int | None) -> None:
        self._size = size
        self._given: deque[bytes] = deque()
        self._room = asyncio.Event()

    async def room(self) -> int | None:
        """Wait until something may be given; how many events, None without a window."""
        if self._size is None:
            return None
        while len(self._given) >= self._size:
            self._room.clear()
            await self._room.wait()
        return self._size - len(self._given)

    def give(self, events: Sequence[StreamEvent]) -> None:
        """These are given."""
        if self._size is not None:
            self._given.extend(map(frames.cursor, events))

    def acknowledge(self, cursor: str) -> None:
        """The client has taken in everything up to a cursor. Raises `BadRequest` for one it was not given."""
        if self._size is None:
            raise BadRequest("the stream has no window: say so when it is subscribed")
        wanted = cursor.encode(errors="replace")
        if wanted not in self._given:
            raise BadRequest(f"cursor {cursor[:80]!r} is of no event that waits to be acknowledged")
        while self._given.popleft() != wanted:
            pass
        self._room.set()

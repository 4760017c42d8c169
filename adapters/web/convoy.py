"""WebSockets that have caught up with one execution travel together: one of them reads, for all.

What is new is then read and joined into a write once, and handed to every transport without waking a task a
client. Whoever is there first leads, in its own task, so nothing runs that no connection owns. A client that
does not take what it is given, or is behind, falls out and reads for itself until it has caught up; when the
leader goes, all do. Only what fits one write is shared, so nobody is given more than that before it is looked
whether it keeps up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from rxstream.adapters.web import frames
from rxstream.adapters.web.outlet import Outlet, pages
from rxstream.adapters.web.settings import Settings
from rxstream.events import EventType, StreamEvent
from rxstream.log import EventLog, Position, Reader

_TURN: Final = 128
"""Clients written to before the event loop gets its turn."""


class _Passenger:
    """One client of a convoy, and how far it has come."""

    def __init__(self, outlet: Outlet, reader: Reader) -> None:
        self.outlet = outlet
        self.reader = reader
        self.out: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when it is on its own again."""

    def leave(self) -> None:
        """Go on by itself."""
        if not self.out.done():
            self.out.set_result(None)

    def give(self, events: Sequence[StreamEvent], data: bytes) -> None:
        """Write the next events, which are joined in `data`."""
        if self.out.done():
            return
        if not self.outlet.put(data):
            self.leave()
            return
        self.reader.passed(events)
        if self.reader.ended or self.outlet.full:
            self.leave()


class _Convoy:
    """Clients that have all come as far as one reader."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.passengers: dict[_Passenger, None] = {}

    async def hand_out(self, events: Sequence[StreamEvent], limit: int) -> bool:
        """Give all of them the same write; False where it cannot be the same."""
        data = b"".join(frames.joined(events, frames.websocket, limit))
        if len(data) > limit or events[0].event_type == EventType.GAP:
            return False  # each sees to it itself
        for number, passenger in enumerate(tuple(self.passengers), 1):
            passenger.give(events, data)
            if number % _TURN == 0:
                await asyncio.sleep(0)
        return True


class Convoys:
    """The convoys of all executions on one log."""

    def __init__(self, log: EventLog, settings: Settings) -> None:
        self._log = log
        self._limit = settings.write_bytes
        # half a write, because events differ in size
        self._settings = replace(settings, page_bytes=settings.write_bytes // 2)
        self._convoys: dict[str, _Convoy] = {}

    async def travel(self, outlet: Outlet, reader: Reader) -> None:
        """Write to a client that has caught up, until it has to go on by itself; moves its reader.

        At once if the others are elsewhere by now. Raises `LogError` as the reader does, where it leads.
        """
        passenger = _Passenger(outlet, reader)
        convoy = self._convoys.get(reader.execution_id)
        if convoy is None:
            await self._lead(passenger)
        elif reader.after == convoy.reader.after:
            convoy.passengers[passenger] = None
            try:
                await passenger.out
            finally:
                convoy.passengers.pop(passenger, None)

    async def _lead(self, leader: _Passenger) -> None:
        execution_id = leader.reader.execution_id
        # a reader for all: the leader's own stays behind when its client does
        reader = Reader(self._log, execution_id, Position(leader.reader.after, None))
        convoy = self._convoys[execution_id] = _Convoy(reader)
        convoy.passengers[leader] = None
        try:
            async with aclosing(pages(reader, self._settings)) as ahead:
                async for events in ahead:
                    if not await convoy.hand_out(events, self._limit) or leader.out.done():
                        return
        finally:
            del self._convoys[execution_id]
            for passenger in convoy.passengers:
                passenger.leave()

"""One execution over one WebSocket: every event is a text message, the close code is the ending.

The client may cancel it, answer what it asks and tell it something (see `protocol`). What it is answered has
a `type`, which no event has, so who says nothing reads only events. The upgrade is accepted before the
execution and the cursor are looked at: a browser sees a close code, but not a refused upgrade's status.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from aiohttp import web

from rxstream.adapters.web import frames, protocol, replaying
from rxstream.adapters.web.commands import listening
from rxstream.adapters.web.connections import Connections
from rxstream.adapters.web.convoy import Convoys
from rxstream.adapters.web.orders import Orders
from rxstream.adapters.web.outlet import Outlet, pages
from rxstream.adapters.web.settings import Settings
from rxstream.adapters.web.socket import ENDED, Ending, Socket
from rxstream.errors import BadRequest
from rxstream.log import Reader
from rxstream.replay import Replay

if TYPE_CHECKING:
    from rxstream.engine import Engine


class PipelineSocket:
    """Handler of `/ws/pipeline/{id}`."""

    def __init__(self, engine: Engine, settings: Settings, connections: Connections) -> None:
        self._engine = engine
        self._settings = settings
        self._connections = connections
        self._convoys = Convoys(engine.log, settings)

    async def connect(self, request: web.Request) -> web.WebSocketResponse:
        """Every event after the cursor, to the terminal one, then 1000."""
        with self._connections.enter():
            socket = Socket(request, self._settings, self._connections)
            outlet = await socket.open()
            sending = self._send(outlet, request)
            return await socket.serve(sending, self._orders(outlet, request.match_info["id"]).take)

    def _orders(self, outlet: Outlet, execution_id: str) -> Orders:
        async def do(command: protocol.Command) -> None:
            if isinstance(command, protocol.Ping):
                return await orders.tell("pong", command.stream_id)
            named = getattr(command, "execution_id", None)
            if command.stream_id != execution_id or named not in (None, execution_id):
                raise BadRequest("this socket follows one execution: for others there is /ws")
            await orders.about(command, execution_id)

        orders = Orders(self._engine, outlet, do, implied=execution_id)
        return orders

    async def _send(self, outlet: Outlet, request: web.Request) -> Ending:
        execution_id, after = request.match_info["id"], request.query.get("after")
        replay = replaying.asked(request, self._engine.log, after)
        if replay is not None:
            return await self._send_again(outlet, replay)
        reader = await self._engine.log.follow(execution_id, after)
        with listening(self._engine, execution_id):
            while not reader.ended:
                await self._catch_up(outlet, reader)
                if not reader.ended:
                    await self._convoys.travel(outlet, reader)
                    await outlet.drain()
        return ENDED

    async def _send_again(self, outlet: Outlet, replay: Replay) -> Ending:
        with listening(self._engine, replay.execution_id):
            async with aclosing(pages(replay, self._settings)) as told:
                async for page in told:
                    for data in frames.joined(page, frames.websocket, self._settings.write_bytes):
                        await outlet.write(data)
        return ENDED

    async def _catch_up(self, outlet: Outlet, reader: Reader) -> None:
        async with aclosing(pages(reader, self._settings, 0.0)) as behind:
            async for page in behind:
                if not page:
                    return
                for data in frames.joined(page, frames.websocket, self._settings.write_bytes):
                    await outlet.write(data)

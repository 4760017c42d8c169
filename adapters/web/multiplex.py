"""Many executions over one WebSocket, in the protocol `protocol` describes.

Every subscription is a reader of the log with a page of its own; they take turns at the one outlet, a
write each, so a busy stream cannot starve a quiet one and nothing is queued between. What goes wrong
with one stream is told on that stream; only a slow client, or a log that went away, ends the connection.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import web

from rxstream.adapters.web import commands, frames, protocol
from rxstream.adapters.web.connections import Connections
from rxstream.adapters.web.orders import Orders
from rxstream.adapters.web.outlet import Outlet, SlowClient, pages
from rxstream.adapters.web.settings import Settings
from rxstream.adapters.web.socket import Ending, Socket
from rxstream.adapters.web.window import Window
from rxstream.errors import BadRequest, ClientError, LogError, Overloaded
from rxstream.log import Reader
from rxstream.replay import Replay

if TYPE_CHECKING:
    from rxstream.engine import Engine


class MultiplexSocket:
    """Handler of `/ws`."""

    def __init__(self, engine: Engine, settings: Settings, connections: Connections) -> None:
        self._engine = engine
        self._settings = settings
        self._connections = connections

    async def connect(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one client until it leaves."""
        with self._connections.enter():
            socket = Socket(request, self._settings, self._connections)
            outlet = await socket.open()
            session = _Session(self._engine, self._settings, self._connections, outlet)
            return await socket.serve(session.run(), session.orders.take)


class _Stream(NamedTuple):
    """One of them."""

    wanted: protocol.Subscribe
    task: asyncio.Task[None]
    window: Window


class _Session:
    """The streams one client follows."""

    def __init__(
        self, engine: Engine, settings: Settings, connections: Connections, outlet: Outlet
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._connections = connections
        self._outlet = outlet
        self.orders = Orders(engine, outlet, self._do)
        self._streams: dict[str, _Stream] = {}
        self._failed: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()

    async def run(self) -> Ending:
        """Hold the subscriptions; raises what makes the whole connection end."""
        try:
            return await self._failed
        finally:
            tasks = [stream.task for stream in self._streams.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _do(self, command: protocol.Command) -> None:
        if isinstance(command, protocol.Subscribe):
            await self._subscribe(command)
        elif isinstance(command, protocol.Unsubscribe):
            await self._unsubscribe(command.stream_id)
        elif isinstance(command, protocol.Start):
            await self._start(command)
        elif isinstance(command, protocol.Ack):
            if command.stream_id in self._streams:  # else it ended meanwhile
                self._streams[command.stream_id].window.acknowledge(command.cursor)
        elif isinstance(command, protocol.Ping):
            await self.orders.tell("pong", command.stream_id)
        else:
            await self.orders.about(command, self._execution_of(command))

    async def _subscribe(self, wanted: protocol.Subscribe) -> None:
        present = self._streams.get(wanted.stream_id)
        if present is not None:
            # asking again for what is followed from its beginning already changes nothing
            if replace(present.wanted, after=None) == wanted and present.wanted.after is None:
                told = {"execution_id": wanted.execution_id, "cursor": None}
                await self.orders.tell("subscribed", wanted.stream_id, told)
                return
            raise BadRequest(
                f"the stream {wanted.stream_id[:80]!r} is followed already: unsubscribe it first, "
                "or choose another stream_id",
                code="already_subscribed",
            )
        limit = self._settings.max_subscriptions
        if len(self._streams) >= limit:
            raise Overloaded(f"{limit} streams are followed, which is the limit of a connection")
        log, pace = self._engine.log, wanted.replay
        live = await log.follow(wanted.execution_id, wanted.after)
        told = {"execution_id": wanted.execution_id, "cursor": live.cursor}
        reader: Reader | Replay = live
        if pace is not None:
            reader = Replay(
                log,
                wanted.execution_id,
                speed=pace.speed,
                max_pause_s=pace.max_pause_s,
                after=wanted.after,
            )
        await self.orders.tell("subscribed", wanted.stream_id, told)
        window = Window(wanted.window)
        task = asyncio.create_task(self._follow(wanted, reader, window))
        self._streams[wanted.stream_id] = _Stream(wanted, task, window)

    async def _unsubscribe(self, stream_id: str) -> None:
        present = self._streams.pop(stream_id, None)
        if present is None:
            raise BadRequest(
                f"the stream {stream_id[:80]!r} is not followed", code="unknown_stream"
            )
        present.task.cancel()
        await asyncio.wait([present.task])
        await self.orders.tell("unsubscribed", stream_id)

    async def _start(self, command: protocol.Start) -> None:
        if command.subscribe and command.stream_id in self._streams:
            raise BadRequest(
                f"the stream {command.stream_id!r} is followed already: choose another stream_id",
                code="already_subscribed",
            )
        work = commands.start(self._engine, command.fields)
        execution = await self._connections.finish(work)
        stream_id = command.stream_id or execution.id
        told = {"execution_id": execution.id, "status": execution.status}
        await self.orders.tell("started", stream_id, told)
        if command.subscribe:
            await self._subscribe(
                protocol.Subscribe(stream_id, execution.id, command.after, command.filter)
            )

    def _execution_of(self, command: protocol.Cancel | protocol.Answer) -> str:
        if command.execution_id is not None:
            return command.execution_id
        stream_id = command.stream_id
        assert stream_id is not None  # the protocol refuses a message with neither
        present = self._streams.get(stream_id)
        return stream_id if present is None else present.wanted.execution_id

    async def _follow(
        self, wanted: protocol.Subscribe, reader: Reader | Replay, window: Window
    ) -> None:
        try:
            with commands.listening(self._engine, wanted.execution_id):
                last = await self._send(wanted, reader, window)
            record = await self._engine.record(wanted.execution_id)
            self._streams.pop(wanted.stream_id, None)
            told = {
                "execution_id": wanted.execution_id,
                "status": record.status,
                "cursor": last,
            }
            await self.orders.tell("stream_complete", wanted.stream_id, told)
        except (SlowClient, ConnectionError, LogError) as error:
            self._fail(error)
        except ClientError as error:  # such as an execution that was pruned meanwhile
            self._streams.pop(wanted.stream_id, None)
            try:
                await self.orders.refuse(error, wanted.stream_id)
            except (SlowClient, ConnectionError) as broken:
                self._fail(broken)
        except Exception as error:
            self._fail(error)

    async def _send(
        self, wanted: protocol.Subscribe, reader: Reader | Replay, window: Window
    ) -> str | None:
        """Everything to the end; the cursor of what was read last."""
        encode = frames.update(wanted.stream_id)
        everything = wanted.filter == protocol.ALL
        cursor = reader.cursor if isinstance(reader, Reader) else None
        async for page in pages(reader, self._settings):
            cursor = frames.cursor(page[-1]).decode() if page else cursor
            events = page if everything else [e for e in page if wanted.filter.passes(e)]
            if not events:
                await asyncio.sleep(0)  # a filter that passes nothing must not hold the loop
            while events:
                room = await window.room()
                now, events = events[:room], [] if room is None else events[room:]
                window.give(now)
                for data in frames.joined(now, encode, self._settings.write_bytes):
                    await self._outlet.write(data)
        return cursor

    def _fail(self, error: Exception) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)

"""Many executions over one WebSocket, in the protocol `protocol` describes.

Every subscription is a reader of the log with a page of its own; they take turns at the one outlet, a
write each, so a busy stream cannot starve a quiet one and nothing is queued between. What goes wrong
with one stream is told on that stream; only a slow client, or a log that went away, ends the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from aiohttp import web

from rxstream.adapters.web import commands, frames, protocol
from rxstream.adapters.web.connections import Connections
from rxstream.adapters.web.errors import describe
from rxstream.adapters.web.outlet import Outlet, SlowClient, pages
from rxstream.adapters.web.settings import Settings
from rxstream.adapters.web.socket import Ending, Socket
from rxstream.errors import BadRequest, ClientError, LogError, Overloaded
from rxstream.log import Reader

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
            return await socket.serve(session.run(), session.take)


class _Session:
    """The streams one client follows."""

    def __init__(
        self, engine: Engine, settings: Settings, connections: Connections, outlet: Outlet
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._connections = connections
        self._outlet = outlet
        self._streams: dict[str, tuple[protocol.Subscribe, asyncio.Task[None]]] = {}
        self._failed: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()

    async def run(self) -> Ending:
        """Hold the subscriptions; raises what makes the whole connection end."""
        try:
            return await self._failed
        finally:
            tasks = [task for _, task in self._streams.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def take(self, message: str | bytes) -> None:
        """Do what one message says. What the client got wrong is answered, not raised."""
        stream_id: str | None = None
        try:
            command = protocol.parse(message)
            stream_id = command.stream_id
            await self._do(command)
        except protocol.Refused as refused:
            await self._refuse(refused.error, refused.stream_id)
        except (SlowClient, ConnectionError):
            raise
        except Exception as error:
            if isinstance(error, LogError) and not self._engine.log.is_open:
                raise
            await self._refuse(error, stream_id)

    async def _do(self, command: protocol.Command) -> None:
        if isinstance(command, protocol.Subscribe):
            await self._subscribe(command)
        elif isinstance(command, protocol.Unsubscribe):
            await self._unsubscribe(command.stream_id)
        elif isinstance(command, protocol.Start):
            await self._start(command)
        elif isinstance(command, protocol.Cancel):
            execution_id = self._execution_of(command)
            status = await commands.act(self._engine, execution_id, "cancel", command.reason)
            told = {"execution_id": execution_id, "status": status}
            await self._tell("cancelling", command.stream_id or execution_id, told)
        elif isinstance(command, protocol.Answer):
            execution_id = self._execution_of(command)
            request_id, value = command.request_id, command.value
            if request_id is None:
                status = await commands.send(self._engine, execution_id, value, command.to)
            else:
                status = await commands.answer(self._engine, execution_id, request_id, value)
            told = {"execution_id": execution_id, "status": status}
            await self._tell("answered", command.stream_id or execution_id, told)
        else:
            await self._tell("pong", command.stream_id)

    async def _subscribe(self, wanted: protocol.Subscribe) -> None:
        present = self._streams.get(wanted.stream_id)
        if present is not None:
            # asking again for what is followed from its beginning already changes nothing
            if replace(present[0], after=None) == wanted and present[0].after is None:
                told = {"execution_id": wanted.execution_id, "cursor": None}
                await self._tell("subscribed", wanted.stream_id, told)
                return
            raise BadRequest(
                f"the stream {wanted.stream_id[:80]!r} is followed already: unsubscribe it first, "
                "or choose another stream_id",
                code="already_subscribed",
            )
        limit = self._settings.max_subscriptions
        if len(self._streams) >= limit:
            raise Overloaded(f"{limit} streams are followed, which is the limit of a connection")
        reader = await self._engine.log.follow(wanted.execution_id, wanted.after)
        told = {"execution_id": wanted.execution_id, "cursor": reader.cursor}
        await self._tell("subscribed", wanted.stream_id, told)
        task = asyncio.create_task(self._follow(wanted, reader))
        self._streams[wanted.stream_id] = wanted, task

    async def _unsubscribe(self, stream_id: str) -> None:
        present = self._streams.pop(stream_id, None)
        if present is None:
            raise BadRequest(
                f"the stream {stream_id[:80]!r} is not followed", code="unknown_stream"
            )
        _, task = present
        task.cancel()
        await asyncio.wait([task])
        await self._tell("unsubscribed", stream_id)

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
        await self._tell("started", stream_id, told)
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
        return stream_id if present is None else present[0].execution_id

    async def _follow(self, wanted: protocol.Subscribe, reader: Reader) -> None:
        try:
            with commands.listening(self._engine, wanted.execution_id):
                await self._send(wanted, reader)
            record = await self._engine.record(wanted.execution_id)
            self._streams.pop(wanted.stream_id, None)
            told = {
                "execution_id": wanted.execution_id,
                "status": record.status,
                "cursor": reader.cursor,
            }
            await self._tell("stream_complete", wanted.stream_id, told)
        except (SlowClient, ConnectionError, LogError) as error:
            self._fail(error)
        except ClientError as error:  # such as an execution that was pruned meanwhile
            self._streams.pop(wanted.stream_id, None)
            try:
                await self._refuse(error, wanted.stream_id)
            except (SlowClient, ConnectionError) as broken:
                self._fail(broken)
        except Exception as error:
            self._fail(error)

    async def _send(self, wanted: protocol.Subscribe, reader: Reader) -> None:
        encode = frames.update(wanted.stream_id)
        everything = wanted.filter == protocol.ALL
        async for page in pages(reader, self._settings):
            events = page if everything else [e for e in page if wanted.filter.passes(e)]
            for data in frames.joined(events, encode, self._settings.write_bytes):
                await self._outlet.write(data)
            if not events:
                await asyncio.sleep(0)  # a filter that passes nothing must not hold the loop

    def _fail(self, error: Exception) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)

    async def _tell(
        self, kind: str, stream_id: str | None, data: Mapping[str, object] | None = None
    ) -> None:
        await self._outlet.write(frames.frame(protocol.reply(kind, stream_id, data)))

    async def _refuse(self, error: Exception, stream_id: str | None) -> None:
        await self._outlet.write(frames.frame(protocol.refusal(describe(error), stream_id)))

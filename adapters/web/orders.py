"""What a client says on a WebSocket: read, done, and answered. Shared by both sockets.

What the client got wrong is answered and not raised; what ends the connection is raised. A socket says with
`do` which messages it has more of than the ones about an execution, which are the same everywhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from rxstream.adapters.web import commands, frames, protocol
from rxstream.adapters.web.errors import describe
from rxstream.adapters.web.outlet import Outlet, SlowClient
from rxstream.errors import BadRequest, LogError

if TYPE_CHECKING:
    from rxstream.engine import Engine

Do = Callable[[protocol.Command], Awaitable[None]]


class Orders:
    """One client's messages, in their order."""

    def __init__(
        self, engine: Engine, outlet: Outlet, do: Do, *, implied: str | None = None
    ) -> None:
        self._engine = engine
        self._outlet = outlet
        self._do = do
        self._implied = implied

    async def take(self, message: str | bytes) -> None:
        """Do what one message says. Raises `SlowClient`, `ConnectionError`, `LogError` of a closed log."""
        stream_id: str | None = self._implied
        try:
            command = protocol.parse(message, self._implied)
            stream_id = command.stream_id
            await self._do(command)
        except protocol.Refused as refused:
            await self.refuse(refused.error, refused.stream_id or self._implied)
        except (SlowClient, ConnectionError):
            raise
        except Exception as error:
            if isinstance(error, LogError) and not self._engine.log.is_open:
                raise
            await self.refuse(error, stream_id)

    async def about(self, command: protocol.Command, execution_id: str) -> None:
        """Do what is said about an execution: cancel it, answer or tell it something."""
        stream_id = command.stream_id or execution_id
        if isinstance(command, protocol.Cancel):
            status = await commands.act(self._engine, execution_id, "cancel", command.reason)
            kind = "cancelling"
        elif isinstance(command, protocol.Answer):
            kind, value = "answered", command.value
            if command.request_id is None:
                status = await commands.send(self._engine, execution_id, value, command.to)
            else:
                status = await commands.answer(
                    self._engine, execution_id, command.request_id, value
                )
        else:
            raise BadRequest("this socket follows one execution: for others there is /ws")
        await self.tell(kind, stream_id, {"execution_id": execution_id, "status": status})

    async def tell(
        self, kind: str, stream_id: str | None, data: Mapping[str, object] | None = None
    ) -> None:
        """Say something that is no event."""
        await self._outlet.write(frames.frame(protocol.reply(kind, stream_id, data)))

    async def refuse(self, error: Exception, stream_id: str | None) -> None:
        """Say what is wrong."""
        await self._outlet.write(frames.frame(protocol.refusal(describe(error), stream_id)))

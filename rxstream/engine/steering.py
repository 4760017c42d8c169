"""What is sent into a running execution without having been asked for, and who takes it.

A node that listens is given a value that was checked, keeps it as part of its state, and lets it take effect
only when it is recorded: the fact and the state are in one commit, so what was sent takes effect once, also
after a crash. Here a node can also wait until what it stores is stored. Must not know what values mean.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol

import orjson

from rxstream.codec import Encoder
from rxstream.engine.recorder import Recorder
from rxstream.engine.unbroken import unbroken
from rxstream.errors import AlreadyEnded, BadRequest, ClientError, TooLarge
from rxstream.events import EventType
from rxstream.graph.plan import Node

MAX_BYTES: Final = 512 * 1024
"""Of JSON that is sent at once, so that it fits into an event."""


class NobodyListens(ClientError):
    """No node of the execution takes what is sent."""

    code = "nobody_listens"


class Listener(Protocol):
    """A unit that takes what is sent."""

    node: Node

    def accept(self, value: Any) -> Callable[[], None]:
        """Keep plain data as part of the state; what is returned is called once that is recorded.

        Raises a `ClientError` for what it cannot take (any more).
        """
        ...


class Steering:
    """The listeners of one execution."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._listeners: list[Listener] = []
        self._launched = asyncio.Event()
        self._closed = False

    # -- for units -----------------------------------------------------------------------------

    def listen(self, unit: Listener) -> None:
        """Take what is sent from now on."""
        self._listeners.append(unit)

    def leave(self, unit: Listener) -> None:
        """Take nothing more."""
        if unit in self._listeners:
            self._listeners.remove(unit)

    async def stored(self) -> None:
        """Wait until what has changed by now is committed. Raises `LogError`."""
        await self._recorder.stored()

    # -- for the execution ---------------------------------------------------------------------

    @property
    def listening(self) -> list[str]:
        """The nodes that take what is sent now."""
        return [] if self._closed else [unit.node.id for unit in self._listeners]

    def launched(self) -> None:
        """Its nodes are there."""
        self._launched.set()

    def close(self) -> None:
        """It is ending."""
        self._closed = True
        self._launched.set()

    async def send(self, value: Any, to: str | None, by: str | None) -> None:
        """See `Execution.send`."""
        await self._launched.wait()
        if self._closed:
            raise AlreadyEnded("the execution is ending: nothing can be sent to it any more")
        encoded = Encoder().encode(value)
        if len(encoded) > MAX_BYTES:
            raise TooLarge(f"what is sent is {len(encoded)} bytes of JSON: at most {MAX_BYTES} are")
        plain = orjson.loads(encoded)
        unit = self._listener(to)
        recorded = unit.accept(plain)
        said = {"request_id": None, "value": plain, "by": by}
        self._recorder.add(EventType.INPUT_RECEIVED, unit.node.id, said)
        await unbroken(self._reach(recorded))

    async def _reach(self, recorded: Callable[[], None]) -> None:
        await self._recorder.flush()
        recorded()

    def _listener(self, to: str | None) -> Listener:
        found = [each for each in self._listeners if to is None or each.node.id == to]
        if len(found) == 1:
            return found[0]
        known = ", ".join(each.node.id for each in self._listeners)
        if found:
            raise BadRequest(f"several nodes take what is sent: say which with `to`: {known}")
        if to is not None and known:
            raise NobodyListens(f"node {to[:80]!r} takes nothing that is sent: {known} would")
        raise NobodyListens("nothing in this execution takes what is sent (any more)")

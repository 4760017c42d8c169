"""What the code of one node may see and say while it runs; any thread may say it.

Reports of progress are held back to ten a second, the last is always told.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Final, Protocol

from rxstream.engine.asking import Asker
from rxstream.events import Progress
from rxstream.graph.plan import Node

if TYPE_CHECKING:
    from rxstream.engine.runtime import Runtime

_MESSAGE_LIMIT: Final = 2_000
"""Characters of a progress message that are kept."""

_PROGRESS_S: Final = 0.1
"""Least time between two reports of progress of one node, in seconds."""


class NodePort:
    """What the code of one node may see and say (`rxstream.source.Port`)."""

    def __init__(self, runtime: Runtime, node: Node) -> None:
        self._runtime = runtime
        self._node = node
        self._told_at: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._unsaid = False

    @property
    def execution_id(self) -> str:
        return self._runtime.execution_id

    @property
    def node_id(self) -> str:
        return self._node.id

    @property
    def asker(self) -> Asker | None:
        """Who records questions, where somebody does."""
        return self._runtime.asker

    def progress(
        self, percentage: float | None, message: str | None = None, status: str | None = "running"
    ) -> None:
        if percentage is not None:
            percentage = min(100.0, max(0.0, float(percentage)))
        said = Progress(
            percentage,
            None if message is None else str(message)[:_MESSAGE_LIMIT],
            None if status is None else str(status)[:_MESSAGE_LIMIT],
        )
        if threading.get_ident() == self._runtime.thread:
            self._take(said)
        else:  # the node's function may have gone to a thread
            self._runtime.door(lambda: self._take(said))

    def _take(self, said: Progress) -> None:
        runtime = self._runtime
        runtime.counters(self._node).progress = said
        self._unsaid = True
        if self._timer is not None or runtime.ended:
            return
        wait = 0.0 if self._told_at is None else self._told_at + _PROGRESS_S - runtime.now()
        if wait <= 0:
            self.tell()
        elif runtime.loop is not None:
            self._timer = runtime.loop.call_later(wait, self.tell)

    def tell(self) -> None:
        """Report the latest progress now."""
        self.quiet()
        self._unsaid = False
        progress = self._runtime.counters(self._node).progress
        if progress is not None and not self._runtime.deaf:
            self._told_at = self._runtime.now()
            self._runtime.watcher.node_progress(self._node, progress)

    def tell_last(self) -> None:
        """Report what was held back, because nothing follows."""
        if self._unsaid:
            self.tell()

    def quiet(self) -> None:
        """Report nothing by itself any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Seeking(Protocol):
    """A unit that goes on from an offset."""

    node: Node
    runtime: Runtime
    start_offset: Any
    """From where what is opened next goes on."""
    next_offset: Any
    """From where it would go on after the batch that comes next."""


class SeekPort:
    """A node's port for a source or a sink that says from where it would go on."""

    def __init__(self, unit: Seeking) -> None:
        self._at = unit
        self._port = unit.runtime.port(unit.node)

    @property
    def execution_id(self) -> str:
        return self._port.execution_id

    @property
    def node_id(self) -> str:
        return self._port.node_id

    def progress(
        self, percentage: float | None, message: str | None = None, status: str | None = "running"
    ) -> None:
        self._port.progress(percentage, message, status)

    def tally(self, name: str, amount: float) -> None:
        """Count so many more of something of the node's own, as its statistics tell it."""
        self._at.runtime.counters(self._at.node).tally(name, amount)

    @property
    def start(self) -> Any:
        return self._at.start_offset

    def seek_point(self, offset: Any) -> None:
        self._at.next_offset = offset

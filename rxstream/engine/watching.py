"""What a runtime asks of whoever runs it, and gives to the units that start sub-graphs anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rxstream.engine.island import Receiver
from rxstream.engine.statistics import NodeCounters, NodeState
from rxstream.engine.unit import Unit
from rxstream.events import Progress
from rxstream.graph.plan import Node


class Escaped(BaseException):
    """Carries the error of an observer past the graph, which has no part in it, to whoever runs it."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class Watcher(Protocol):
    """Who is told what happens; the execution records it, exploration ignores it."""

    def node_started(self, node: Node, attempt: int) -> None: ...

    def node_ended(self, node: Node, state: NodeState, counters: NodeCounters) -> None: ...

    def node_failed(
        self,
        node: Node,
        error: BaseException,
        attempt: int,
        will_retry: bool,
        handled: str | None = None,
    ) -> None: ...

    def node_progress(self, node: Node, progress: Progress) -> None: ...

    def settled(self, error: BaseException | None) -> None:
        """Every root has ended, or one has failed; called once."""

    def busy(self) -> bool:
        """Whether something outside the graph (a commit under way) will make room."""
        ...


class Attempt(Protocol):
    """A wrapped sub-graph that was started."""

    def dispose(self) -> None:
        """Let go of everything it started."""

    def forget(self) -> None:
        """It is over: nothing of it is to be stored."""


Follows = Callable[[BaseException], bool]
"""Whether another attempt will follow this error of the one under way."""


def nothing_follows(error: BaseException) -> bool:
    """No other attempt, whatever happens."""
    return False


class Regions(Protocol):
    """Wires and starts, anew, the sub-graph a wrapping unit (`retry`) reads."""

    def __call__(
        self,
        wrapper: Unit,
        receiver: Receiver,
        attempt: int = 1,
        follows: Follows = nothing_follows,
    ) -> Attempt: ...

"""What can be seen of a running execution: counters while it runs, frozen copies for whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from rxstream.events import Progress

NodeState = Literal["waiting", "running", "completed", "failed"]


@dataclass(frozen=True)
class NodeStatistics:
    """One node: elements in and out, errors, seconds its code ran, and how far it says it is."""

    node: str
    operator: str
    state: NodeState
    elements_in: int
    elements_out: int
    errors: int
    busy_s: float
    progress: Progress | None


@dataclass(frozen=True)
class EdgeStatistics:
    """One queue: how full it is, what passed, what was dropped, seconds it held its feeder back.

    `spilled_bytes` of what waits are in a file, or about to be.
    """

    edge: str
    policy: str
    depth: int
    capacity: int
    elements: int
    dropped: int
    blocked_s: float
    spilled_bytes: int = 0


@dataclass(frozen=True)
class ExecutionStatistics:
    """One execution; `pending` events wait for their commit."""

    execution_id: str
    graph: str
    status: str
    events: int
    pending: int
    nodes: list[NodeStatistics]
    edges: list[EdgeStatistics]


@dataclass(frozen=True)
class EngineStatistics:
    """All executions of this engine since it was opened."""

    statuses: dict[str, int]
    events: int
    commits: int
    executions: list[ExecutionStatistics] = field(default_factory=list)


class NodeCounters:
    """The counters of one node; changed on the event loop only."""

    __slots__ = (
        "busy_s",
        "elements_in",
        "elements_out",
        "errors",
        "muted",
        "on_end",
        "progress",
        "state",
    )

    def __init__(self) -> None:
        self.elements_in = 0
        self.elements_out = 0
        self.errors = 0
        self.busy_s = 0.0
        self.state: NodeState = "waiting"
        self.progress: Progress | None = None
        self.muted = False
        """Nobody is told of its end, because it is about to be started anew."""
        self.on_end: Callable[[NodeState], None] | None = None

    def ended(self, state: NodeState) -> None:
        """The node has ended, once; a node that is started again may end again.

        Of one that never started nobody is told.
        """
        before = self.state
        if before not in ("completed", "failed"):
            self.state = state
            if before == "running" and self.on_end is not None and not self.muted:
                self.on_end(state)

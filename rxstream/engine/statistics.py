"""What can be seen of a running execution: counters while it runs, frozen copies for whoever asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from rxstream.events import Progress

if TYPE_CHECKING:
    from rxstream.engine.bottleneck import Bottleneck
    from rxstream.engine.subscription import SubscriptionStatistics

NodeState = Literal["waiting", "running", "completed", "failed"]


@dataclass(frozen=True)
class NodeStatistics:
    """One node: elements in and out, errors, seconds its code ran, and how far it says it is.

    `rate` is elements out a second, see `EdgeStatistics`. Of operators that were fused the first has the
    seconds of all. `tallies` is what the node counts of its own by name, as tokens of a model.
    """

    node: str
    operator: str
    state: NodeState
    elements_in: int
    elements_out: int
    errors: int
    busy_s: float
    progress: Progress | None
    rate: float = 0.0
    tallies: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class EdgeStatistics:
    """One queue: how full it is, what passed, what was dropped, seconds it held its feeder back.

    `spilled_bytes` of what waits are in a file, or about to be. `rate` is elements a second since somebody
    looked at least a second ago, since the start if nobody did.
    """

    edge: str
    policy: str
    depth: int
    capacity: int
    elements: int
    dropped: int
    blocked_s: float
    spilled_bytes: int = 0
    rate: float = 0.0


@dataclass(frozen=True)
class ExecutionStatistics:
    """One execution; `pending` events wait for their commit.

    For `log_blocked_s` of the `elapsed_s` it runs, or ran, no more events could wait. `bottleneck` is the
    node that makes others wait, if one does.
    """

    execution_id: str
    graph: str
    status: str
    events: int
    pending: int
    nodes: list[NodeStatistics]
    edges: list[EdgeStatistics]
    elapsed_s: float = 0.0
    log_blocked_s: float = 0.0
    bottleneck: Bottleneck | None = None
    subscriptions: list[SubscriptionStatistics] = field(default_factory=list)

    @property
    def tallies(self) -> dict[str, float]:
        """What its nodes count of their own, all together."""
        found: dict[str, float] = {}
        for node in self.nodes:
            for name, amount in node.tallies.items():
                found[name] = found.get(name, 0) + amount
        return found


@dataclass(frozen=True)
class EngineStatistics:
    """All executions of this engine since it was opened."""

    statuses: dict[str, int]
    events: int
    commits: int
    executions: list[ExecutionStatistics] = field(default_factory=list)
    objectives: dict[str, list[Any]] = field(default_factory=dict)
    """How what they promise stands (`rxstream.pipeline.objectives.ObjectiveStatus`), by graph."""


class NodeCounters:
    """The counters of one node; changed on the event loop only."""

    __slots__ = (
        "begun_at",
        "busy_s",
        "elements_in",
        "elements_out",
        "errors",
        "muted",
        "node_id",
        "on_end",
        "progress",
        "state",
        "tallies",
        "told",
    )

    def __init__(self, node_id: str = "") -> None:
        self.node_id = node_id
        self.begun_at: float | None = None
        """When it started, on the loop's clock."""
        self.elements_in = 0
        self.elements_out = 0
        self.errors = 0
        self.busy_s = 0.0
        self.state: NodeState = "waiting"
        self.progress: Progress | None = None
        self.tallies: dict[str, float] = {}
        """What the node counts of its own, by name."""
        self.told: Mapping[str, Any] = {}
        """What more than its count and duration is told of its end."""
        self.muted = False
        """Nobody is told of its end, because it is about to be started anew."""
        self.on_end: Callable[[NodeState], None] | None = None

    def tally(self, name: str, amount: float) -> None:
        """Count so many more of something of the node's own."""
        self.tallies[name] = self.tallies.get(name, 0) + amount

    def ended(self, state: NodeState) -> None:
        """The node has ended, once; a node that is started again may end again.

        Of one that never started nobody is told.
        """
        before = self.state
        if before not in ("completed", "failed"):
            self.state = state
            if before == "running" and self.on_end is not None and not self.muted:
                self.on_end(state)

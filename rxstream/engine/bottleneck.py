"""Which node makes the others wait: read off the time that queues and the log held somebody back.

A full queue alone says little, because the fullness travels against the flow. The search starts at the queue
that was full longest and follows the queues behind its reader, until a reader had room for what it could
have given: that one is slow. The log is a queue like the others. A reader of several inputs that waits for
another of them (`zip`) is not slow itself; then it is whoever feeds that one. Queues with a lossy policy hold
nobody back. Pure: numbers and a plan in, a finding out; it knows no running unit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from rxstream.engine.statistics import EdgeStatistics, NodeStatistics
from rxstream.graph.plan import Node, Plan

LEAST_SHARE: Final = 0.5
"""Of a run's time somebody has to be held back for, or code to run, before it is told."""

LEAST_S: Final = 0.1
"""Seconds of it, at least: what ends sooner has made nobody wait."""

_PASSED_ON: Final = 0.5
"""Share of the time a queue was full that a queue behind its reader explains if it was full as long."""

_TOLD: Final = 3
"""Waiting nodes that are told by name."""

Cause = Literal["slow", "scarce", "busy", "log"]


@dataclass(frozen=True)
class Bottleneck:
    """The node that makes others wait, over the whole run so far.

    `cause` is `slow` (its queue is full), `scarce` (others wait for its elements), `busy` (its code took the
    time) or `log` (commits are slow; there is no node then). `through` is the last of the operators that were
    fused with a busy one, whose times are only known together. `edge` is the queue that was full, of
    `capacity` elements, for `blocked_s` of `elapsed_s`; without an edge these are seconds without room in
    the log, or seconds the code ran. `waiting` are the nodes held back, those nearest to the sources first.
    """

    node: str | None
    where: str
    cause: Cause
    edge: str | None
    capacity: int
    blocked_s: float
    elapsed_s: float
    through: str | None = None
    waiting: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """Of the run's time, from 0 to 1."""
        return min(1.0, self.blocked_s / self.elapsed_s)

    def __str__(self) -> str:
        return f"{self._who()} {self._whom()}: {self._why()} {self._time()}"

    def _who(self) -> str:
        if self.node is None:
            return "the event log makes"
        place = f" (at {self.where})" if self.where else ""
        if self.through is None:
            return f"{self.node!r}{place} makes"
        return f"{self.node!r}{place} to {self.through!r}, fused into one, make"

    def _whom(self) -> str:
        if not self.waiting:
            return "everything wait"
        names = [repr(node) for node in self.waiting[-_TOLD:]]
        more = len(self.waiting) - len(names)
        if more:
            names.insert(0, f"{more} more")
        listed = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
        return f"{listed} wait"

    def _why(self) -> str:
        if self.cause == "log":
            return "there was no room for events"
        if self.edge is None:
            return "its code held the event loop" if self.through is None else "they held the loop"
        reader = reader_of(self.edge)
        if self.cause == "slow" and reader == self.node:
            return f"its queue of {self.capacity} was full"
        scarce = "it gives too few, so " if self.cause == "scarce" else ""
        return f"{scarce}the queue of {self.capacity} before {reader!r} was full"

    def _time(self) -> str:
        return f"{self.share:.0%} of {self.elapsed_s:.1f} s".replace("%", " %")


def find_bottleneck(
    plan: Plan,
    nodes: Sequence[NodeStatistics],
    edges: Sequence[EdgeStatistics],
    log_blocked_s: float,
    elapsed_s: float,
) -> Bottleneck | None:
    """Who made others wait for at least half of the time, if anybody did."""
    least = max(LEAST_S, LEAST_SHARE * elapsed_s)
    longest = max((edge.blocked_s for edge in edges), default=0.0)
    if max(longest, log_blocked_s) >= least:
        found = _Search(plan, nodes, edges, log_blocked_s, elapsed_s).held_back()
        # where several are about as slow, each explains a part and nobody is to blame
        return found if found.blocked_s >= least else None
    busiest = max(nodes, key=lambda node: node.busy_s, default=None)
    if busiest is None or busiest.busy_s < least:
        return None
    return _Search(plan, nodes, edges, log_blocked_s, elapsed_s).busy(busiest)


def reader_of(edge: str) -> str:
    """The node that reads an edge."""
    return edge.partition("->")[2]


def _source_of(edge: EdgeStatistics) -> str:
    return edge.edge.partition("->")[0]


class _Search:
    """One look at one run."""

    def __init__(
        self,
        plan: Plan,
        nodes: Sequence[NodeStatistics],
        edges: Sequence[EdgeStatistics],
        log_blocked_s: float,
        elapsed_s: float,
    ) -> None:
        self._plan = plan
        self._numbers = {node.node: node for node in nodes}
        self._log_blocked_s = log_blocked_s
        self._elapsed_s = elapsed_s
        self._edges = edges
        self._inputs: dict[str, list[EdgeStatistics]] = defaultdict(list)
        for edge in edges:
            self._inputs[reader_of(edge.edge)].append(edge)
        # what gives elements to a node: itself where it is a unit, else what its island begins with
        self._units: dict[str, tuple[str, ...]] = {}
        for node in plan.nodes:
            found = [unit for source in node.inputs for unit in self._units[source]]
            whole = node.id in self._inputs or node.spec.kind == "source"
            self._units[node.id] = (node.id,) if whole else tuple(dict.fromkeys(found))
        self._exits: dict[str, list[EdgeStatistics]] = defaultdict(list)
        for edge in edges:
            for unit in self._units[_source_of(edge)]:
                self._exits[unit].append(edge)
        self._published = [node.id for node in plan.nodes if node.published]

    # -- held back -----------------------------------------------------------------------------

    def held_back(self) -> Bottleneck:
        """Follow the fullness to where it begins."""
        edge = max(self._edges, key=_blocked, default=None)
        if edge is None or edge.blocked_s < self._log_blocked_s * _PASSED_ON:
            return self._log()
        while True:
            enough = edge.blocked_s * _PASSED_ON
            reader = reader_of(edge.edge)
            behind = max(self._exits[reader], key=_blocked, default=None)
            if self._publishes(reader) and self._log_blocked_s >= enough:
                return self._log()
            if behind is None or behind.blocked_s < enough:
                break
            edge = behind
        scarce = self._scarce(edge, reader)
        if scarce is not None:
            waiting = [*self._before(edge), reader]
            return self._of(scarce, "scarce", edge, [node for node in waiting if node != scarce])
        return self._slow(edge, reader)

    def _slow(self, edge: EdgeStatistics, reader: str) -> Bottleneck:
        """The reader, or the operator behind it whose code took most of the time."""
        island = [node.id for node in self._plan.nodes if self._is_stage_of(node, reader)]
        busiest = max(island, key=lambda node: self._numbers[node].busy_s, default=reader)
        if self._numbers[busiest].busy_s < edge.blocked_s * _PASSED_ON:
            return self._of(reader, "slow", edge, self._before(edge))
        return self._of(busiest, "busy", edge, self._before(edge), self._fused(busiest))

    def _is_stage_of(self, node: Node, unit: str) -> bool:
        return node.id != unit and unit in self._units[node.id]

    def _scarce(self, edge: EdgeStatistics, reader: str) -> str | None:
        """Whom a reader of several inputs waits for, where that is why this one is full."""
        starving = min(self._inputs[reader], key=_blocked)
        if starving.blocked_s >= edge.blocked_s * _PASSED_ON:
            return None
        above = self._above(edge)
        found: str | None = None
        while True:
            unit = self._units[_source_of(starving)][0]
            inputs = self._inputs[unit]
            if not inputs:
                # what feeds the full queue too does not give too little
                return unit if unit not in above or found is None else found
            found = unit
            if any(each.depth or each.blocked_s >= edge.blocked_s * _PASSED_ON for each in inputs):
                return found
            starving = min(inputs, key=_blocked)

    def _above(self, edge: EdgeStatistics) -> set[str]:
        """Every unit whose elements come to this queue."""
        found: set[str] = set()
        left = [edge]
        while left:
            for unit in self._units[_source_of(left.pop())]:
                if unit not in found:
                    found.add(unit)
                    left += self._inputs[unit]
        return found

    def _publishes(self, unit: str) -> bool:
        return any(unit in self._units[node] for node in self._published)

    def _log(self) -> Bottleneck:
        waiting: dict[str, None] = {}
        for node in self._published:
            waiting.update(dict.fromkeys(self._chain(node, self._log_blocked_s)))
        return self._found(None, "log", None, self._log_blocked_s, list(waiting))

    # -- who waits -----------------------------------------------------------------------------

    def _before(self, edge: EdgeStatistics) -> list[str]:
        return list(dict.fromkeys(self._chain(_source_of(edge), edge.blocked_s)))

    def _chain(self, node: str, blocked_s: float) -> Iterator[str]:
        """The nodes that give to this one and are held back, and it; sources first."""
        seen: set[str] = set()
        left = [(node, False)]
        while left:
            each, whole = left.pop()
            if whole:
                # a policy that is its reader's own queue waits for nothing itself
                if self._plan.by_id[each].spec.buffer is None or each in self._inputs:
                    yield each
            elif each not in seen:
                seen.add(each)
                left.append((each, True))
                sources: Sequence[str] = self._plan.by_id[each].inputs
                if each in self._inputs:
                    full = [e for e in self._inputs[each] if _holds(e, blocked_s * _PASSED_ON)]
                    sources = [_source_of(e) for e in full]
                left += [(source, False) for source in reversed(sources)]

    # -- busy ----------------------------------------------------------------------------------

    def busy(self, node: NodeStatistics) -> Bottleneck:
        """A node whose code leaves the loop to nobody."""
        through = self._fused(node.node)
        return self._found(node.node, "busy", None, node.busy_s, [], through)

    def _fused(self, first: str) -> str | None:
        """The last of the operators whose time is counted at this one."""
        node, last = first, None
        while len(readers := self._plan.readers[node]) == 1:
            node = readers[0]
            numbers = self._numbers[node]
            if (
                self._plan.by_id[node].spec.kind != "op"
                or numbers.busy_s
                or not numbers.elements_in
            ):
                break
            last = node
        return last

    # -- what is told --------------------------------------------------------------------------

    def _of(
        self,
        node: str,
        cause: Cause,
        edge: EdgeStatistics,
        waiting: list[str],
        through: str | None = None,
    ) -> Bottleneck:
        return self._found(node, cause, edge, edge.blocked_s, waiting, through)

    def _found(
        self,
        node: str | None,
        cause: Cause,
        edge: EdgeStatistics | None,
        blocked_s: float,
        waiting: list[str],
        through: str | None = None,
    ) -> Bottleneck:
        return Bottleneck(
            node,
            self._plan.by_id[node].where if node is not None else "",
            cause,
            edge.edge if edge is not None else None,
            edge.capacity if edge is not None else 0,
            blocked_s,
            self._elapsed_s,
            through,
            tuple(waiting),
        )


def _blocked(edge: EdgeStatistics) -> float:
    return edge.blocked_s


def _holds(edge: EdgeStatistics, seconds: float) -> bool:
    """Whether it holds its feeder back; of two that are full, only one may have been counted."""
    full = edge.policy == "block" and edge.depth >= edge.capacity
    return full or edge.blocked_s >= seconds

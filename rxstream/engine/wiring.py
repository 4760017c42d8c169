"""Makes a plan run: nodes become stages, units and edges, readers before what they read.

Single-input synchronous operators become stages of an island; everything else becomes a unit with a queue
for each input. Neighbouring reactivex operators share one unit. What a wrapping operator (`retry`) reads is
left out and wired by it, anew for each attempt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from rxstream.engine.edge import Edge
from rxstream.engine.foreign import ForeignUnit
from rxstream.engine.fusion import fuse
from rxstream.engine.island import Port, Receiver, Stage
from rxstream.engine.region import Inlet
from rxstream.engine.runtime import Runtime
from rxstream.engine.sinks import SinkUnit
from rxstream.engine.sources import unit_for
from rxstream.engine.unit import Unit
from rxstream.engine.watching import Follows, Watcher, nothing_follows
from rxstream.graph.build import region_of
from rxstream.graph.plan import Node, Plan
from rxstream.operator import Buffer


def launch(
    plan: Plan,
    watcher: Watcher,
    roots: Mapping[str, Sequence[Receiver]],
    execution_id: str = "",
    adopt: Callable[[Runtime], None] = lambda runtime: None,
) -> Runtime:
    """Run a plan, its nodes read by the roots and its own sinks.

    `adopt` is given the runtime before anything starts; it may give it a cut to go on from.
    """
    runtime = Runtime(plan, watcher, execution_id)
    adopt(runtime)

    def region(
        wrapper: Unit, receiver: Receiver, attempt: int = 1, follows: Follows = nothing_follows
    ) -> Region:
        return start_region(runtime, wrapper, receiver, attempt, follows)

    runtime.region = region
    runtime.start(*wire(runtime, None, roots))
    return runtime


def wire(
    runtime: Runtime, members: set[str] | None, roots: Mapping[str, Sequence[Receiver]]
) -> tuple[list[Unit], list[Stage]]:
    """Wire the members (all nodes if None), some of which the `roots` read too; nothing is started.

    Returns the units, and the stages that have ended before their first element.
    """
    plan = runtime.plan
    chosen = {node.id for node in plan.nodes} if members is None else members
    inner: set[str] = set()
    for node in plan.nodes:
        if node.id in chosen and node.spec.wraps:
            inner |= region_of(plan, node)
    receivers: dict[str, list[Receiver]] = defaultdict(list)
    for node_id, readers in roots.items():
        receivers[node_id] += readers
    units: list[Unit] = []
    stages: dict[str, Stage] = {}
    ports: list[tuple[str, Port]] = []
    chained: set[str] = set()
    started: list[Node] = []
    ended: list[Stage] = []
    for node in reversed(plan.nodes):
        if node.id not in chosen or node.id in inner or node.id in chained:
            continue
        port = Port(receivers[node.id], runtime.counters(node))
        ports.append((node.id, port))
        spec = node.spec
        if spec.kind == "source":
            unit = unit_for(spec.make(), _buffer_after(plan, node))
            unit.attach(runtime, node, (), port)
            units.append(unit)
            continue  # it says itself when it starts
        if _runs_as_reactivex(plan, node):
            chain = _chain(plan, node)
            chained |= {link.id for link in chain}
            inputs = [chain[0].inputs[0], *(i for link in chain for i in link.inputs[1:])]
            unit = ForeignUnit([link.spec for link in chain])
            _attach(runtime, plan, unit, node, inputs, port, receivers)
            units.append(unit)
            started += reversed(chain)
            unit.silent += [runtime.counters(link) for link in chain[:-1]]
            continue
        if spec.kind == "op":
            stage = Stage(node, spec.make(), port, runtime.port(node), runtime.node_failed)
            stages[node.id] = stage
            receivers[node.inputs[0]].insert(0, fuse(stage))
            if stage.op.done:
                ended.append(stage)
        elif spec.kind == "same" or _is_queue(plan, node):
            receivers[node.inputs[0]].insert(0, port)
        else:
            unit = SinkUnit(spec.make()) if spec.kind == "sink" else spec.make()
            wired = () if spec.wraps else node.inputs
            _attach(runtime, plan, unit, node, wired, port, receivers)
            units.append(unit)
            if unit.starts_itself:
                continue
        started.append(node)
    units.reverse()
    if runtime.cut is not None:
        over = runtime.cut.restore(units, stages, ports)
        units = [unit for unit in units if not unit.closed]
        ended = [stage for stage in ended if not stage.closed]
        started = [node for node in started if node.id not in over]
    for node in reversed(started):
        runtime.node_started(node)
    return units, ended


def _attach(
    runtime: Runtime,
    plan: Plan,
    unit: Unit,
    node: Node,
    inputs: Sequence[str],
    port: Port,
    receivers: dict[str, list[Receiver]],
) -> None:
    edges = []
    for index, source in enumerate(inputs):
        before = plan.by_id[source]
        replaced = before.spec.buffer if _is_queue(plan, before) else None
        buffer = replaced or node.spec.buffer or Buffer()
        late = node.spec.late and index > 0
        edge = Edge(f"{source}->{node.id}", buffer, unit, is_open=not late)
        receivers[source].insert(0, edge)
        edges.append(edge)
    unit.attach(runtime, node, edges, port)


def _is_queue(plan: Plan, node: Node) -> bool:
    """Whether a policy stands directly before a boundary, so that it is that boundary's queue."""
    readers = plan.readers[node.id]
    if node.spec.buffer is None or len(readers) != 1 or node.published:
        return False
    reader = plan.by_id[readers[0]]
    return reader.spec.kind in ("unit", "foreign", "sink") and not reader.spec.wraps


def _buffer_after(plan: Plan, node: Node) -> Buffer | None:
    """The policy its only reader declares, which then is the policy of a pushing source itself."""
    readers = plan.readers[node.id]
    if len(readers) != 1 or node.published:
        return None
    buffer: Buffer | None = plan.by_id[readers[0]].spec.buffer
    return buffer


def _runs_as_reactivex(plan: Plan, node: Node) -> bool:
    if node.spec.kind == "foreign":
        return True
    return any(plan.by_id[source].depth for source in node.inputs)


def _chain(plan: Plan, last: Node) -> list[Node]:
    """The reactivex operators before this one that nobody else reads, first to last."""
    chain = [last]
    while True:
        before = plan.by_id[chain[0].inputs[0]]
        alone = len(plan.readers[before.id]) == 1 and not before.published
        if not alone or not _runs_as_reactivex(plan, before) or (before.told and not before.depth):
            return chain
        chain.insert(0, before)


class Region:
    """One attempt of a wrapped sub-graph."""

    def __init__(self, runtime: Runtime, wrapper: Unit, receiver: Receiver) -> None:
        self._runtime = runtime
        self._wrapper = wrapper
        self._receiver = receiver
        self._units: Sequence[Unit] = ()
        members = region_of(runtime.plan, wrapper.node)
        self._nodes = [node for node in runtime.plan.nodes if node.id in members]
        self._members = members

    def begin(self, attempt: int, follows: Follows) -> None:
        """Start it as soon as what the attempt before opened is closed."""
        self._runtime.tasks.when_closed(
            self._wrapper, self._members, lambda: self._start(attempt, follows)
        )

    def _start(self, attempt: int, follows: Follows) -> None:
        runtime, wrapper = self._runtime, self._wrapper
        # an attempt of an attempt may be followed by another of the outer
        outer = runtime.attempts.get(wrapper.node.id, (1, nothing_follows))[1]

        def either(error: BaseException) -> bool:
            return follows(error) or outer(error)

        for node in self._nodes:
            runtime.attempts[node.id] = (attempt, either)
        units, ended = wire(runtime, self._members, {wrapper.node.inputs[0]: [self._receiver]})
        self._units = units
        runtime.start(units, ended)

    def forget(self) -> None:
        """It is over: nothing of it is to be stored."""
        if self._runtime.cut is not None:
            self._runtime.cut.forget(self._members, self._units)

    def dispose(self) -> None:
        """Let go of everything this attempt started.

        If it failed, its other nodes have not ended: they come again, or are left in the middle.
        """
        self.forget()
        failed = isinstance(self._receiver, Inlet) and self._receiver.failed
        nodes = [self._runtime.counters(node) for node in self._nodes]
        running = [counters for counters in nodes if counters.state == "running"]
        for counters in nodes:
            counters.muted = failed
        for unit in self._units:
            unit.close()
        for counters in nodes:
            counters.muted = False
        for counters in running if failed else ():
            counters.state = "waiting"


def start_region(
    runtime: Runtime, wrapper: Unit, receiver: Receiver, attempt: int, follows: Follows
) -> Region:
    """Wire and start the sub-graph that a wrapping unit reads, pushing into `receiver`."""
    region = Region(runtime, wrapper, receiver)
    if runtime.stopping:
        wrapper.finish()
    else:
        region.begin(attempt, follows)
    return region

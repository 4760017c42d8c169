"""Cuts: what a running graph would need to go on, as what changed since the cut before.

A cut is taken between steps, when no element is on the stack. Only units that were touched since the last
one, or wait for a time, are looked at, each with its queues and with the island it pushes into; of what is
found only what differs is given on. So what came and went between two cuts is never written. The same keys,
given back, make a graph that was just wired go on where it stood.

Keys of a node: `state` (its machine or unit), `edge0` … (the queues it reads), `life` (where it stands and
its counters; of nodes that are told, and of those that have ended), `root` (an output). What can change by
key is under ids of its own, with `keys:` before the node's, and what waits before it with `queue0:` ….
Must not know how it is stored.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import blake2b
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, cast

import orjson

from rxstream import statecodec
from rxstream.engine.edge import Edge
from rxstream.engine.fusion import Fused
from rxstream.engine.island import Port, Stage
from rxstream.engine.op import Op
from rxstream.engine.region import Inlet
from rxstream.engine.statistics import NodeCounters, NodeState
from rxstream.errors import RxStreamError, WorldError, blame
from rxstream.graph.plan import Node
from rxstream.log.contract import Delta
from rxstream.statecodec import NotStorable

if TYPE_CHECKING:
    from rxstream.engine.runtime import Runtime
    from rxstream.engine.unit import Unit

States = Mapping[str, Mapping[str, bytes]]
"""By node and key."""

KEYS: Final = "keys:"
"""Before the id of a node, for state that is kept by key; no id of a node has a colon."""

_SHORT: Final = 64


class Root(Protocol):
    """An output: where an island ends and elements are shown."""

    closed: bool
    node_id: str

    def snapshot(self) -> bytes:
        """What it would need to go on."""
        ...


class Life(NamedTuple):
    """Where a node stands."""

    state: NodeState
    closed: bool
    elements_in: int
    elements_out: int
    errors: int
    running_s: float
    tallies: Mapping[str, float] = {}


class Member(NamedTuple):
    """A part of an island."""

    node: Node
    stage: Stage | None
    counters: NodeCounters
    closed: bool


class Cut:
    """What of one running graph was stored, and what differs from it now."""

    def __init__(self, runtime: Runtime, stored: States) -> None:
        self._runtime = runtime
        self._touched: list[Unit] = []
        self._forgotten: set[str] = set()
        self._known = {
            node: {key: _digest(value) for key, value in state.items()}
            for node, state in stored.items()
            if ":" not in node
        }
        self._parts: dict[str, set[str]] = {}
        """Under which ids more is stored of a node: what can change by key, and what waits before it."""
        for part in stored:
            kind, _, node = part.rpartition(":")
            if kind:
                self._parts.setdefault(node, set()).add(part)
        self._stored = dict(stored)
        """What nodes that are not wired yet are to go on from."""

    # -- what is told of the graph -------------------------------------------------------------

    def touch(self, unit: Unit) -> bool:
        """The unit, its queues or its island may have changed; whether it is the first since the cut."""
        if unit.is_touched:
            return False
        unit.is_touched = True
        self._touched.append(unit)
        return len(self._touched) == 1

    def forget(self, nodes: Collection[str], units: Collection[Unit]) -> None:
        """These nodes are started anew, as other units: nothing of them is needed."""
        for unit in units:
            unit.is_touched = True  # for ever: whatever it still does concerns nobody
        self._touched = [unit for unit in self._touched if unit not in units]
        self._forgotten.update(nodes)
        # one that ended with what came before a restart was never opened here
        self._runtime.begun.difference_update(nodes)
        for node in nodes:
            self._stored.pop(node, None)
            for part in self._parts.get(node, ()):
                self._stored.pop(part, None)

    def wiped(self) -> dict[str, Delta]:
        """What makes the log forget all of it."""
        return {node: Delta(wiped=True) for node in chain(self._known, *self._parts.values())}

    # -- taking --------------------------------------------------------------------------------

    def take(self) -> dict[str, Delta]:
        """What changed since the last cut. Raises `NotStorable` naming the node."""
        for unit in self._runtime.timed():
            self.touch(unit)
        for unit in tuple(self._touched):
            if unit.node.spec.wraps and not unit.closed:
                unit.forget_attempt()
        touched, self._touched = self._touched, []
        forgotten, self._forgotten = self._forgotten, set()
        deltas: dict[str, Delta] = {}
        for node in forgotten:
            if self._known.pop(node, None) is not None:
                deltas[node] = Delta(wiped=True)
            self._wipe_parts(node, deltas)
        found: dict[str, dict[str, bytes]] = {
            node: {"life": self._between_attempts(node)}
            for node in forgotten
            if self._runtime.plan.by_id[node].told
        }
        for unit in touched:  # grows: what an attempt gives goes straight on behind its wrapper
            unit.is_touched = False
            for wrapper in self._look(unit, found, deltas):
                if not wrapper.is_touched and wrapper not in touched:
                    touched.append(wrapper)
        for node, state in found.items():
            delta = self._changes(node, state, wiped=node in deltas)
            if delta is not None:
                deltas[node] = delta
        return deltas

    def _look(
        self, unit: Unit, found: dict[str, dict[str, bytes]], deltas: dict[str, Delta]
    ) -> list[Unit]:
        """Find all of a unit and its island; returns the wrappers it pushes into, to be looked at too."""
        node = unit.node
        wrappers: list[Unit] = []
        state = found.setdefault(node.id, {})
        with _blaming(node):
            if not unit.closed:
                self._put_state(unit, node, state, deltas)
                for index, edge in enumerate(unit.inputs):
                    state[f"edge{index}"] = statecodec.encode(edge.snapshot())
                    self._put_changes(edge, node, _queue(index), deltas)
            else:
                self._wipe_parts(node.id, deltas)
        self._put_life(state, node, unit.out.counters, unit.closed)
        for member in _island(unit.out, self._runtime):
            if isinstance(member, Member):
                self._look_at_member(member, found.setdefault(member.node.id, {}), deltas)
            elif isinstance(member, Inlet):
                # whole, because its node may be an output: what is not found of a node is deleted
                wrappers.append(cast("Unit", member.wrapper))
            else:
                found.setdefault(member.node_id, {})["root"] = member.snapshot()
        return wrappers

    def _look_at_member(
        self, member: Member, state: dict[str, bytes], deltas: dict[str, Delta]
    ) -> None:
        stage, node = member.stage, member.node
        if stage is not None and not member.closed:
            with _blaming(node):
                self._put_state(stage.op, node, state, deltas)
        self._put_life(state, node, member.counters, member.closed)

    def _put_state(
        self, part: Op | Unit, node: Node, state: dict[str, bytes], deltas: dict[str, Delta]
    ) -> None:
        if not getattr(part, "incremental", False):
            if type(part).snapshot is not Op.snapshot:
                _put(state, "state", part.snapshot())
            return
        self._put_changes(part, node, KEYS, deltas)

    def _put_changes(self, part: Any, node: Node, prefix: str, deltas: dict[str, Delta]) -> None:
        delta = _delta_of(part)
        if delta is not None:
            identity = prefix + node.id
            self._parts.setdefault(node.id, set()).add(identity)
            deltas[identity] = replace(delta, wiped=True) if identity in deltas else delta

    def _wipe_parts(self, node: str, deltas: dict[str, Delta]) -> None:
        for identity in self._parts.pop(node, ()):
            deltas[identity] = Delta(wiped=True)

    def _put_life(
        self, state: dict[str, bytes], node: Node, counters: NodeCounters, closed: bool
    ) -> None:
        if not closed and (not node.told or counters.state == "waiting"):
            return
        begun = counters.begun_at
        running = 0.0 if begun is None else round(self._runtime.now() - begun, 3)
        state["life"] = orjson.dumps(
            [
                counters.state,
                closed,
                counters.elements_in,
                counters.elements_out,
                counters.errors,
                running,
                *([counters.tallies] if counters.tallies else ()),
            ]
        )

    def _between_attempts(self, node: str) -> bytes:
        """What was counted of a node that is started anew: that goes on."""
        counters = self._runtime.counters(self._runtime.plan.by_id[node])
        counted = (counters.elements_in, counters.elements_out, counters.errors)
        return orjson.dumps(["waiting", False, *counted, 0.0, counters.tallies])

    def _changes(self, node: str, state: dict[str, bytes], wiped: bool) -> Delta | None:
        known = self._known.get(node, {})
        now = {key: _digest(value) for key, value in state.items()}
        changed = {key: state[key] for key, digest in now.items() if known.get(key) != digest}
        deleted = [key for key in known if key not in now]
        if now:
            self._known[node] = now
        else:
            self._known.pop(node, None)
        return Delta(changed, deleted, wiped) if changed or deleted or wiped else None

    # -- going on ------------------------------------------------------------------------------

    def restore(
        self, units: Iterable[Unit], stages: Mapping[str, Stage], ports: Sequence[tuple[str, Port]]
    ) -> set[str]:
        """Make what was just wired go on where it stood; `ports` have readers before what they read.

        Returns the nodes that have ended. Raises `RxStreamError` for what is stored in another way.
        """
        ended: set[str] = set()
        by_node = {unit.node.id: unit for unit in units}
        for node_id, port in ports:
            stored = self._stored.pop(node_id, {})
            parts = {part: self._stored.pop(part, {}) for part in self._parts.get(node_id, ())}
            node = self._runtime.plan.by_id[node_id]
            life = _life(stored)
            if life is not None:
                self._live_on(node, port, life)
                if life.closed or life.state in ("completed", "failed"):
                    ended.add(node_id)
            unit, stage = by_node.get(node_id), stages.get(node_id)
            with _reading(node):
                if unit is not None:
                    _restore_unit(unit, stored, parts, life is not None and life.closed)
                elif stage is not None:
                    _restore_stage(stage, stored, parts, life is not None and life.closed)
            port.closed = all(receiver.closed for receiver in port.receivers)
        return ended

    def _live_on(self, node: Node, port: Port, life: Life) -> None:
        counters = port.counters
        counters.elements_in, counters.elements_out = life.elements_in, life.elements_out
        counters.errors = life.errors
        counters.tallies = dict(life.tallies)
        counters.state = life.state
        if life.state == "running":
            counters.begun_at = self._runtime.now() - life.running_s
            self._runtime.begun.add(node.id)


def root_states(stored: States) -> dict[str, bytes]:
    """What roots are to go on from, by node."""
    return {node: state["root"] for node, state in stored.items() if "root" in state}


def _restore_unit(unit: Unit, stored: Mapping[str, bytes], parts: States, closed: bool) -> None:
    if closed:
        unit.closed = True
        for exit_ in unit.exits:
            if unit in exit_.feeders:
                exit_.feeders.remove(unit)
        for edge in unit.inputs:
            edge.closed = edge.ended = True
        return
    for index, edge in enumerate(unit.inputs):
        if f"edge{index}" in stored:
            waiting = _decoded(parts.get(_queue(index) + unit.node.id, {}))
            edge.restore(statecodec.decode(stored[f"edge{index}"]), waiting)
    _restore_state(unit, stored, parts.get(KEYS + unit.node.id))


def _restore_stage(stage: Stage, stored: Mapping[str, bytes], parts: States, closed: bool) -> None:
    if closed:
        stage.closed = True
        return
    _restore_state(stage.op, stored, parts.get(KEYS + stage.node.id))


def _restore_state(
    part: Any, stored: Mapping[str, bytes], keys: Mapping[str, bytes] | None
) -> None:
    if keys:
        part.restore_changes(_decoded(keys))
    if "state" in stored:
        part.restore(statecodec.decode(stored["state"]))


def _decoded(stored: Mapping[str, bytes]) -> dict[str, Any]:
    return {key: statecodec.decode(value) for key, value in stored.items()}


def _queue(index: int) -> str:
    """Before the id of a node, for what waits in front of it."""
    return f"queue{index}:"


def _delta_of(op: Any) -> Delta | None:
    changes = op.changes()
    if changes is None:
        return None
    wiped, changed, deleted = changes
    return Delta({key: statecodec.encode(v) for key, v in changed.items()}, deleted, wiped)


def _life(stored: Mapping[str, bytes]) -> Life | None:
    return Life(*orjson.loads(stored["life"])) if "life" in stored else None


def _put(state: dict[str, bytes], key: str, value: Any) -> None:
    if value is not None:
        state[key] = statecodec.encode(value)


def _digest(value: bytes) -> bytes:
    return value if len(value) <= _SHORT else blake2b(value, digest_size=16).digest()


@contextmanager
def _blaming(node: Node) -> Iterator[None]:
    """Say which node an error is about."""
    try:
        yield
    except Exception as error:
        blame(error, node.id, node.where)
        if isinstance(error, NotStorable):
            error.message = f"the state of {node.id!r} cannot be stored: {error.message}"
        raise


@contextmanager
def _reading(node: Node) -> Iterator[None]:
    """Say of a state that is not as the node's code knows it whose it is, and what to do."""
    try:
        with _blaming(node):
            yield
    except RxStreamError:
        raise
    except Exception as error:
        raise WorldError(
            f"what {node.id!r} stored cannot be read back ({type(error).__name__}: {str(error)[:200]}): "
            "its code or rxstream has changed since it was stored, so start it anew",
            code="bad_state",
            node=node.id,
            where=node.where,
        ) from error


def _island(port: Port, runtime: Runtime) -> Iterator[Member | Inlet | Root]:
    """All that a unit pushes into, up to the queues where something waits, and to the end of an attempt."""
    by_id = runtime.plan.by_id
    for receiver in port.receivers:
        stages: Sequence[Stage] = ()
        if isinstance(receiver, Stage):
            stages = (receiver,)
        elif isinstance(receiver, Fused):
            stages = receiver.stages
        elif isinstance(receiver, Port):
            node = by_id[receiver.counters.node_id]
            yield Member(node, None, receiver.counters, receiver.closed)
            yield from _island(receiver, runtime)
            continue
        elif isinstance(receiver, Inlet):
            yield receiver
            continue
        elif not isinstance(receiver, Edge):
            yield receiver  # type: ignore[misc]  # an execution's receivers are its roots
            continue
        for stage in stages:
            yield Member(stage.node, stage, stage.counters, stage.closed)
        if stages:
            yield from _island(stages[-1].out, runtime)

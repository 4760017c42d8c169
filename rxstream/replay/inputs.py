"""Recorded inputs: what stands in a plan for the nodes whose elements a log holds.

At full speed several inputs take turns in the order of the record, as far as the graph takes what it is
given; with a speed each element comes when it did. Must not know what becomes of the outputs.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Final

from rxstream.events import time_of
from rxstream.graph import Node, Plan
from rxstream.log import EventLog
from rxstream.operator import OperatorSpec
from rxstream.replay.steps import CutShort, StepFailed, element, outputs
from rxstream.source import Source, SourcePort

Decode = Callable[[Any], Any]

_PATIENCE: Final = 64
"""Turns of the loop an input waits for an earlier one whose last elements are still under way."""

_SETTLING: Final = 4
"""Turns of the loop in which readers of several inputs take what the one before has given."""


class Turns:
    """Who of several inputs comes next: the one whose next element was recorded first."""

    def __init__(self, names: Collection[str]) -> None:
        self.names = tuple(names)
        self._next = dict.fromkeys(names, 0)
        """The number of each input's next element, or of its last when nobody knows the next."""
        self._away: set[str] = set(names)
        """Inputs that have given elements and not come back for more, or have not begun."""
        self._latest: str | None = None
        self._changed = asyncio.Event()

    async def wait(self, name: str, sequence: int) -> float:
        """Wait for the turn of an element; returns the number before which more may follow at once."""
        self._next[name] = sequence
        self.here(name)
        patience = _PATIENCE
        while earlier := {n for n, s in self._next.items() if s < sequence and n != name}:
            if not earlier <= self._away:
                self._changed.clear()
                await self._changed.wait()
            elif patience:
                # it may be on its way back; when its elements are stuck it must not hold the others
                patience -= 1
                await asyncio.sleep(0)
            else:
                return math.inf
        if self._latest != name:
            # what came before is to be taken by whoever reads both before more comes
            for _ in range(_SETTLING):
                await asyncio.sleep(0)
        self._latest = name
        return min((s for n, s in self._next.items() if n != name), default=math.inf)

    def here(self, name: str) -> None:
        """It wants to give elements, as soon as it knows which."""
        self._away.discard(name)
        self._changed.set()

    def away(self, name: str, sequence: int) -> None:
        """It has given elements, up to this one."""
        self._next[name] = sequence
        self._away.add(name)
        self._changed.set()

    def done(self, name: str) -> None:
        """It has no more elements."""
        self._next.pop(name, None)
        self._away.discard(name)
        self._changed.set()


@dataclass
class Tape:
    """What the inputs of one re-run share."""

    log: EventLog
    execution_id: str
    until: int
    """The last event that counts."""
    began: datetime
    speed: float | None
    turns: Turns
    counts: dict[str, int] = field(default_factory=dict)
    """Elements each input has given."""


class RecordedInput(Source[Any]):
    """One node's recorded elements."""

    name: ClassVar[str] = "recorded"
    endless = False

    def __init__(self, tape: Tape, step: str, decode: Decode | None) -> None:
        self._tape = tape
        self._step = step
        self._decode = decode

    @property
    def arguments(self) -> Mapping[str, Any]:
        return {"execution": self._tape.execution_id, "step": self._step}

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[Any]]:
        tape, step = self._tape, self._step
        tape.turns.here(step)
        begun = asyncio.get_running_loop().time()
        try:
            async for page in outputs(tape.log, tape.execution_id, step, until=tape.until):
                at = 0
                while at < len(page):
                    bound = math.inf
                    if tape.speed is None:
                        bound = await tape.turns.wait(step, page[at].sequence or 0)
                    else:
                        await self._wait_for(time_of(page[at]), begun, tape.speed)
                    batch: list[Any] = []
                    for event in page[at : at + (port.wanted if tape.speed is None else 1)]:
                        if batch and (event.sequence or 0) > bound:
                            break
                        value = await element(tape.log, event)
                        batch.append(value if self._decode is None else self._decode(value))
                    at += len(batch)
                    tape.counts[step] = tape.counts.get(step, 0) + len(batch)
                    tape.turns.away(step, page[at - 1].sequence or 0)
                    yield batch
                    tape.turns.here(step)
        except CutShort:
            return  # what was not recorded cannot come; the comparison knows
        except StepFailed as failed:
            raise failed.error from None
        finally:
            tape.turns.done(step)

    async def _wait_for(self, at: datetime, begun: float, speed: float) -> None:
        due = begun + (at - self._tape.began).total_seconds() / speed
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))


def without_sinks(plan: Plan) -> Plan:
    """The plan of what is published alone."""
    return _pruned(plan, {node.id: node for node in plan.nodes})


def with_inputs(plan: Plan, inputs: Mapping[str, RecordedInput]) -> Plan:
    """The plan with recorded inputs for these nodes, without what only they read."""
    nodes = {node.id: _instead(node, inputs.get(node.id)) for node in plan.nodes}
    return _pruned(plan, nodes)


def _instead(node: Node, recorded: RecordedInput | None) -> Node:
    if recorded is None:
        return node
    spec = OperatorSpec(recorded.name, "source", make=lambda: recorded, told=True)
    return replace(
        node,
        operator=recorded.name,
        kind="source",
        inputs=(),
        arguments=recorded.arguments,
        told=True,
        spec=spec,
    )


def _pruned(plan: Plan, nodes: Mapping[str, Node]) -> Plan:
    reached: set[str] = set()
    waiting = list(plan.outputs.values())
    while waiting:
        node_id = waiting.pop()
        if node_id not in reached:
            reached.add(node_id)
            waiting += nodes[node_id].inputs
    return replace(plan, nodes=tuple(nodes[node.id] for node in plan.nodes if node.id in reached))

"""Finds units that can never move again, also beside parts that are alive.

A unit may still move when something outside the graph can make it (a task, a timer, a thread) and it has
room; or when what holds it back may be drained, or what it starves for may be fed, by a unit that may still
move. That is a least fixpoint; whoever is left outside it waits for ever. The usual case: one source feeds
both inputs of a `zip`, one of them through a filter, and the direct queue is full while the filtered one
starves. Pure: it looks and changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from rxstream.engine.edge import Edge
from rxstream.engine.unit import Unit
from rxstream.errors import StallError


@dataclass(frozen=True)
class Stall:
    """A full queue whose reader starves at another."""

    full: Edge
    starving: Edge | None

    def error(self) -> StallError:
        """What to tell the graph's author."""
        node = self.full.reader.node
        if not self.full.is_open:
            held = f"{node.id!r} does not read {self.full.id} yet"
        else:
            held = f"the queue {self.full.id} is full ({self.full.buffer.capacity} elements)"
        starves = f" while {self.starving.id} starves" if self.starving is not None else ""
        return StallError(
            f"{held}{starves}, and nothing that still runs can change that: give the full edge a larger "
            "bound (.block(n)) or a lossy policy (.drop_oldest(n), .latest()), or read what it feeds "
            "from a source of its own",
            node=node.id,
            where=node.where,
        )


def find_stall(units: Iterable[Unit], awaiting: Collection[Unit] = ()) -> Stall | None:
    """A queue that will be full for ever, if there is one.

    The units `awaiting` something outside the graph may move, whatever they say themselves.
    """
    alive = [unit for unit in units if not unit.closed]
    blockers = {unit: _blockers(unit) for unit in alive}
    may_move = {
        unit
        for unit in alive
        if unit.is_ready
        or (not blockers[unit] and (unit.external() or unit in awaiting or _waits_for_output(unit)))
    }
    while True:
        grown = {
            unit
            for unit in alive
            if unit not in may_move
            and (
                all(edge.reader in may_move for edge in blockers[unit])
                if blockers[unit]
                else any(feeder in may_move for edge in unit.inputs for feeder in edge.feeders)
            )
        }
        if not grown:
            break
        may_move |= grown
    for unit in alive:
        for edge in blockers[unit]:
            if unit not in may_move and edge.reader not in may_move:
                return Stall(edge, _starving(edge.reader))
    return None


def _blockers(unit: Unit) -> list[Edge]:
    """The queues that give this unit no credit; an output that waits for the log is not one."""
    return [
        exit_
        for exit_ in unit.exits
        if isinstance(exit_, Edge) and not exit_.closed and exit_.room() <= 0
    ]


def _waits_for_output(unit: Unit) -> bool:
    """Whether an output gives it no room: the log, or whoever iterates, will."""
    return any(
        not isinstance(exit_, Edge) and not exit_.closed and exit_.room() <= 0
        for exit_ in unit.exits
    )


def _starving(unit: Unit) -> Edge | None:
    for edge in unit.inputs:
        if edge.is_open and not len(edge) and not edge.ended:
            return edge
    return None

"""Units: where something waits. A unit is stepped by the runtime and never waits in a step.

A unit reads its edges, emits into its port, and moves only while it has credit: the least room among the
exits behind it. `step` does a bounded amount of work and says whether it moved; a unit that cannot move is
made ready again by whoever changes that (an edge that got an element or room, a timer, a task). Subclasses
override `start`, `step`, `dispose`; they reach the world only through `self.runtime`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rxstream.engine.island import Exit, Port, credit_of
from rxstream.engine.op import ALL
from rxstream.errors import blame
from rxstream.graph.plan import Node

if TYPE_CHECKING:
    from rxstream.engine.edge import Edge
    from rxstream.engine.runtime import Runtime

BATCH = 64
"""Elements moved in one step, at most."""


class Unit:
    """A source, boundary or sink of a running graph."""

    inputs: Sequence[Edge] = ()
    is_ready: bool = False
    """Whether it waits for its step; kept by the runtime."""
    closed: bool = False
    """Whether it has ended or been disposed."""
    is_timed: bool = False
    """Whether its state tells how much of a time is left that no timer of the runtime's measures."""
    starts_itself: bool = False
    """Whether it says itself that its node runs, later than it is wired."""
    is_touched: bool = False
    """Whether something of it may differ from what is stored; kept by the cut."""

    node: Node
    runtime: Runtime
    out: Port
    exits: list[Exit]
    limited: bool = False
    """Whether an operator behind it wants only so many elements."""

    def attach(self, runtime: Runtime, node: Node, inputs: Sequence[Edge], out: Port) -> None:
        """Take its place in the running graph. Called once, before `start`."""
        self.runtime = runtime
        self.node = node
        self.inputs = inputs
        self.out = out
        self.exits = list(out.exits())
        self.limited = out.demand() < ALL
        for exit_ in self.exits:
            exit_.feeders.append(self)

    # -- what a subclass does ------------------------------------------------------------------

    def start(self) -> None:
        """Begin. Called once the whole graph is wired; must not emit."""

    def step(self) -> bool:
        """Do some work; return whether anything moved."""
        raise NotImplementedError

    def external(self) -> bool:
        """Whether something outside the graph (a task, a timer, a thread) may make it move."""
        return False

    def writing(self) -> bool:
        """Whether it is writing something outside that should be done before the graph is left."""
        return False

    def dispose(self) -> None:
        """Nobody wants anything more of it: let go of everything, at once and without waiting."""

    def stop(self) -> None:
        """Produce nothing new; what was taken in already still goes on. Only for a unit without inputs."""
        self.finish()

    def snapshot(self) -> Any:
        """Its state as plain data if its elements are; None where it has none.

        Taken between steps, of a unit that has started and is not closed, and changes nothing; what is
        changed later is copied. Whatever it would need to go on is in it: elements it holds, what is still
        to go out, the seconds until a timer rings. What is queued before it is its edges' state. Of use only
        where the operator says that it is `resumable`.
        """
        return None

    def restore(self, state: Any) -> None:
        """Go on from a snapshot of a unit made in the same way; called between `attach` and `start`.

        Its edges are restored too. `start` then begins nothing anew: it arms a timer for the time that was
        left, so the time in which nothing ran does not count. An error comes back by kind, code and message.
        """

    def forget_attempt(self) -> None:
        """If it starts sub-graphs anew and none is under way, nothing of the last one is to be stored."""

    # -- what a subclass uses ------------------------------------------------------------------

    def ready(self) -> None:
        """Ask for a step."""
        self.runtime.ready(self)

    def touch(self) -> None:
        """Say that its state changed, where that happens outside a step and asks for none."""
        self.runtime.touch(self)

    def credit(self) -> int:
        """How many elements may be emitted now."""
        credit = credit_of(self.exits)
        return min(credit, self.out.demand()) if self.limited else credit

    def emit(self, items: Sequence[Any]) -> None:
        """Push a batch; the caller has the credit."""
        self.out.push(items)
        if self.out.closed:
            self.close()

    def finish(self) -> None:
        """End well."""
        if not self.closed:
            self.out.finish()
            self.close()

    def fail(self, error: BaseException) -> None:
        """End with an error that happened here."""
        if not self.closed:
            blame(error, self.node.id, self.node.where)
            self.out.counters.errors += 1
            self.runtime.node_failed(self.node, error)
            self.out.fail(error)
            self.close()

    def pass_on(self, error: BaseException) -> None:
        """End with an error that came in."""
        if not self.closed:
            self.out.fail(error)
            self.close()

    def close(self) -> None:
        """Let go of everything and stop those before it that nobody else needs."""
        if self.closed:
            return
        self.closed = True
        for exit_ in self.exits:
            if self in exit_.feeders:
                exit_.feeders.remove(self)
        self.out.abandon()
        try:
            self.dispose()
        except (
            Exception
        ) as error:  # a generator's `finally`: too late to fail, and nobody may be skipped
            self.runtime.tasks.close_failed(self, error)
        for edge in self.inputs:
            edge.close()
        self.runtime.unit_closed(self)

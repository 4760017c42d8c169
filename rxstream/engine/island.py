"""Islands: elements pushed straight through synchronous operators, in batches.

A unit pushes a batch into its `Port`; the port hands the same batch to each reader; a `Stage` runs one
operator and pushes what comes out of it into its own port. An island ends at edges (where something waits)
and at roots (outputs). Nothing here waits, and nothing is pushed that was not paid for by credit: the least
room among the exits that can be reached. An error travels like an end: earlier outputs of the batch first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from time import perf_counter
from typing import Any, Protocol

from rxstream.engine.op import ALL, Op
from rxstream.engine.statistics import NodeCounters
from rxstream.errors import blame
from rxstream.graph.plan import Node
from rxstream.source import Port as NodePort

CURRENT: ContextVar[NodePort | None] = ContextVar("rxstream_node", default=None)
"""The node whose code is running, for `rxstream.progress`."""


class Receiver(Protocol):
    """What a batch can be pushed into."""

    @property
    def closed(self) -> bool:
        """Wants nothing more."""
        ...

    def push(self, items: Sequence[Any]) -> None:
        """Take a batch, which nobody changes afterwards."""

    def finish(self) -> None:
        """Nothing follows."""

    def fail(self, error: BaseException) -> None:
        """Nothing follows, because of an error."""

    def demand(self) -> int:
        """How many more elements can be of use at all."""
        ...

    def exits(self) -> Iterator[Exit]:
        """The ends of the island behind it."""
        ...

    def abandon(self) -> None:
        """What feeds it is gone and will say no end; let go of what it holds."""


class Exit(Protocol):
    """Where an island ends: it has room or it has not."""

    closed: bool
    feeders: list[Any]
    """Units to wake when there is room again."""

    def room(self) -> int:
        """How many elements may be pushed now."""
        ...


class Port:
    """Hands each batch to every reader of a node."""

    __slots__ = ("closed", "counters", "receivers")

    def __init__(self, receivers: list[Receiver], counters: NodeCounters) -> None:
        self.receivers = receivers
        self.counters = counters
        self.closed = not receivers

    def push(self, items: Sequence[Any]) -> None:
        self.counters.elements_out += len(items)
        for receiver in self.receivers:
            if not receiver.closed:
                receiver.push(items)
        self.look()

    def finish(self) -> None:
        self.counters.ended("completed")
        for receiver in self.receivers:
            if not receiver.closed:
                receiver.finish()
        self.closed = True

    def fail(self, error: BaseException) -> None:
        self.counters.ended("failed")
        for receiver in self.receivers:
            if not receiver.closed:
                receiver.fail(error)
        self.closed = True

    def demand(self) -> int:
        return max((r.demand() for r in self.receivers if not r.closed), default=0)

    def exits(self) -> Iterator[Exit]:
        for receiver in self.receivers:
            yield from receiver.exits()

    def abandon(self) -> None:
        for receiver in self.receivers:
            receiver.abandon()
        self.closed = True
        self.counters.ended("completed")

    def look(self) -> None:
        """Close when nobody reads any more."""
        for receiver in self.receivers:
            if not receiver.closed:
                return
        if not self.closed:
            self.closed = True
            self.counters.ended("completed")


class Stage:
    """Runs one `Op` between the node it reads and the nodes that read it."""

    __slots__ = ("closed", "counters", "node", "on_error", "op", "out", "port")

    def __init__(
        self,
        node: Node,
        op: Op,
        out: Port,
        port: NodePort,
        on_error: Callable[[Node, BaseException], None],
    ) -> None:
        self.node = node
        self.op = op
        self.out = out
        self.port = port
        self.counters = out.counters
        self.on_error = on_error
        self.closed = out.closed

    def push(self, items: Sequence[Any]) -> None:
        counters = self.counters
        counters.elements_in += len(items)
        out: list[Any] = []
        begun = perf_counter()
        token = CURRENT.set(self.port)
        try:
            self.op.push(items, out)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as raised:
            error = ordinary(raised)
            counters.busy_s += perf_counter() - begun
            self.raised(error, out)
            return
        finally:
            CURRENT.reset(token)
            if self.op.swallowed:
                self._count_swallowed()
        counters.busy_s += perf_counter() - begun
        if out:
            self.out.push(out)
        if self.op.done:
            self.end()
        elif self.out.closed:
            self.leave()

    def finish(self) -> None:
        out: list[Any] = []
        token = CURRENT.set(self.port)
        try:
            self.op.finish(out)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as raised:
            error = ordinary(raised)
            self.raised(error, out)
            return
        finally:
            CURRENT.reset(token)
        if out:
            self.out.push(out)
        self.end()

    def fail(self, error: BaseException) -> None:
        out: list[Any] = []
        try:
            passed = self.op.fail(error, out)
        except Exception as raised:
            self.raised(raised, out)
            return
        self._count_swallowed()
        if out:
            self.out.push(out)
        if passed is None:
            self.end()
            return
        self.leave()
        self.out.fail(passed)

    def demand(self) -> int:
        return self.op.demand(self.out.demand())

    def exits(self) -> Iterator[Exit]:
        return self.out.exits()

    def abandon(self) -> None:
        self.leave()
        self.out.abandon()

    def _count_swallowed(self) -> None:
        self.counters.errors += self.op.swallowed
        self.op.swallowed = 0

    def raised(self, error: BaseException, out: list[Any]) -> None:
        """Its operator raised after it had given `out`, which goes on first."""
        if out:
            self.out.push(out)
            if (
                self.out.closed
            ):  # one at a time, the element that raised would not have been reached
                self.leave()
                return
        blame(error, self.node.id, self.node.where)
        self.counters.errors += 1
        self.on_error(self.node, error)
        self.leave()
        self.out.fail(error)

    def end(self) -> None:
        """The operator emits nothing more."""
        self.leave()
        if not self.out.closed:
            self.out.finish()

    def leave(self) -> None:
        """Take nothing more."""
        if not self.closed:
            self.closed = True
            self.op.close()


def ordinary(raised: BaseException) -> Exception:
    """What code of the user's raised, as an error that can be told: a stray CancelledError would pass
    through everything that waits for it.
    """
    if isinstance(raised, Exception):
        return raised
    error = RuntimeError(f"{type(raised).__name__} {raised}".strip())
    error.__cause__ = raised
    return error


def credit_of(exits: Sequence[Exit]) -> int:
    """The least room among the exits that are still open."""
    least = ALL
    for exit_ in exits:
        if not exit_.closed:
            room = exit_.room()
            if room <= 0:
                return 0
            if room < least:
                least = room
    return least

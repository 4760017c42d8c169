"""The unit that makes one stream of what a function gives for each element, within credit.

An element is taken only when another inner source may be opened and there is room behind, so what waits,
waits in the queue before the unit. A list goes out at once, as far as there is room, and before anything
else; every other inner source is a unit of its own (`_inner`) and they share the room in turn. An error, of
the input or of an inner source, ends it at once; what had come out before goes first.

A snapshot has what is pending and the elements whose coroutine still runs: the function is called for those
again, so it may be called twice for one element. Of anything else that is open, nobody knows how far it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from rxstream.engine.edge import Edge
from rxstream.engine.island import CURRENT, Port, ordinary
from rxstream.engine.op import ALL
from rxstream.engine.runtime import Runtime
from rxstream.engine.stored_error import restore_error, store_error
from rxstream.engine.unit import BATCH, Unit
from rxstream.engine.watching import Escaped
from rxstream.graph.plan import Node
from rxstream.operator import Buffer
from rxstream.operators._inner import Inlet, forget
from rxstream.statecodec import NotStorable

Project = Callable[[Any, int], Any]
"""What to read for an element and its index."""


class Flatten(Unit):
    """Reads `max_concurrent` inner sources at a time, all of them if None, or only the `latest`."""

    def __init__(
        self,
        project: Project,
        max_concurrent: int | None = None,
        *,
        max_waiting: int | None = None,
        latest: bool = False,
    ) -> None:
        self.project = project
        self.max_concurrent = ALL if max_concurrent is None else max_concurrent
        self.max_waiting = max_waiting
        self.latest = latest
        self.inlets: dict[Inlet, tuple[Any, int]] = {}
        """Those that are open, the one whose turn it is first: the element it is for, and its index."""
        self.again: deque[tuple[Any, int]] = deque()
        """Elements whose inner source was open when the snapshot was taken that this goes on from."""
        self.pending: deque[Any] = deque()
        """What is left of lists; while there is any, no inner source has room."""
        self.index = 0
        self.error: BaseException | None = None
        """Of an inner source, until what is pending has gone."""
        self._refused = False
        """Whether an inner source was told that there is no room."""

    def attach(self, runtime: Runtime, node: Node, inputs: Sequence[Edge], out: Port) -> None:
        super().attach(runtime, node, inputs, out)
        edge = inputs[0]
        if self.max_waiting is not None and edge.buffer == Buffer():
            edge.buffer = Buffer(capacity=self.max_waiting)

    def step(self) -> bool:
        moved = self._flush()
        if not self.closed and self.error is None:
            moved = self._begin() or moved
        if self.closed or self.pending:
            return moved and not self.closed
        edge = self.inputs[0]
        error = self.error or (edge.error if edge.exhausted else None)
        if error is not None:
            self.pass_on(error)
        elif edge.exhausted and not self.inlets:
            self.finish()
        elif self._refused and self.credit() > 0:
            self._refused = False
            self._wake()
        return moved and not self.closed

    def _begin(self) -> bool:
        """Take elements and open what is given for them; whether any was taken."""
        begun = False
        while not self.closed and self.error is None:
            item, index = self._next()
            if index < 0:
                break
            begun = True
            try:
                self._open(self._projected(item, index), item, index)
            except (KeyboardInterrupt, SystemExit, Escaped):
                raise
            except BaseException as raised:
                self._flush()
                self.fail(ordinary(raised))
        self._flush()
        return begun

    def _next(self) -> tuple[Any, int]:
        """What is to be read next and its index; below 0 if it is nothing."""
        if self.again:
            return self.again.popleft()
        taken = self.inputs[0].take(1) if self._may_begin() else ()
        if not taken:
            return None, -1
        self.out.counters.elements_in += 1
        index, self.index = self.index, self.index + 1
        return taken[0], index

    def _may_begin(self) -> bool:
        if self.latest and not self.pending:
            return True  # it takes the place of the one before, also where there is no room
        room = min(BATCH, self.credit()) - len(self.pending)
        return room > 0 and (self.latest or len(self.inlets) < self.max_concurrent)

    def _projected(self, item: Any, index: int) -> Any:
        begun = perf_counter()
        token = CURRENT.set(self.runtime.port(self.node))
        try:
            return self.project(item, index)
        finally:
            CURRENT.reset(token)
            self.out.counters.busy_s += perf_counter() - begun

    def _open(self, found: Any, item: Any, index: int) -> None:
        if self.latest:
            self._close_inlets()
        if type(found) is list or type(found) is tuple:
            self.pending.extend(found)
            return
        self._flush()
        if self.closed:
            forget(found)
            return
        inlet = Inlet(self, found)
        self.inlets[inlet] = (item, index)
        inlet.open()

    def _flush(self) -> bool:
        """Emit what is pending within credit; whether anything went."""
        moved = False
        while self.pending and not self.closed:
            count = min(len(self.pending), BATCH, self.credit())
            if count <= 0:
                break
            self.emit([self.pending.popleft() for _ in range(count)])
            moved = True
        return moved

    def _wake(self) -> None:
        """Let all try again; whoever was first this time is last the next."""
        inlets = tuple(self.inlets)
        for inlet in inlets:
            inlet.wake()
        if len(inlets) > 1 and inlets[0] in self.inlets:
            self.inlets[inlets[0]] = self.inlets.pop(inlets[0])

    def external(self) -> bool:
        return bool(self.inlets)

    def dispose(self) -> None:
        self.pending.clear()
        self.again.clear()
        self._close_inlets()

    def snapshot(self) -> Any:
        """What goes out next, elements to ask for again, how many there were, the error it ends with."""
        out, again = list(self.pending), []
        for inlet, (item, index) in self.inlets.items():
            if not inlet.waits_for_one:
                raise NotStorable(
                    f"what its function gave is a {inlet.kind}, of which nobody knows how far it is: give "
                    "lists or coroutines"
                )
            if inlet.results:
                out += inlet.results
            else:
                again.append((item, index))
        return (tuple(out), (*again, *self.again), self.index, store_error(self.error))

    def restore(self, state: Any) -> None:
        out, again, self.index, error = state
        self.pending.extend(out)
        self.again.extend(again)
        self.error = restore_error(error)

    def _close_inlets(self) -> None:
        inlets, self.inlets = self.inlets, {}
        for inlet in inlets:
            inlet.close()

    # -- what inlets ask and say ---------------------------------------------------------------

    def inner_room(self) -> int:
        room = 0 if self.pending else self.credit()
        if room <= 0:
            self._refused = True
        return room

    def inner_demand(self) -> int:
        return self.out.demand() if self.limited else ALL

    def inner_push(self, items: Sequence[Any]) -> None:
        self.touch()
        self.emit(items)

    def inner_ended(self, inlet: Inlet, error: BaseException | None) -> None:
        self.inlets.pop(inlet, None)
        self.out.counters.busy_s += inlet.counters.busy_s
        if error is not None:
            self.out.counters.errors += 1
            self.error = self.error or error
            self._close_inlets()
            if not self.pending:
                self.pass_on(error)
        self.ready()

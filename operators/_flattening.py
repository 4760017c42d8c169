"""The unit that makes one stream of what a function gives for each element, within credit.

An element is taken only when another inner source may be opened and there is room behind, so what waits,
waits in the queue before the unit. A list goes out at once, as far as there is room, and before anything
else; every other inner source is a unit of its own (`_inner`) and they share the room in turn. An error, of
the input or of an inner source, ends it at once; what had come out before goes first.
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
from rxstream.engine.unit import BATCH, Unit
from rxstream.engine.watching import Escaped
from rxstream.graph.plan import Node
from rxstream.operator import Buffer
from rxstream.operators._inner import Inlet, forget

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
        self.inlets: dict[Inlet, None] = {}
        """Those that are open, the one whose turn it is first."""
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
        edge = self.inputs[0]
        begun = False
        while not self.closed and self.error is None and self._may_begin():
            taken = edge.take(1)
            if not taken:
                break
            begun = True
            self.out.counters.elements_in += 1
            try:
                self._open(self._projected(taken[0]))
            except (KeyboardInterrupt, SystemExit, Escaped):
                raise
            except BaseException as raised:
                self._flush()
                self.fail(ordinary(raised))
        self._flush()
        return begun

    def _may_begin(self) -> bool:
        if self.latest and not self.pending:
            return True  # it takes the place of the one before, also where there is no room
        room = min(BATCH, self.credit()) - len(self.pending)
        return room > 0 and (self.latest or len(self.inlets) < self.max_concurrent)

    def _projected(self, item: Any) -> Any:
        index, self.index = self.index, self.index + 1
        begun = perf_counter()
        token = CURRENT.set(self.runtime.port(self.node))
        try:
            return self.project(item, index)
        finally:
            CURRENT.reset(token)
            self.out.counters.busy_s += perf_counter() - begun

    def _open(self, found: Any) -> None:
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
        self.inlets[inlet] = None
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
            del self.inlets[inlets[0]]
            self.inlets[inlets[0]] = None

    def external(self) -> bool:
        return bool(self.inlets)

    def dispose(self) -> None:
        self.pending.clear()
        self._close_inlets()

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

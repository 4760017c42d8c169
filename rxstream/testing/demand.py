"""A probe that takes no more than it asks for, and sees how far everything before it has gone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Final, Self

from reactivex import Observable

from rxstream.engine.island import Receiver
from rxstream.engine.op import ALL
from rxstream.engine.runtime import Runtime
from rxstream.engine.statistics import NodeCounters, NodeState
from rxstream.engine.wiring import launch
from rxstream.events import Progress
from rxstream.graph import Node, make_plan
from rxstream.stream import Stream

_QUIET_S: Final = 1e-6
"""A virtual clock moves by this only when nothing else can run."""

_CLOSE_S: Final = 5.0


class Demand:
    """Runs a stream into a reader that has room for as many elements as were asked for, and for no more.

        >>> import rxstream as rxs
        >>> from rxstream import operators as ops
        >>> from rxstream.testing import Demand, run
        >>> async def probing():
        ...     even = rxs.source(range(1000)).pipe(ops.filter(lambda n: n % 2 == 0))
        ...     async with Demand(even) as probe:
        ...         print(await probe.ask(2), probe.pulled)
        ...         print(await probe.ask(3), probe.ended)
        >>> run(probing())
        [0, 2] 3
        [4, 6, 8] False

    Use it in virtual time, where `ask` returns when nothing moves any more without time passing. An error of
    the stream is in `error` and not raised. Leaving the context disposes of the stream.
    """

    def __init__(self, stream: Observable[Any]) -> None:
        self._plan = make_plan("probed", {"output": Stream.of(stream)})
        self._root = _Root()
        self._runtime: Runtime | None = None

    # -- asking --------------------------------------------------------------------------------

    async def ask(self, count: int) -> list[Any]:
        """Ask for `count` elements more; those that came, when all have come, or it has ended.

        Time passes as far as that needs: for what never comes it waits for ever.
        """
        root = self._root
        before = len(root.received)
        self.request(count)
        while len(root.received) < before + count and not root.closed:
            await root.changed()
        await self.quiet()
        return root.received[before:]

    def request(self, count: int) -> None:
        """Ask for `count` elements more without waiting for them."""
        if count < 1:
            raise ValueError(f"ask for at least one element, not {count}")
        self._root.grant(count)

    async def quiet(self) -> None:
        """Wait until nothing moves that does not wait for time."""
        await asyncio.sleep(_QUIET_S)

    # -- seeing --------------------------------------------------------------------------------

    @property
    def received(self) -> list[Any]:
        """Every element that has come."""
        return list(self._root.received)

    @property
    def pulled(self) -> int:
        """How many elements all sources together have given."""
        return sum(self.pulled_from(n.id) for n in self._plan.nodes if n.kind == "source")

    def pulled_from(self, node: str) -> int:
        """How many elements a node has given, by its id (its name, if it has one)."""
        if node not in self._plan.by_id:
            raise KeyError(f"no node {node!r}: there are {', '.join(self._plan.by_id)}")
        runtime = self._runtime
        return 0 if runtime is None else runtime.counters(self._plan.by_id[node]).elements_out

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self._root.closed

    @property
    def error(self) -> BaseException | None:
        """What it failed with, if it did."""
        return self._root.error

    # -- life ----------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        root = self._root
        readers: dict[str, list[Receiver]] = {self._plan.outputs["output"]: [root]}
        self._runtime = launch(self._plan, root, readers, adopt=root.adopt)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._root.closed = True
        if self._runtime is not None:
            await self._runtime.close(_CLOSE_S)


class _Root:
    """Where the probed graph ends: a receiver, an exit with so much room, and the watcher of the run."""

    runtime: Runtime

    def __init__(self) -> None:
        self.closed = False
        self.feeders: list[Any] = []
        self.received: list[Any] = []
        self.error: BaseException | None = None
        self._granted = 0
        self._changed: asyncio.Future[None] | None = None

    def adopt(self, runtime: Runtime) -> None:
        """Be the only root of this run."""
        self.runtime = runtime
        runtime.add_root()

    def grant(self, count: int) -> None:
        self._granted += count
        for feeder in self.feeders:
            feeder.ready()

    async def changed(self) -> None:
        self._changed = asyncio.get_running_loop().create_future()
        await self._changed

    def _tell(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    # receiver and exit

    def push(self, items: Sequence[Any]) -> None:
        self.received += items
        self._tell()

    def finish(self) -> None:
        self.runtime.root_ended()

    def fail(self, error: BaseException) -> None:
        self.runtime.failed(error)

    def abandon(self) -> None: ...

    def demand(self) -> int:
        return ALL

    def exits(self) -> Iterator[_Root]:
        yield self

    def room(self) -> int:
        return self._granted - len(self.received)

    # watcher

    def node_started(self, node: Node, attempt: int) -> None: ...

    def node_ended(self, node: Node, state: NodeState, counters: NodeCounters) -> None: ...

    def node_failed(
        self,
        node: Node,
        error: BaseException,
        attempt: int,
        will_retry: bool,
        handled: str | None = None,
    ) -> None: ...

    def node_progress(self, node: Node, progress: Progress) -> None: ...

    def settled(self, error: BaseException | None) -> None:
        self.closed = True
        self.error = error
        self._tell()

    def busy(self) -> bool:
        """Whoever asks may ask again, so nothing has stalled for want of room here."""
        return self.room() <= 0

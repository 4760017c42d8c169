"""Streams without an engine: subscribe, await or iterate one, and a throw-away graph runs. No log.

On a running event loop the graph runs there. Without one `subscribe` runs at once, as reactivex does, and
what needs a loop (timers, coroutines) is refused with an error. What is known of a stream (its plan, whether
it is a `Line`) is kept with it, because a stream changes no more once it is named.
"""

from __future__ import annotations

import asyncio
from asyncio import _get_running_loop  # None, not an exception, where there is no loop
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Final, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import Disposable
from reactivex.internal.exceptions import SequenceContainsNoElementsError

from rxstream.engine.fusion import FUSE
from rxstream.engine.heard import Heard
from rxstream.engine.late import Later
from rxstream.engine.line import Line, line_of
from rxstream.engine.op import ALL
from rxstream.engine.runtime import Runtime
from rxstream.engine.statistics import NodeCounters, NodeState
from rxstream.engine.straight import Pulled
from rxstream.engine.watching import Escaped
from rxstream.engine.wiring import launch
from rxstream.events import Progress
from rxstream.failures import located
from rxstream.graph.build import make_plan
from rxstream.graph.plan import Node, Plan
from rxstream.stream import Stream

T = TypeVar("T")

_CLOSE_S: Final = 5.0
_AHEAD: Final = 64


class _Observed:
    """A root that hands elements to an observer: where exploration ends. Also watches the run."""

    runtime: Runtime

    def __init__(self, observer: abc.ObserverBase[Any], capacity: int = ALL) -> None:
        self.closed = False
        self.feeders: list[Any] = []
        self.capacity = capacity
        self.held = 0
        self._observer = observer

    # receiver and exit

    def push(self, items: Sequence[Any]) -> None:
        try:
            on_next = self._observer.on_next
            for item in items:
                if self.closed:
                    return
                on_next(item)
        except Exception as error:
            # an observer that raises has left; its error belongs to whoever runs it
            self.closed = True
            raise Escaped(error) from error

    def finish(self) -> None:
        if not self.closed:
            self.closed = True
            self.runtime.root_ended()

    def fail(self, error: BaseException) -> None:
        if not self.closed:
            self.closed = True
            node = self.runtime.plan.by_id.get(getattr(error, "node", None) or "")
            self.runtime.failed(located(error, node.operator if node else None))

    def abandon(self) -> None:
        pass

    def demand(self) -> int:
        return ALL

    def exits(self) -> Iterator[_Observed]:
        yield self

    def room(self) -> int:
        return self.capacity - self.held

    def taken(self) -> None:
        """One of the elements handed over is no longer held."""
        self.held -= 1
        for feeder in self.feeders:
            feeder.ready()

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
        try:
            if error is None:
                self._observer.on_completed()
            else:
                self._observer.on_error(error)  # type: ignore[arg-type]  # reactivex narrows it
        except Exception as raised:
            raise Escaped(raised) from raised
        finally:
            self.runtime.dispose()

    def adopt(self, runtime: Runtime) -> None:
        """Be its only root."""
        self.runtime = runtime
        runtime.add_root()

    def busy(self) -> bool:
        return self.held >= self.capacity


class _Known:
    """What was found out of a stream, as long as no stream gets a name."""

    __slots__ = ("_plan", "line", "namings")

    def __init__(self, stream: Stream[Any]) -> None:
        self.namings = Stream.namings
        self.line: Line | None = line_of(stream)
        self._plan: Plan | None = None

    def plan(self, stream: Stream[Any]) -> Plan:
        """Its plan. Raises `GraphError`."""
        if self._plan is None:
            self._plan = make_plan("explored", {"output": stream})
        return self._plan


def _known(stream: Stream[Any]) -> _Known:
    known: _Known | None = stream.known
    if known is None or known.namings != Stream.namings:
        known = stream.known = _Known(stream)
    return known


def _begin(plan: Plan, root: _Observed) -> Runtime:
    return launch(plan, root, {plan.outputs["output"]: [root]}, adopt=root.adopt)


def _observe(plan: Plan, observer: abc.ObserverBase[Any]) -> abc.DisposableBase:
    """Wire the graph and run it until nothing moves, or for the few milliseconds the loop gives."""
    root = _Observed(observer)
    runtime = _begin(plan, root)
    # a hot Observable (a group, a window) must be subscribed before it emits again
    runtime.drive()

    def dispose() -> None:
        root.closed = True
        runtime.dispose()

    return Disposable(dispose)


class Explorer:
    """See `rxstream.stream.Explorer`."""

    def subscribe(
        self,
        stream: Stream[Any],
        observer: abc.ObserverBase[Any],
        scheduler: abc.SchedulerBase | None,
    ) -> abc.DisposableBase:
        """Run until the end or until disposed. `scheduler` is not used: the loop is the clock."""
        known = _known(stream)
        line = known.line
        if line is None or not FUSE.get():
            return _observe(known.plan(stream), observer)
        if line.pull is not None:
            pulled = Pulled(stream, line, line.pull, observer)
            pulled.drive()
            return pulled
        if isinstance(line.origin, Observable):
            heard = Heard(stream, line, observer)
            heard.listen(line.origin)
            return heard
        loop = _get_running_loop()
        if loop is not None and line.asynchronous:
            return Later(loop, lambda: _observe(known.plan(stream), observer))
        return _observe(known.plan(stream), observer)

    async def iterate(self, stream: Stream[T]) -> AsyncIterator[T]:
        """Elements as they come; at most 64 wait for whoever iterates."""
        waiting = _Waiting()
        root = _Observed(waiting, _AHEAD)
        waiting.root = root
        runtime = _begin(_known(stream).plan(stream), root)
        try:
            while True:
                while waiting.items:
                    item = waiting.items.popleft()
                    root.taken()
                    yield item
                if waiting.error is not None:
                    raise waiting.error
                if waiting.over:
                    return
                await waiting.more()
        finally:
            root.closed = True
            await runtime.close(_CLOSE_S)

    async def last(self, stream: Stream[T]) -> T:
        """The last element. Raises reactivex's SequenceContainsNoElementsError if there is none."""
        found: list[T] = []
        async for item in self.iterate(stream):
            found[:] = [item]
        if not found:
            raise SequenceContainsNoElementsError("the stream ended without an element")
        return found[0]


class _Waiting(abc.ObserverBase[Any]):
    """Holds elements until somebody iterates on."""

    root: _Observed

    def __init__(self) -> None:
        self.items: deque[Any] = deque()
        self.error: BaseException | None = None
        self.over = False
        self._more: asyncio.Future[None] | None = None

    def on_next(self, value: Any) -> None:
        self.items.append(value)
        self.root.held += 1
        self._tell()

    def on_error(self, error: Exception) -> None:
        self.error = error
        self._tell()

    def on_completed(self) -> None:
        self.over = True
        self._tell()

    async def more(self) -> None:
        self._more = asyncio.get_running_loop().create_future()
        await self._more

    def _tell(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)


Stream.explorer = Explorer()

"""What a flattening unit reads: one unit for each inner source, beside it in the same running graph.

An inner unit has no inputs and pushes through its `Inlet` straight into what lies behind the flattening unit,
within the same credit. A Stream is a graph of its own, run by a runtime of its own, whose nodes are named
`outer.inner` in errors; whatever else produces runs as a source of that kind would.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

import reactivex
from reactivex import Observable

from rxstream.engine.island import Exit, Port, ordinary
from rxstream.engine.runtime import Runtime
from rxstream.engine.sources import PullUnit, unit_for
from rxstream.engine.statistics import NodeCounters, NodeState
from rxstream.engine.tasks import CLOSE_S
from rxstream.engine.unit import Unit
from rxstream.engine.watching import Escaped
from rxstream.engine.wiring import launch
from rxstream.errors import AuthorError
from rxstream.events import Progress
from rxstream.graph.build import make_plan
from rxstream.graph.plan import Node, Plan
from rxstream.source import PushSource, Source
from rxstream.stream import Stream, make_source


class Outer(Protocol):
    """The flattening unit, as its inlets see it."""

    runtime: Runtime
    node: Node

    def inner_room(self) -> int:
        """How many elements may be pushed now."""
        ...

    def inner_demand(self) -> int:
        """How many more elements can be of use at all."""
        ...

    def inner_push(self, items: Sequence[Any]) -> None:
        """Take a batch."""

    def inner_ended(self, inlet: Inlet, error: BaseException | None) -> None:
        """An inner source has ended, because of an error or not."""


class Inlet:
    """Where one inner source ends: its receiver and its exit.

    Raises `AuthorError` for what produces nothing.
    """

    def __init__(self, outer: Outer, found: Any) -> None:
        self.outer = outer
        self.closed = False
        self.feeders: list[Any] = []
        self.counters = NodeCounters()
        self._found = found
        self._unit = _unit_for(found)

    def open(self) -> None:
        """Start reading. It may end before this returns."""
        unit, runtime = self._unit, self.outer.runtime
        # the flattening unit's node, of which nobody is told once more that it has started
        node = replace(self.outer.node, told=False)
        unit.attach(runtime, node, (), Port([self], self.counters))
        unit.is_touched = True  # for ever: the flattening unit stores what there is to store
        runtime.start([unit])
        if isinstance(self._found, Observable) and not isinstance(unit, _Nested):
            unit.step()  # at once, because a hot one may emit before the unit's turn
            unit.ready()
        if runtime.stopping and not unit.closed:
            unit.stop()

    @property
    def waits_for_one(self) -> bool:
        """Whether it gives one element at its end, so that asking again gives all of it."""
        return isinstance(self._unit, _Awaited)

    @property
    def results(self) -> Sequence[Any]:
        """What it has got and not pushed yet, if it waits for one."""
        return self._unit.results if isinstance(self._unit, _Awaited) else ()

    @property
    def kind(self) -> str:
        """What the function gave."""
        return type(self._found).__name__

    def close(self) -> None:
        """Nobody wants more of it."""
        self.closed = True
        self._unit.close()

    def wake(self) -> None:
        """There is room."""
        for feeder in self.feeders:
            feeder.ready()

    # -- receiver and exit ---------------------------------------------------------------------

    def push(self, items: Sequence[Any]) -> None:
        self.outer.inner_push(items)

    def finish(self) -> None:
        self._end(None)

    def fail(self, error: BaseException) -> None:
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        self.closed = True
        self.outer.inner_ended(self, error)

    def abandon(self) -> None:
        self.closed = True

    def demand(self) -> int:
        return self.outer.inner_demand()

    def exits(self) -> Iterator[Exit]:
        yield self

    def room(self) -> int:
        return self.outer.inner_room()


def _unit_for(found: Any) -> Unit:
    if isinstance(found, Stream):
        return _Nested(found)
    if isinstance(found, Observable | AsyncIterable | Source | PushSource):
        return unit_for(found)
    if isinstance(found, Awaitable | concurrent.futures.Future):
        return _Awaited(found)
    if isinstance(found, Iterable) and not isinstance(found, str | bytes | bytearray):
        return PullUnit(lambda: found)
    raise refusal(found)


def refusal(found: Any) -> AuthorError:
    """What to say of something that produces nothing."""
    return AuthorError(
        f"the function gave a {type(found).__name__}, which cannot be flattened: give a Stream, an "
        "Observable, a coroutine, a list or another iterable, or an asynchronous one",
        code="not_flattenable",
    )


def observable_of(found: Any) -> Observable[Any]:
    """What a function gave, for reactivex's operators."""
    if isinstance(found, Observable):
        return found
    if isinstance(found, concurrent.futures.Future):
        return reactivex.from_future(found)
    if isinstance(found, Awaitable | AsyncIterable | Source | PushSource):
        produces = isinstance(found, Source | PushSource)
        return make_source(found if produces else lambda: found)
    if isinstance(found, Iterable) and not isinstance(found, str | bytes | bytearray):
        return reactivex.from_iterable(found)
    raise refusal(found)


def forget(found: Any) -> None:
    """Let go of what nobody will read: a coroutine that was not begun says so otherwise."""
    if inspect.iscoroutine(found) and inspect.getcoroutinestate(found) == inspect.CORO_CREATED:
        found.close()


class _Awaited(Unit):
    """The one result of an awaitable."""

    def __init__(self, found: Any) -> None:
        self._found = found
        self.results: list[Any] = []
        """The result, until it is pushed."""
        self._error: Exception | None = None
        self._over = False

    def start(self) -> None:
        self.runtime.spawn(self, self._wait())

    async def _wait(self) -> None:
        found = self._found
        try:
            if isinstance(found, concurrent.futures.Future):
                found = asyncio.wrap_future(found)
            self.results.append(await found)
        except asyncio.CancelledError as cancelled:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            self._error = ordinary(cancelled)
        except Exception as error:
            if self.closed:
                raise
            self._error = error
        self._over = True
        self.ready()

    def step(self) -> bool:
        if not self._over or (self.results and self.credit() <= 0):
            return False
        if self.results:
            self.emit([self.results.pop()])
        if self._error is not None:
            self.fail(self._error)
        else:
            self.finish()
        return False

    def stop(self) -> None:
        """What was begun goes on to its end."""

    def dispose(self) -> None:
        self.results.clear()
        forget(self._found)


class _Nested(Unit):
    """A Stream, whose graph runs in a runtime of its own."""

    def __init__(self, stream: Stream[Any]) -> None:
        self._stream = stream
        self._root = _Root(self)

    def start(self) -> None:
        plan = _within(self.node.id, make_plan(self.node.id, {"output": self._stream}))
        roots = {plan.outputs["output"]: [self._root]}
        root = self._root
        if self.runtime.loop is not None:
            self.runtime.spawn(self, self._see_off())
        self._escaping(lambda: launch(plan, root, roots, self.runtime.execution_id, root.adopt))

    def _escaping(self, function: Callable[[], object]) -> None:
        """Without a loop it runs at once, and what escapes its runtime escapes this one too."""
        try:
            function()
        except Exception:
            if self._root.escaped is not None:
                raise self._root.escaped from None
            raise

    async def _see_off(self) -> None:
        """Lives as long as the unit, then until what runs inside has closed."""
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await self._root.inside.close(CLOSE_S)

    def step(self) -> bool:
        self._escaping(self._root.wake)
        return False

    def stop(self) -> None:
        self._root.inside.stop()

    def dispose(self) -> None:
        if self._root.runtime is not None:
            self._root.runtime.dispose()


class _Root:
    """The only root of what runs inside, and its watcher."""

    def __init__(self, unit: _Nested) -> None:
        self.unit = unit
        self.runtime: Runtime | None = None
        self.closed = False
        self.feeders: list[Any] = []
        self.escaped: Escaped | None = None
        self._refused = False
        """Whether somebody inside was told that there is no room, and not yet that there is."""

    @property
    def inside(self) -> Runtime:
        """What runs inside, once it was begun."""
        assert self.runtime is not None
        return self.runtime

    def adopt(self, runtime: Runtime) -> None:
        """Be its root."""
        self.runtime = runtime
        runtime.add_root()

    def wake(self) -> None:
        """There is room."""
        self._refused = False
        for feeder in self.feeders:
            feeder.ready()

    # receiver and exit

    def push(self, items: Sequence[Any]) -> None:
        try:
            self.unit.emit(items)
        except Escaped as escaped:
            self.escaped = escaped
            self.unit.runtime.dispose()
            raise
        self.closed = self.unit.closed

    def finish(self) -> None:
        self.closed = True
        self.inside.root_ended()

    def fail(self, error: BaseException) -> None:
        self.closed = True
        self.inside.failed(error)

    def abandon(self) -> None: ...

    def demand(self) -> int:
        return self.unit.out.demand()

    def exits(self) -> Iterator[Exit]:
        yield self

    def room(self) -> int:
        room = self.unit.credit()
        if room <= 0:
            self._refused = True
        return room

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

    def node_progress(self, node: Node, progress: Progress) -> None:
        outer = self.unit.runtime.port(self.unit.node)
        outer.progress(progress.percentage, progress.message, progress.status)

    def busy(self) -> bool:
        return self._refused

    def settled(self, error: BaseException | None) -> None:
        self.closed = True
        if error is None:
            self.unit.finish()
        else:
            self.unit.fail(error)


def _within(outer: str, plan: Plan) -> Plan:
    """The plan with its nodes named as those of a graph nested in `outer`."""
    nodes = tuple(
        replace(
            node,
            id=f"{outer}.{node.id}",
            inputs=tuple(f"{outer}.{source}" for source in node.inputs),
        )
        for node in plan.nodes
    )
    outputs = {name: f"{outer}.{node}" for name, node in plan.outputs.items()}
    return replace(plan, nodes=nodes, outputs=outputs)

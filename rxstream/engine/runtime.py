"""The driver: steps the units of one running graph, on one event loop, and owns all they started.

Units that can move are in a queue; each gets a step, in turn, and the loop gets its turn at least every few
milliseconds. When nothing is in the queue and nobody outside can put anything there, the graph has stalled
and that is said. Without an event loop (`Stream.subscribe` in a plain script) the same driver runs at once
and whatever needs a loop is refused.

It knows roots (outputs, sinks, observers) only as a count, and the log not at all.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextvars import Context, copy_context
from time import perf_counter
from typing import Any, Final

import structlog
from reactivex import abc
from reactivex.scheduler import CurrentThreadScheduler

from rxstream.engine.asking import Asker
from rxstream.engine.clock import EngineScheduler
from rxstream.engine.cut import Cut
from rxstream.engine.edge import Edge
from rxstream.engine.island import CURRENT, Stage, ordinary
from rxstream.engine.patrol import Patrol
from rxstream.engine.port import NodePort
from rxstream.engine.rates import Meter
from rxstream.engine.showing import Shower
from rxstream.engine.statistics import EdgeStatistics, NodeCounters, NodeState, NodeStatistics
from rxstream.engine.steering import Steering
from rxstream.engine.tasks import Tasks
from rxstream.engine.timers import Timers
from rxstream.engine.unit import Unit
from rxstream.engine.watching import Escaped, Follows, Regions, Watcher, nothing_follows
from rxstream.errors import AuthorError, blame
from rxstream.graph.plan import Node, Plan

_SLICE_S: Final = 0.002
"""How long units are stepped before the loop gets its turn, in seconds."""

_LOOK_S: Final = 0.005
"""How often it is looked whether something is still being written, in seconds."""

_log = structlog.get_logger("rxstream.engine")


class Runtime:
    """One running graph."""

    def __init__(self, plan: Plan, watcher: Watcher, execution_id: str = "") -> None:
        self.plan = plan
        self.watcher = watcher
        self.execution_id = execution_id
        self.thread = threading.get_ident()
        self.loop: asyncio.AbstractEventLoop | None
        try:
            self.loop = asyncio.get_running_loop()
        except RuntimeError:
            self.loop = None
        self.units: list[Unit] = []
        self.edges: dict[tuple[str, int], Edge] = {}
        """By the node that reads it and the input it is; of what is started anew, the latest."""
        self.region: Regions
        self.ended = False
        """Nothing moves any more: every root has ended, one failed, or it was closed."""
        self.deaf = False
        """It is closed, and what may still resist is no longer listened to."""
        self.stopping = False
        """Sources were told to end; what wraps a sub-graph starts it no more."""
        self._sources_ended = False
        self._well = False
        """Every root has ended well."""
        self.attempts: dict[str, tuple[int, Follows]] = {}
        """For nodes that are started anew: which attempt this is, and whether another may follow."""
        self._open_roots = 0
        self._queue: deque[Unit] = deque()
        self._driving = False
        self._scheduled = False
        self._patrol = Patrol(self)
        self._counters: dict[str, NodeCounters] = {}
        self._ports: dict[str, NodePort] = {}
        self.tasks = Tasks(execution_id)
        self.meter = Meter(self.now)
        self.cut: Cut | None = None
        """What is stored of it with each commit, where it can be resumed."""
        self.asker: Asker | None = None
        """Who records what nodes ask."""
        self.steering: Steering | None = None
        """Who brings what is sent to nodes without having been asked for."""
        self.shower: Shower | None = None
        """Who records what nodes show while they work."""
        self.checkpoint: Callable[[str], Awaitable[object]] | None = None
        """Makes what is stored a checkpoint for a node, where it can be resumed."""
        self.on_touched: Callable[[], None] = lambda: None
        """Called when something has changed since the last cut."""
        self.begun: set[str] = set()
        """Nodes that had started before this process took over, of which that is not told again."""
        self._timers = Timers()

    # -- building it up ------------------------------------------------------------------------

    def counters(self, node: Node) -> NodeCounters:
        """The node's counters, the same through all its attempts."""
        found = self._counters.get(node.id)
        if found is None:
            found = self._counters[node.id] = NodeCounters(node.id)
            found.on_end = lambda state: self._node_ended(node, state)
        return found

    def port(self, node: Node) -> NodePort:
        """What the node's code may see and say."""
        found = self._ports.get(node.id)
        if found is None:
            found = self._ports[node.id] = NodePort(self, node)
        return found

    def add_root(self) -> None:
        """One more end that has to be reached before the graph has ended."""
        self._open_roots += 1

    def start(self, units: Iterable[Unit], stages: Iterable[Stage] = ()) -> None:
        """Start units that are wired; what they need to move is theirs to ask for.

        `stages` have ended before their first element (`take(0)`).
        """
        fresh = list(units)
        self.units += fresh
        for unit in fresh:
            for index, edge in enumerate(unit.inputs):
                self.edges[unit.node.id, index] = edge
        # without a loop nobody may be stepped before everybody has started
        driving, self._driving = self._driving, True
        try:
            for unit in fresh:
                try:
                    unit.start()
                except Exception as error:
                    unit.fail(error)
                self.ready(unit)
            for stage in stages:
                stage.end()
        finally:
            self._driving = driving
        self.kick()

    # -- stepping ------------------------------------------------------------------------------

    def touch(self, unit: Unit) -> None:
        """Something of the unit, its queues or its island may have changed."""
        if self.cut is not None and self.cut.touch(unit):
            self.on_touched()

    def ready(self, unit: Unit) -> None:
        """Put a unit into the queue; only from the runtime's own thread."""
        self.touch(unit)
        if unit.is_ready or unit.closed or self.ended:
            return
        unit.is_ready = True
        self._queue.append(unit)
        self.kick()

    def kick(self) -> None:
        """Make sure the queue is looked at."""
        if self._driving:
            return  # who drives looks at the end
        if self.loop is None:
            self.drive()
        elif not self._scheduled:
            self._scheduled = True
            self.loop.call_soon(self.drive)

    def door(self, function: Callable[[], None]) -> None:
        """Run a function on the runtime's thread, soon; the one way in for other threads."""
        if self.loop is None:
            if threading.get_ident() != self.thread:
                raise AuthorError(
                    "another thread pushed into a stream that was subscribed without an event loop: "
                    "subscribe inside asyncio.run(…)"
                )
            function()
            return
        try:
            self.loop.call_soon_threadsafe(function)
        except RuntimeError:  # the loop is closed, so nobody listens
            return

    def drive(self) -> None:
        """Step what can move, for a few milliseconds."""
        self._scheduled = False
        if self._driving:
            return
        self._driving = True
        queue = self._queue
        until = perf_counter() + _SLICE_S if self.loop is not None else float("inf")
        try:
            while queue and not self.ended:
                unit = queue.popleft()
                unit.is_ready = False
                if unit.closed:
                    continue
                self._step(unit)
                if self.stopping and not self._sources_ended:
                    self._end_sources()
                if perf_counter() > until:
                    break
        except Escaped as escaped:
            self.dispose()
            raise escaped.error from None
        except Exception as error:  # of whoever watches: nothing may wait for ever because of it
            self.failed(error)
        finally:
            self._driving = False
        if self.ended:
            return
        if queue:
            self.kick()
        elif self._open_roots:
            self._patrol.look()

    def _step(self, unit: Unit) -> None:
        self.touch(unit)
        if unit.exits and all(exit_.closed for exit_ in unit.exits):
            unit.close()
            return
        try:
            moved = unit.step()
        except (KeyboardInterrupt, SystemExit, Escaped):
            raise
        except BaseException as raised:
            unit.fail(ordinary(raised))
            return
        if moved:
            self.ready(unit)

    # -- what units ask for --------------------------------------------------------------------

    def now(self) -> float:
        """The loop's time in seconds."""
        return self.loop.time() if self.loop is not None else perf_counter()

    def need_loop(self, what: str) -> asyncio.AbstractEventLoop:
        """The event loop. Raises `AuthorError` where there is none."""
        if self.loop is None:
            raise AuthorError(
                f"{what} needs an event loop: subscribe, await or iterate the stream inside asyncio.run(…)",
                code="needs_event_loop",
            )
        return self.loop

    def call_later(
        self, unit: Unit, delay: float, function: Callable[[], None]
    ) -> asyncio.TimerHandle:
        """Call a function after `delay` seconds unless the unit closes before; it may not emit."""
        loop = self.need_loop(f"{unit.node.operator} at {unit.node.where}")

        def ring() -> None:
            if unit.closed or self.ended:
                return
            try:
                function()
            except Exception as error:
                unit.fail(error)

        return self._timers.set(loop, unit, delay, ring)

    def timed(self) -> list[Unit]:
        """Units that wait for a time, of which less is left than when they were looked at last."""
        return [*self._timers.ringing(), *(unit for unit in self.units if unit.is_timed)]

    def spawn(self, unit: Unit, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine that belongs to a unit: it is cancelled when the unit closes."""
        try:
            loop = self.need_loop(f"{unit.node.operator} at {unit.node.where}")
        except AuthorError:
            coroutine.close()
            raise
        return self.tasks.spawn(loop, unit, coroutine, self._context(unit.node))

    def _context(self, node: Node) -> Context:
        context = copy_context()
        context.run(CURRENT.set, self.port(node))
        return context

    def scheduler(self, unit: Unit) -> abc.SchedulerBase:
        """A reactivex scheduler on the engine's clock for one unit."""
        if self.loop is None:
            return CurrentThreadScheduler.singleton()
        return EngineScheduler(self.loop, unit.fail)

    def unit_closed(self, unit: Unit) -> None:
        """A unit has ended: stop what it started."""
        self.touch(unit)
        self._timers.cancel(unit)
        self.tasks.cancel(unit)
        if unit in self.units:
            self.units.remove(unit)

    # -- what happened -------------------------------------------------------------------------

    def node_started(self, node: Node) -> None:
        """The node runs now."""
        counters = self.counters(node)
        counters.state = "running"
        if node.id in self.begun:
            self.begun.discard(node.id)
            return
        counters.begun_at = self.now()
        if not self.ended:
            self.watcher.node_started(node, self.attempts.get(node.id, (1, nothing_follows))[0])

    def node_failed(self, node: Node, error: BaseException) -> None:
        """Code of the node raised, or its source did."""
        if not self.ended:
            attempt, follows = self.attempts.get(node.id, (1, nothing_follows))
            self.watcher.node_failed(node, error, attempt, follows(error))

    def _node_ended(self, node: Node, state: NodeState) -> None:
        port = self._ports.get(node.id)
        if self.ended and not self._well:
            return
        if port is not None:
            port.tell_last()
        self.watcher.node_ended(node, state, self.counters(node))

    def root_ended(self) -> None:
        """One of the roots has ended well."""
        self._open_roots -= 1
        if self._open_roots == 0:
            self._settle(None)

    def failed(self, error: BaseException, node: Node | None = None) -> None:
        """A root was reached by an error, or the graph cannot go on."""
        if node is not None:
            blame(error, node.id, node.where)
        self._settle(error)

    def _settle(self, error: BaseException | None) -> None:
        if not self.ended:
            self.ended = self.tasks.over = True
            self.meter.stop()
            self._well = error is None
            self.watcher.settled(error)

    # -- the end -------------------------------------------------------------------------------

    def stop(self) -> None:
        """End the sources; what is under way goes on to its end. Code of a node may call it too."""
        self.stopping = True
        if not self._driving:
            self._end_sources()
            self.kick()

    def _end_sources(self) -> None:
        self._sources_ended = True
        for unit in list(self.units):
            if unit.closed or unit.inputs:
                continue
            if not unit.node.spec.wraps:
                unit.stop()
            elif unit in self.tasks.awaiting:
                unit.finish()

    async def freeze(self, patience: float) -> None:
        """Step nothing any more, and give what is being written outside so many seconds to be done."""
        self.ended = True
        until = self.now() + patience
        while any(u.writing() for u in self.units) and self.now() < until:  # noqa: ASYNC110  # a write tells nobody that it is done
            await asyncio.sleep(_LOOK_S)

    def dispose(self) -> None:
        """Let go of everything, without waiting."""
        self.ended = self.tasks.over = True
        self.meter.stop()
        self._queue.clear()
        self._patrol.end()
        for port in self._ports.values():
            port.quiet()
        for unit in list(self.units):
            unit.close()

    async def close(self, timeout: float) -> list[str]:
        """Let go of everything; returns the nodes whose tasks resisted for `timeout` seconds.

        They are cancelled once more and left behind. Their last progress is told before this returns.
        """
        self.dispose()
        resisting = await self.tasks.close(timeout)
        for port in self._ports.values():
            port.tell_last()
        self.deaf = True
        return resisting

    def node_statistics(self) -> list[NodeStatistics]:
        """Every node now."""
        found = []
        counts = {node.id: self.counters(node).elements_out for node in self.plan.nodes}
        rates = self.meter.nodes.look(self.meter.now, counts)
        for node in self.plan.nodes:
            c = self.counters(node)
            found.append(
                NodeStatistics(
                    node.id,
                    node.operator,
                    c.state,
                    c.elements_in,
                    c.elements_out,
                    c.errors,
                    c.busy_s,
                    c.progress,
                    rates[node.id],
                    dict(c.tallies),
                )
            )
        return found

    def edge_statistics(self) -> list[EdgeStatistics]:
        """Every queue now."""
        counts = {key: edge.elements for key, edge in self.edges.items()}
        rates = self.meter.edges.look(self.meter.now, counts)
        return [edge.statistics(rates[key]) for key, edge in self.edges.items()]

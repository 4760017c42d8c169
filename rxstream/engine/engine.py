"""The engine owns executions: it admits, runs and ends them, and owns the log they are recorded in.

At most `max_running` run at a time; up to `max_queued` more wait, highest priority first, and the next one is
refused. Opening a durable log goes on with the executions that died with an earlier process, and ends those
that cannot go on, honestly.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import os
import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Literal, Self

import orjson
import structlog

from rxstream.engine.execution import GRACE_S, Execution
from rxstream.engine.fusion import FUSE
from rxstream.engine.resuming import CannotResume, plan_of
from rxstream.engine.states import ENDED, Status, move
from rxstream.engine.statistics import EngineStatistics
from rxstream.errors import (
    Draining,
    GraphError,
    LogError,
    Overloaded,
    UnknownExecution,
    UnknownGraph,
)
from rxstream.events import EventType, draft
from rxstream.graph.build import BoundGraph, Graph
from rxstream.log import Commit, EventLog, ExecutionRecord, open_log

_KEPT_ENDED: Final = 256
"""Ended executions that `Engine.execution` still knows; older ones are in the log."""

CLOSING_S: Final = 1.0
"""How long what runs may take to end when the engine is closed, in seconds; then it is left behind."""

_log = structlog.get_logger("rxstream.engine")


class Engine:
    """Runs graphs. Use it as an asynchronous context manager, or call `open` and `close`.

    `log` is None for one in memory, a path or URL (`"sqlite:events.db"`), or an `EventLog`. `fuse=False`
    runs every operator by itself, which is slower and otherwise the same.
    """

    def __init__(
        self,
        log: str | os.PathLike[str] | EventLog | None = None,
        *,
        graphs: Iterable[Graph[..., Any]] = (),
        max_running: int = 64,
        max_queued: int = 1_000,
        grace_s: float = GRACE_S,
        fuse: bool = True,
    ) -> None:
        self.log = open_log(log)
        self.draining = False
        self.url_prefix = ""
        """Where its endpoints are mounted, for the addresses of `Binary` data; set by the web adapter."""
        self._graphs: dict[str, Graph[..., Any]] = {}
        self._max_running = max_running
        self._max_queued = max_queued
        self._grace_s = grace_s
        self._fuse = fuse
        self._executions: OrderedDict[str, Execution] = OrderedDict()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._queue: list[tuple[int, int, Execution]] = []
        self._order = itertools.count()
        self._ended: Counter[str] = Counter()
        self._events = 0
        self._commits = 0
        for graph in graphs:
            self.add(graph)

    # -- life ----------------------------------------------------------------------------------

    async def open(self) -> None:
        """Open the log and take over what died. Raises `LogError`, `LogLocked`."""
        await self.log.open()
        try:
            await self._take_over()
        except BaseException:
            await self.log.close()
            raise

    async def close(self) -> None:
        """Cancel what runs, wait for it, and close the log.

        What runs has about a second to end. Subscribed sinks may read what is left in that time.
        """
        self.draining = True
        deadline = asyncio.get_running_loop().time() + CLOSING_S
        known = list(self._executions.values())
        for execution in known:
            if not execution.ended:
                execution.hurry(CLOSING_S)
                if execution.unsettled():
                    execution.cancel("the engine was closed")
        self._admit()
        while self._running:
            await asyncio.wait(list(self._running.values()))
        await asyncio.gather(*(execution.leave(deadline) for execution in known))
        await self.log.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _take_over(self) -> None:
        """Go on with what died with an earlier process, oldest first, or end it honestly."""
        for record in reversed(await self._not_ended()):
            try:
                await self.resume(record.execution_id)
            except UnknownGraph:
                _log.warning(
                    "execution waits for its graph to be served",
                    execution_id=record.execution_id,
                    graph=record.graph,
                )
            except CannotResume as reason:
                await self._interrupt(record, reason)

    async def _not_ended(self) -> list[ExecutionRecord]:
        alive = [status.value for status in Status if status not in ENDED]
        found: list[ExecutionRecord] = []
        while True:
            after = found[-1].execution_id if found else None
            page = await self.log.records(statuses=alive, limit=100, after=after)
            found += page
            if not page:
                return found

    async def _interrupt(self, record: ExecutionRecord, reason: CannotResume) -> None:
        said = f"the process that ran this execution died before it ended, and {reason.message}"
        error = {"kind": "world", "code": reason.code, "message": said}
        ended = replace(
            record,
            status=move(Status(record.status), Status.INTERRUPTED).value,
            ended_at=datetime.now(UTC),
            error=error,
        )
        terminal = draft(EventType.PIPELINE_ERROR, None, orjson.dumps({"error": error}))
        await self.log.commit(Commit(record.execution_id, [terminal], ended))
        _log.warning(
            "execution was interrupted",
            execution_id=record.execution_id,
            graph=record.graph,
            reason=reason.message,
        )

    async def resume(
        self, execution_id: str, graph: Graph[..., Any] | BoundGraph | None = None
    ) -> Execution:
        """Go on with an execution that died with an earlier process, under its id and with its numbers.

        Opening the engine does so for all whose graph it serves; `graph` is for one it does not. Raises
        `UnknownExecution`, `UnknownGraph`, `AlreadyEnded`, and `CannotResume` (it is not ended then).
        """
        if execution_id in self._executions and not self._executions[execution_id].ended:
            return self._executions[execution_id]
        record = await self.log.record(execution_id)
        if Status(record.status) in ENDED:
            move(Status(record.status), Status.RUNNING)
        states = await self.log.states(execution_id)
        plan = plan_of(record, lambda: graph or self.graph(record.graph), states)
        execution = Execution(
            plan, record, self.log, None, self._grace_s, self.url_prefix, stored=states
        )
        self._keep(execution)
        self._run(execution)
        _log.info("execution goes on", execution_id=execution_id, graph=record.graph)
        return execution

    # -- graphs --------------------------------------------------------------------------------

    @property
    def graphs(self) -> Mapping[str, Graph[..., Any]]:
        """What it serves, by name."""
        return self._graphs

    def add(self, graph: Graph[..., Any]) -> None:
        """Serve one more graph. Raises `GraphError` when its name is taken or it takes streams."""
        if graph.template:
            raise GraphError(
                f"graph {graph.name!r} takes streams, so it can be nested in a graph but not started"
            )
        known = self._graphs.get(graph.name)
        if known is not None and known is not graph:
            raise GraphError(
                f"two graphs are named {graph.name!r}, in {known.__module__} and in "
                f"{graph.__module__}: rename one"
            )
        self._graphs[graph.name] = graph

    def graph(self, name: str) -> Graph[..., Any]:
        """A graph it serves. Raises `UnknownGraph`."""
        try:
            return self._graphs[name]
        except KeyError:
            known = ", ".join(sorted(self._graphs)) or "none"
            raise UnknownGraph(f"no graph is named {name[:80]!r}: known are {known}") from None

    # -- executions ----------------------------------------------------------------------------

    async def start(
        self,
        graph: Graph[..., Any] | BoundGraph | str,
        params: Mapping[str, Any] | None = None,
        *,
        priority: int = 0,
        detached: bool = True,
        on_last_listener: Literal["cancel"] | None = None,
    ) -> Execution:
        """Start a graph; when this returns, its record is committed.

        `detached=False` is `on_last_listener="cancel"`: it ends soon after nobody listens any more. A
        higher priority leaves the queue first. Raises `InvalidParameters`, `GraphError`, `UnknownGraph`,
        `Overloaded`, `Draining`, `LogError`.
        """
        if self.draining:
            raise Draining("the engine is closing and starts nothing new")
        if not self.log.is_open:
            raise LogError("the engine is not open: use `async with Engine(…)`", code="log_closed")
        bound = self._bound(graph, params)
        plan = bound.build()
        full = len(self._running) >= self._max_running
        if full and len(self._queue) >= self._max_queued:
            raise Overloaded(
                f"{len(self._running)} executions run and {len(self._queue)} wait, which is the limit: "
                "try again later"
            )
        record = ExecutionRecord(
            execution_id=_new_id(),
            graph=plan.name,
            status=Status.QUEUED.value,
            created_at=datetime.now(UTC),
            params=plan.params,
            fingerprint=plan.fingerprint,
            priority=priority,
        )
        for finding in plan.findings:
            _log.warning(
                "graph may grow or wait",
                graph=plan.name,
                rule=finding.rule,
                node=finding.node,
                finding=finding.message,
            )
        leaving = on_last_listener or (None if detached else "cancel")
        execution = Execution(plan, record, self.log, leaving, self._grace_s, self.url_prefix)
        self._keep(execution)
        if full:
            heapq.heappush(self._queue, (-priority, next(self._order), execution))
            execution.on_settled(self._admit)
            beginning: Awaitable[None] = self._begun(execution, Status.QUEUED)
        else:
            # the place is taken before anything is awaited, so that two starts cannot share it
            begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._run(execution, begun)
            beginning = begun
        try:
            await beginning
        except asyncio.CancelledError:  # nobody would know its id
            if execution.unsettled():
                execution.cancel("its start was given up")
            raise
        return execution

    def _bound(
        self, graph: Graph[..., Any] | BoundGraph | str, params: Mapping[str, Any] | None
    ) -> BoundGraph:
        if isinstance(graph, str):
            graph = self.graph(graph)
        if isinstance(graph, BoundGraph):
            if params is not None:
                raise TypeError("parameters were bound already: give the graph itself")
            return graph
        if graph.template:
            raise GraphError(f"graph {graph.name!r} takes streams, so it cannot be started")
        return graph.bind(**(params or {}))

    async def _begun(self, execution: Execution, status: Status) -> None:
        try:
            await execution.begin(status)
        except LogError:
            self._executions.pop(execution.id, None)
            self._queue = [entry for entry in self._queue if entry[2] is not execution]
            heapq.heapify(self._queue)
            raise

    def _run(self, execution: Execution, begun: asyncio.Future[None] | None = None) -> None:
        task = asyncio.get_running_loop().create_task(
            self._lead(execution, begun), name=f"rxstream {execution.graph} {execution.id}"
        )
        self._running[execution.id] = task

    async def _lead(self, execution: Execution, begun: asyncio.Future[None] | None) -> None:
        FUSE.set(self._fuse)  # in the context of this task only
        try:
            if begun is not None:
                try:
                    await self._begun(execution, Status.RUNNING)
                except BaseException as error:
                    if not begun.done():
                        begun.set_exception(error)
                    return
                if not begun.done():
                    begun.set_result(None)
            await execution.run()
        finally:
            self._running.pop(execution.id, None)
            self._ended[execution.record.status] += 1
            self._events += execution.recorder.events
            self._commits += execution.recorder.commits
            self._admit()

    def _admit(self) -> None:
        """Start who waits, while there are places; who was cancelled needs none."""
        waiting = []
        for entry in self._queue:
            if entry[2].unsettled():
                waiting.append(entry)
            else:
                self._run(entry[2])
        self._queue = waiting
        heapq.heapify(self._queue)
        while self._queue and len(self._running) < self._max_running:
            self._run(heapq.heappop(self._queue)[2])

    def _keep(self, execution: Execution) -> None:
        self._executions[execution.id] = execution
        if len(self._executions) > _KEPT_ENDED + len(self._running) + len(self._queue):
            for known in list(self._executions.values()):
                if known.ended and not known.watched:
                    del self._executions[known.id]
                    return

    def execution(self, execution_id: str) -> Execution:
        """One this engine started, running or recently ended. Raises `UnknownExecution`."""
        try:
            return self._executions[execution_id]
        except KeyError:
            raise UnknownExecution(
                f"no execution of this engine has the id {execution_id[:80]!r}"
            ) from None

    async def record(self, execution_id: str) -> ExecutionRecord:
        """Any execution in the log. Raises `UnknownExecution`."""
        return await self.log.record(execution_id)

    async def records(
        self,
        *,
        statuses: Sequence[str] = (),
        graph: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> list[ExecutionRecord]:
        """Executions in the log, newest first; `after` is the last id of the page before."""
        return await self.log.records(statuses=statuses, graph=graph, limit=limit, after=after)

    def statistics(self) -> EngineStatistics:
        """What can be seen of it now; `executions` are those that have not ended."""
        alive = [e for e in self._executions.values() if not e.ended]
        statuses = Counter(self._ended)
        statuses.update(e.record.status for e in alive)
        return EngineStatistics(
            dict(statuses),
            self._events + sum(e.recorder.events for e in alive),
            self._commits + sum(e.recorder.commits for e in alive),
            [e.statistics() for e in alive],
        )


def _new_id() -> str:
    """Sortable by time of creation: 12 hexadecimal digits of milliseconds, then 8 of chance."""
    return f"{int(time.time() * 1_000):012x}{secrets.token_hex(4)}"

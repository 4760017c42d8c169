"""The engine owns executions: it admits, runs and ends them, and owns the log they are recorded in.

At most `max_running` run at a time; up to `max_queued` more wait in a queue (see `scheduling`), and the next
one is refused. Opening a durable log goes on with the executions that died with an earlier process and lets
wait again those that waited; those that cannot go on it ends, honestly.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Literal, Self

import structlog

from rxstream.engine.cut import States
from rxstream.engine.dependencies import Dependencies, look_up, settle
from rxstream.engine.draining import bring_to_rest
from rxstream.engine.execution import GRACE_S, Execution
from rxstream.engine.fusion import FUSE
from rxstream.engine.judging import Judge, Judges, report_to
from rxstream.engine.needs import with_nodes
from rxstream.engine.queue import Queue, doom
from rxstream.engine.requeue import age_s, marked, plan_again
from rxstream.engine.requirements import Requirements, check
from rxstream.engine.resources import Resources
from rxstream.engine.resuming import CannotResume, plan_of
from rxstream.engine.roster import Roster
from rxstream.engine.scheduling import AGEING_S, Scheduler
from rxstream.engine.served import HasGraph, Served
from rxstream.engine.states import ENDED, Status, move
from rxstream.engine.statistics import EngineStatistics
from rxstream.engine.takeover import interrupt, not_ended
from rxstream.errors import (
    Draining,
    LogError,
    UnknownGraph,
)
from rxstream.graph.build import BoundGraph, Graph
from rxstream.graph.plan import Plan
from rxstream.log import EventLog, ExecutionRecord, open_log
from rxstream.log.contract import CheckpointInfo

CLOSING_S: Final = 1.0
"""How long what runs may take to end when the engine is closed, in seconds; then it is left behind."""

DRAIN_S: Final = 6.0
"""How long `Engine.drain` may take, in seconds."""

_log = structlog.get_logger("rxstream.engine")


class Engine:
    """Runs graphs. Use it as an asynchronous context manager, or call `open` and `close`.

    `log` is None for one in memory, a path or URL (`"sqlite:events.db"`), or an `EventLog`. `resources` are
    whole amounts by name, such as `{"gpu": 1}`; `weights` are shares of users, 1 for whom it does not name;
    a step of priority is a head start of `ageing_s` seconds. `fuse=False` runs every operator by itself,
    which is slower and otherwise the same.
    """

    def __init__(
        self,
        log: str | os.PathLike[str] | EventLog | None = None,
        *,
        graphs: Iterable[Graph[..., Any] | HasGraph] = (),
        max_running: int = 64,
        max_queued: int = 1_000,
        max_queued_per_user: int | None = None,
        resources: Mapping[str, int] | None = None,
        weights: Mapping[str, float] | None = None,
        ageing_s: float = AGEING_S,
        grace_s: float = GRACE_S,
        fuse: bool = True,
    ) -> None:
        self.log = open_log(log)
        self.log.on_checkpoint = self._saved
        self.draining = False
        self.url_prefix = ""
        """Where its endpoints are mounted, for the addresses of `Binary` data; set by the web adapter."""
        self._served = Served()
        scheduler = Scheduler(
            places=max_running,
            resources=resources,
            max_waiting=max_queued,
            max_waiting_per_user=max_queued_per_user,
            weights=weights,
            ageing_s=ageing_s,
        )
        self._queue = Queue(scheduler, self._run)
        self._waited_since = float("-inf")
        self.resources = Resources(self._queue)
        self._judges = Judges(self.log)
        self._grace_s = grace_s
        self._fuse = fuse
        self._roster = Roster()
        self._resuming = asyncio.Lock()
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
        known = list(self._roster.known.values())
        for execution in known:
            if not execution.ended:
                execution.hurry(CLOSING_S)
                if execution.unsettled():
                    execution.cancel("the engine was closed")
        self._queue.close()
        await asyncio.sleep(0)  # those that waited say their ends in tasks of their own
        await self._roster.none_led()
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

    async def drain(self, *, grace_s: float = 0.0, timeout: float = DRAIN_S) -> None:
        """Start nothing any more and bring what runs to rest, for a process that follows; then `close`.

        What can go on is suspended and what waits in a durable log is left, and the next engine takes both
        over; the rest has `grace_s` to end and is then cancelled. Returns after `timeout` seconds at most.
        """
        self.draining = True
        self._queue.pause()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await bring_to_rest(
                    self._roster.led, self._queue.waiting, durable=self.log.durable, grace_s=grace_s
                )

    async def _take_over(self) -> None:
        """Go on with what died with an earlier process, oldest first, or end it honestly."""
        self._queue.pause()  # until all are there who come before others
        for record in await not_ended(self.log):
            try:
                await self.resume(record.execution_id)
            except UnknownGraph:
                _log.warning(
                    "execution waits for its graph to be served",
                    execution_id=record.execution_id,
                    graph=record.graph,
                )
            except CannotResume as reason:
                await interrupt(self.log, record, reason)
        self._queue.go_on()

    async def resume(
        self, execution_id: str, graph: Graph[..., Any] | BoundGraph | None = None
    ) -> Execution:
        """Go on with an execution that died with an earlier process, under its id and with its numbers.

        Opening the engine does so for all whose graph it serves; `graph` is for one it does not. Raises
        `UnknownExecution`, `UnknownGraph`, `AlreadyEnded`, and `CannotResume` (it is not ended then).
        """
        async with self._resuming:  # it is looked up first, and nobody else may begin it meanwhile
            known = self._roster.known.get(execution_id)
            if known is not None and not known.ended:
                return known
            return await self._resume(execution_id, graph)

    async def _resume(
        self, execution_id: str, graph: Graph[..., Any] | BoundGraph | None
    ) -> Execution:
        record = await self.log.record(execution_id)
        if Status(record.status) in ENDED:
            move(Status(record.status), Status.RUNNING)

        def found() -> Graph[..., Any] | BoundGraph:
            return graph or self.graph(record.graph)

        if record.status == Status.QUEUED:
            plan, record = plan_again(record, found)
            return await self._wait_again(plan, record, await self._judges.of(found()))
        states = await self.log.states(execution_id)
        plan = plan_of(record, found, states)
        execution = self._made(plan, record, await self._judges.of(found()), stored=states)
        self._queue.hold(Requirements.of(record).request(execution_id, record.priority))
        self._roster.add(execution, len(self._queue.waiting))
        self._run(execution)
        _log.info("execution goes on", execution_id=execution_id, graph=record.graph)
        return execution

    def _made(
        self,
        plan: Plan,
        record: ExecutionRecord,
        judge: Judge | None,
        leaving: Literal["cancel"] | None = None,
        stored: States | None = None,
    ) -> Execution:
        execution = Execution(
            plan, record, self.log, leaving, self._grace_s, self.url_prefix, stored
        )
        if judge is not None:
            report_to(judge, execution.recorder, execution.id)
        return execution

    def _saved(self, execution_id: str, info: CheckpointInfo) -> None:
        execution = self._roster.known.get(execution_id)
        if execution is not None:
            execution.saved(info)

    async def _wait_again(
        self, plan: Plan, record: ExecutionRecord, judge: Judge | None
    ) -> Execution:
        wanted = Requirements.of(record)
        known = await look_up(wanted, self._roster.known, self.log.record, strict=False)
        execution = self._made(plan, record, judge)
        self._roster.add(execution, len(self._queue.waiting))
        now = asyncio.get_running_loop().time()
        # whatever the system's clock did meanwhile, nobody passes who came earlier
        self._waited_since = max(self._waited_since, now - age_s(record))
        if self._offer(execution, wanted, settle(wanted, known), self._waited_since):
            self._run(execution)
        _log.info("execution waits again", execution_id=record.execution_id, graph=record.graph)
        return execution

    # -- graphs --------------------------------------------------------------------------------

    @property
    def graphs(self) -> Mapping[str, Graph[..., Any]]:
        """What it serves, by name."""
        return self._served.by_name

    def add(self, graph: Graph[..., Any] | HasGraph) -> None:
        """Serve another graph or pipeline. Raises `GraphError` if its name is taken or it takes streams."""
        self._served.add(graph)

    def graph(self, name: str) -> Graph[..., Any]:
        """A graph it serves. Raises `UnknownGraph`."""
        return self._served.get(name)

    # -- executions ----------------------------------------------------------------------------

    async def start(
        self,
        graph: Graph[..., Any] | BoundGraph | HasGraph | str,
        params: Mapping[str, Any] | None = None,
        *,
        priority: int = 0,
        user: str = "",
        resources: Mapping[str, int] | None = None,
        after_success: Sequence[str] = (),
        after_end: Sequence[str] = (),
        detached: bool = True,
        on_last_listener: Literal["cancel"] | None = None,
    ) -> Execution:
        """Start a graph, or a pipeline; when this returns, its record is committed.

        It waits for the executions that `after_success` and `after_end` name, and holds nothing meanwhile; it
        has `resources` (if None, those its graph names) and what its nodes need beside from its first moment
        to its last. `user` is whose turn it uses. `detached=False` is `on_last_listener="cancel"`: it ends
        soon after nobody listens any more. Raises `InvalidParameters`, `GraphError`, `UnknownGraph`,
        `Overloaded`, `Draining`, `LogError`.
        """
        self._check_open()
        bound = self._served.bound(graph, params)
        wanted = check(
            {
                "user": user,
                "resources": bound.graph.resources if resources is None else resources,
                "after_success": after_success,
                "after_end": after_end,
            },
            self.resources.totals,
        )
        plan = bound.build()
        wanted = with_nodes(wanted, plan.nodes, self.resources.totals)
        judge = await self._judges.of(bound)
        known = await look_up(wanted, self._roster.known, self.log.record)
        self._check_open()  # again, because that may have taken a while
        for finding in plan.findings:
            _log.warning(
                "graph may grow or wait",
                graph=plan.name,
                rule=finding.rule,
                node=finding.node,
                finding=finding.message,
            )
        record = ExecutionRecord(
            execution_id=_new_id(),
            graph=plan.name,
            status=Status.QUEUED.value,
            created_at=datetime.now(UTC),
            params=plan.params,
            fingerprint=plan.fingerprint,
            priority=priority,
            detail=wanted.detail(),
        )
        leaving = on_last_listener or (None if detached else "cancel")
        execution = self._made(plan, record, judge, leaving)
        beginning = self._admit(execution, wanted, settle(wanted, known), bound)
        try:
            await beginning
        except asyncio.CancelledError:  # nobody would know its id
            if execution.unsettled():
                execution.cancel("its start was given up")
            raise
        return execution

    def _check_open(self) -> None:
        if self.draining:
            raise Draining("the engine is closing and starts nothing new")
        if not self.log.is_open:
            raise LogError("the engine is not open: use `async with Engine(…)`", code="log_closed")

    def _admit(
        self, execution: Execution, wanted: Requirements, needs: Dependencies, bound: BoundGraph
    ) -> Awaitable[None]:
        """Let it run or wait; what is returned is done when that is recorded."""
        runs = self._offer(execution, wanted, needs)
        self._roster.add(execution, len(self._queue.waiting))
        if self.log.durable:
            execution.record = marked(execution.record, bound)
        if not runs:
            return self._begun(execution, Status.QUEUED)
        # the place is taken before anything is awaited, so that two starts cannot share it
        begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._run(execution, begun)
        return begun

    def _offer(
        self,
        execution: Execution,
        wanted: Requirements,
        needs: Dependencies,
        since: float | None = None,
    ) -> bool:
        request = wanted.request(
            execution.id, execution.record.priority, needs.after_success, needs.after_end
        )
        if needs.failed is not None:
            execution.settle(doom(*needs.failed))
        return self._queue.offer(execution, request, since)

    async def _begun(self, execution: Execution, status: Status) -> None:
        try:
            await execution.begin(status)
        except LogError:
            self._roster.drop(execution)
            raise

    def _run(self, execution: Execution, begun: asyncio.Future[None] | None = None) -> None:
        self._roster.lead(execution, self._lead(execution, begun))

    async def _lead(self, execution: Execution, begun: asyncio.Future[None] | None) -> None:
        FUSE.set(self._fuse)  # in the context of this task only
        self.resources.serve(execution.id)
        try:
            if begun is not None:
                try:
                    # one that was doomed before it began does not begin
                    await self._begun(
                        execution, Status.RUNNING if execution.unsettled() else Status.QUEUED
                    )
                except BaseException as error:
                    if not begun.done():
                        begun.set_exception(error)
                    return
                if not begun.done():
                    begun.set_result(None)
            await execution.run()
        finally:
            self._roster.led_to_its_end(execution)
            self.resources.forget(execution.id)
            self._queue.ended(execution)

    def execution(self, execution_id: str) -> Execution:
        """One this engine started, running or recently ended. Raises `UnknownExecution`."""
        return self._roster.get(execution_id)

    def queue(self) -> dict[str, dict[str, Any]]:
        """Who waits, in the order of their turns: `{position, waiting_for: [{kind, name}]}` by id."""
        return self._queue.shown()

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
        return self._roster.statistics(self._judges.statuses())


def _new_id() -> str:
    """Sortable by time of creation: 12 hexadecimal digits of milliseconds, then 8 of chance."""
    return f"{int(time.time() * 1_000):012x}{secrets.token_hex(4)}"

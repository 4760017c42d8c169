"""The life of one run of a graph: from its record to its terminal event.

Its runtime tells what happens (`telling`), which is recorded; whoever wants to see it reads the log. Where
it can be resumed, what it would need is stored with each commit. Who may end it and how is in `execution`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import structlog

from rxstream.engine.cut import Cut, States, root_states
from rxstream.engine.keeping import Keeping
from rxstream.engine.outcome import gives_a_result, plain, result_of, shown
from rxstream.engine.published import Published
from rxstream.engine.questions import Questions
from rxstream.engine.recorder import Recorder
from rxstream.engine.runtime import Runtime
from rxstream.engine.showing import Shower
from rxstream.engine.states import ENDED, Status, move
from rxstream.engine.steering import Steering
from rxstream.engine.tasks import CLOSE_S
from rxstream.engine.telling import Telling
from rxstream.engine.wiring import launch
from rxstream.errors import AuthorError, CodecError, ExecutionCancelled, LogError, classify
from rxstream.events import EventType
from rxstream.graph.plan import Plan
from rxstream.log.contract import CheckpointInfo, Delta, EventLog, ExecutionRecord

_log = structlog.get_logger("rxstream.engine")


class Suspended(LogError):
    """Its engine was stopped; it goes on with the next engine that opens the log."""

    code = "suspended"


class Life:
    """A run of a graph, led by the engine."""

    def __init__(
        self,
        plan: Plan,
        record: ExecutionRecord,
        log: EventLog,
        url_prefix: str = "",
        stored: States | None = None,
    ) -> None:
        self.plan = plan
        self.record = record
        self.recorder = Recorder(log, record.execution_id, self._room, url_prefix)
        self.resumable = (log.durable or stored is not None) and not plan.obstacles
        """Whether it goes on after a crash: what it would need is stored with each commit."""
        self._kept = Keeping(plan, stored)
        if stored is None:
            detail = {**record.detail, "resumable": self.resumable}
            self.record = replace(record, detail=detail)
        self.runtime: Runtime
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._published: dict[str, Published] = {}
        self._settled: asyncio.Future[BaseException | None] = self._loop.create_future()
        if self._kept.ended:
            self._settled.set_result(self._kept.error)
        self._ended = asyncio.Event()
        self._error: BaseException | None = None
        self._value: Any = None
        self._patience = CLOSE_S
        self._questions = Questions(self.recorder, self._waits)
        self._steering = Steering(self.recorder)
        self.on_settled(self._steering.close)
        self.recorder.on_failed = self.settle
        self.recorder.patient = gives_a_result(plan)
        self._decided = False
        """Whether it is known how it ended."""
        self._bound = _log.bind(execution_id=record.execution_id, graph=record.graph)

    @property
    def id(self) -> str:
        """The execution's id."""
        return self.record.execution_id

    @property
    def graph(self) -> str:
        """The graph's name."""
        return self.record.graph

    @property
    def status(self) -> Status:
        """Where it stands."""
        return Status(self.record.status)

    @property
    def ended(self) -> bool:
        """Whether its terminal event is recorded (or can never be)."""
        return self._ended.is_set()

    # -- from its beginning to its end --------------------------------------------------------

    async def begin(self, status: Status) -> None:
        """Record that it exists, and that it runs if it does. Raises `LogError`."""
        if status is Status.RUNNING:
            self._move(status, started_at=_now())
            self._told_start()
        await self.recorder.record(self.record)

    async def run(self) -> None:
        """Lead it from running to its end; raises only when its task is cancelled."""
        try:
            error = await self._run()
            if isinstance(error, Suspended):
                self._give_up(error)
            else:
                await self._end(error)
        except LogError as failed:
            self._give_up(failed)
        except BaseException as raised:
            if hasattr(self, "runtime"):
                self.runtime.dispose()
            self._give_up(LogError(f"its end could not be recorded: {raised!r}"))
            raise
        finally:
            self.recorder.close()
            self._ended.set()

    async def _run(self) -> BaseException | None:
        self._published = {
            node.id: Published(self.recorder, node) for node in self.plan.nodes if node.published
        }
        for node_id, state in root_states(self._kept.nodes).items():
            self._published[node_id].restore(state)
        if self._settled.done():
            return self._ended_with(self._settled.result())
        if self.status is Status.QUEUED:
            self._move(Status.RUNNING, started_at=_now())
            self._told_start()
            await self.recorder.record(self.record)
            if self._settled.done():
                return self._settled.result()
        try:
            self._launch()
        except Exception as error:
            self.settle(error)
        error_or_none = await self._settled
        self.runtime.dispose()  # which tells the ends of nodes that were closed by it
        self.recorder.hold(False)
        await self.runtime.close(min(CLOSE_S, self._patience))
        return self._ended_with(error_or_none)

    def _launch(self) -> None:
        roots = {node: [root] for node, root in self._published.items()}
        watcher = Telling(self.recorder, self._bound, self.settle)
        launch(self.plan, watcher, roots, self.id, self._adopt)
        self._steering.launched()
        if self._kept.stopped:
            self.runtime.stop()

    def _adopt(self, runtime: Runtime) -> None:
        self.runtime = runtime
        runtime.asker = self._questions
        runtime.steering = self._steering
        runtime.shower = Shower(self.recorder)
        for root in self._published.values():
            root.runtime = runtime
            if not root.closed:
                runtime.add_root()
        if self.resumable:
            runtime.cut = Cut(runtime, self._kept.nodes)
            runtime.on_touched = self.recorder.changed
            runtime.checkpoint = self._checkpoint
            self.recorder.cut = self._cut

    def _room(self) -> None:
        if hasattr(self, "runtime"):
            for root in self._published.values():
                for feeder in root.feeders:
                    feeder.ready()
            self.runtime.kick()

    def settle(self, error: BaseException | None) -> None:
        """End it, unless something has ended it already; None is a good end."""
        if not self._settled.done():
            self._settled.set_result(error)
            if hasattr(self, "runtime"):
                self.runtime.ended = True
                self.recorder.hold(True)
                if self.runtime.cut is not None:
                    self.recorder.changed()

    def unsettled(self) -> bool:
        """Whether nothing has ended it yet."""
        return not self._settled.done()

    def on_settled(self, function: Callable[[], None]) -> None:
        """Call a function when something has ended it."""
        self._settled.add_done_callback(lambda _: function())

    def _check_running(self) -> None:
        if self.ended or self.status in ENDED:
            move(self.status, Status.CANCELLED)
        if self._settled.done():
            move(Status.CANCELLED, Status.CANCELLED)

    def hurry(self, seconds: float) -> None:
        """Let it take no longer to end, once something has ended it."""
        self.recorder.hurry()
        if hasattr(self, "runtime"):
            self.runtime.tasks.hurry(seconds)
        self._patience = seconds

    def _ended_with(self, error: BaseException | None) -> BaseException | None:
        return ExecutionCancelled("stopped") if self._kept.stopped and error is None else error

    async def _end(self, error: BaseException | None) -> None:
        duration = self._duration_ms()
        if self.recorder.refused is not None:
            self.recorder.hurry()
        self._decided = not isinstance(error, LogError)
        if error is None:
            self._value = result_of(self.plan, self._published)
            try:
                result = plain(self._value)
            except CodecError as changed:  # it was recorded, so somebody changed it since
                await self._end(changed)
                return
            self.recorder.add(
                EventType.PIPELINE_COMPLETE, None, {"result": result, "duration_ms": duration}
            )
            self._move(Status.COMPLETED, ended_at=_now(), result=result)
        elif isinstance(error, ExecutionCancelled):
            self._error = error
            self.recorder.add(EventType.PIPELINE_CANCELLED, None, {"reason": error.message})
            self._move(Status.CANCELLED, ended_at=_now(), error=dict(classify(error)))
        else:
            self._error = error
            told = shown(error)
            self.recorder.add(EventType.PIPELINE_ERROR, None, {"error": told})
            self._move(Status.FAILED, ended_at=_now(), error=dict(told))
        self._bound.info("execution ended", status=self.record.status, duration_ms=duration)
        await self.recorder.record(self.record)

    def _give_up(self, error: LogError) -> None:
        """Nothing can be recorded: readers find the transport aborted, never a false ending.

        Of a pipeline whoever waits here still gets the result: none of its steps has to run again for it.
        """
        if isinstance(error, Suspended):
            self._error = error
            self._bound.info("execution suspended")
            self._log.abandon(self.id, error)
            return
        self._bound.error("the execution could not be recorded", error=error.message)
        if self._decided and self.recorder.patient:
            self._log.abandon(self.id, error)
            return
        self._error = error
        if not self.ended and self.status not in ENDED:
            self._move(Status.FAILED, ended_at=_now())
        else:
            self.record = replace(self.record, status=Status.FAILED.value)
        self._log.abandon(self.id, error)

    # -- what is recorded of it ----------------------------------------------------------------

    def _waits(self, for_answers: bool) -> None:
        """It waits while a question is open."""
        wanted = Status.WAITING if for_answers else Status.RUNNING
        if self.unsettled() and self.status is not wanted and self.status not in ENDED:
            self._move(wanted)
            self.recorder.note(self.record)

    def _move(self, status: Status, **changes: Any) -> None:
        self.record = replace(self.record, status=move(self.status, status).value, **changes)

    def _told_start(self) -> None:
        self._bound.info("execution started")
        self.recorder.add(
            EventType.PIPELINE_START,
            None,
            {
                "graph": self.record.graph,
                "params": dict(self.record.params),
                "fingerprint": self.record.fingerprint,
            },
        )

    def _duration_ms(self) -> float:
        started = self.record.started_at or self.record.created_at
        return round((_now() - started).total_seconds() * 1_000, 3)

    # -- what is stored to go on ---------------------------------------------------------------

    async def _checkpoint(self, node_id: str | None) -> CheckpointInfo:
        self._check_running()
        if not self.resumable:
            why = self._kept.lost or next(
                iter(self.plan.obstacles), "its log does not outlive the process"
            )
            raise AuthorError(f"{self.id} cannot be resumed: {why}", code="not_resumable")
        await self.recorder.record(self.record)
        info = await self._log.checkpoint(self.id)
        self.saved(info, node_id)
        return info

    def saved(self, info: CheckpointInfo, node_id: str | None = None) -> None:
        """Tell that what it would need to go on was put together, and which node asked for it."""
        if self.unsettled():
            self.recorder.add(EventType.CHECKPOINT_SAVED, node_id, info._asdict())

    def _cut(self) -> Mapping[str, Delta]:
        """What changed since the last commit, and how it is ending if it is."""
        cut = self.runtime.cut
        assert cut is not None
        if self.unsettled():
            try:
                deltas = cut.take()
            except Exception as error:
                deltas = self._not_storable(cut, error)
            if self.unsettled():
                return {**deltas, **self._kept.of_itself()}
        return self._kept.of_end(self._settled.result(), self._published.values())

    def _not_storable(self, cut: Cut, error: Exception) -> dict[str, Delta]:
        """An element or a state has no stored form: a graph that must be resumable fails, another goes on."""
        node = self.plan.by_id.get(getattr(error, "node", None) or "")
        if self.plan.resumable and node is not None:
            self.runtime.node_failed(node, error)
            self.runtime.failed(error, node)
            return {}
        said = classify(error)["message"]
        self._bound.warning("execution cannot be resumed any more", error=said)
        self.resumable = False
        self.runtime.cut, self.recorder.cut = None, dict
        return self._kept.give_up(cut, said)


def _now() -> datetime:
    return datetime.now(UTC)

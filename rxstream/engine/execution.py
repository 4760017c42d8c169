"""One run of a graph, as whoever started it has it: its events, its result, and how it is ended.

Four ways to leave are kept apart: a client disconnects (nothing happens here), `detach` (it runs on without
listeners), `stop` (sources end, what is under way finishes) and `cancel` (now). How it runs is in `life`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from typing import Any, Final, Literal

from rxstream.engine.asking import Question
from rxstream.engine.audience import Audience
from rxstream.engine.bottleneck import find_bottleneck
from rxstream.engine.cut import States
from rxstream.engine.life import Life, Suspended
from rxstream.engine.outcome import raised
from rxstream.engine.states import Status
from rxstream.engine.statistics import ExecutionStatistics
from rxstream.engine.steering import NobodyListens
from rxstream.engine.subscription import Delivery, Subscription, Subscriptions
from rxstream.errors import ExecutionCancelled
from rxstream.events import StreamEvent
from rxstream.graph.plan import Plan
from rxstream.log.contract import CheckpointInfo, EventLog, ExecutionRecord
from rxstream.sink import Sink

_LAST_WRITES_S: Final = 1.0
"""How long writes of sinks that are under way have when an execution is suspended, in seconds."""

GRACE_S: Final = 5.0
"""How long after its last listener left an execution with `on_last_listener="cancel"` goes on."""

_PLAIN: Final = Delivery()


class Execution(Life):
    """A run of a graph. Made by `Engine.start`."""

    def __init__(
        self,
        plan: Plan,
        record: ExecutionRecord,
        log: EventLog,
        on_last_listener: Literal["cancel"] | None = None,
        grace_s: float = GRACE_S,
        url_prefix: str = "",
        stored: States | None = None,
    ) -> None:
        super().__init__(plan, record, log, url_prefix, stored)
        self._audience = Audience(on_last_listener == "cancel", grace_s, self._nobody_listens)
        self._subscriptions = Subscriptions(log, record.execution_id)

    # -- what is seen of it --------------------------------------------------------------------

    async def events(self, after: str | int | None = None) -> AsyncIterator[StreamEvent]:
        """Every recorded event after a cursor, to the terminal one. Whoever reads them listens meanwhile."""
        with self._audience.listening():
            async for event in await self._log.follow(self.id, after):
                yield event

    async def result(self) -> Any:
        """The last element of its output; of a dict of outputs a dict of them.

        None stands for an output that ended empty. Raises what ended it: the `RxStreamError` it was,
        `NodeError` for what the user's code raised (its cause), `ExecutionCancelled`.
        """
        await self._ended.wait()
        if self._error is None:
            return self._value
        raise raised(self._error, self.plan)

    async def wait(self) -> None:
        """Wait until it has ended, whichever way."""
        await self._ended.wait()

    def statistics(self) -> ExecutionStatistics:
        """What can be seen of it now."""
        runtime = getattr(self, "runtime", None)
        nodes = runtime.node_statistics() if runtime else []
        edges = runtime.edge_statistics() if runtime else []
        elapsed, log = runtime.meter.elapsed_s if runtime else 0.0, self.recorder.blocked_s
        return ExecutionStatistics(
            self.id,
            self.graph,
            self.record.status,
            self.recorder.events,
            self.recorder.pending,
            nodes,
            edges,
            elapsed,
            log,
            find_bottleneck(self.plan, nodes, edges, log, elapsed),
            self._subscriptions.statistics(),
        )

    # -- what is said to it --------------------------------------------------------------------

    @property
    def questions(self) -> list[Question]:
        """What it waits to be answered, oldest first."""
        return self._questions.open

    async def answer(self, request_id: str, value: Any, *, by: str | None = None) -> None:
        """Answer a question; when this returns, the answer is recorded.

        Raises `UnknownRequest` for one that is not open (any more), `InvalidParameters` for a value that is
        no answer to it, `AlreadyEnded`, `LogError`.
        """
        self._check_running()
        await self._questions.answer(request_id, value, by)

    async def send(self, value: Any, *, to: str | None = None, by: str | None = None) -> None:
        """Send plain data to the node that takes what nobody asked for (an agent); `to` names one of several.

        When this returns it is recorded. Raises `NobodyListens`, what the node raises for a value it cannot
        take, `AlreadyEnded`, `LogError`.
        """
        self._check_running()
        if self.status is Status.QUEUED:
            raise NobodyListens("the execution is queued: send when it runs")
        await self._steering.send(value, to, by)

    @property
    def listens(self) -> list[str]:
        """The nodes that `send` reaches now, by id."""
        return self._steering.listening

    async def checkpoint(self) -> CheckpointInfo:
        """Store now what it would need to go on, put together; the log does so by itself when it is due.

        Raises `AuthorError` when it cannot be resumed, `AlreadyEnded`, `LogError`.
        """
        return await self._checkpoint(None)

    # -- how it is ended and left --------------------------------------------------------------

    def cancel(self, reason: str = "cancelled") -> None:
        """End it now. Raises `AlreadyEnded`."""
        self._check_running()
        self.settle(ExecutionCancelled(reason))

    def stop(self) -> None:
        """End its sources; what is under way finishes, then it is cancelled with reason `stopped`.

        Raises `AlreadyEnded`.
        """
        self._check_running()
        if not hasattr(self, "runtime"):  # it waits, or its start is being recorded
            self.settle(ExecutionCancelled("stopped"))
        elif not self._kept.stopped:
            self._kept.stopped = True
            self.runtime.stop()
            if self.runtime.cut is not None:
                self.recorder.changed()

    async def suspend(self) -> bool:
        """Stop here without an end, so that the next engine that opens the log goes on; whether it could.

        Writes of sinks that are under way have a second to be done; asynchronous functions are called again.
        Its readers find the transport aborted. Raises `LogError` when the state could not be stored.
        """
        if not self.resumable or not self.unsettled() or not hasattr(self, "runtime"):
            return False
        await self.runtime.freeze(_LAST_WRITES_S)
        if not self.unsettled() or self.runtime.cut is None:
            return False
        await self.recorder.record(self.record)
        self.recorder.close()
        await self._log.checkpoint(self.id)
        self.settle(Suspended("the engine was stopped; the execution goes on with the next one"))
        return True

    def detach(self) -> None:
        """Let it run on without listeners from now on. Raises `AlreadyEnded`."""
        self._check_running()
        self._audience.never_mind()

    # -- who listens ---------------------------------------------------------------------------

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return self._audience.count

    def listening(self) -> AbstractContextManager[None]:
        """Somebody listens meanwhile, for `on_last_listener`."""
        return self._audience.listening()

    def _nobody_listens(self) -> None:
        self.settle(ExecutionCancelled("the last listener left"))

    def subscribe(
        self,
        sink: Sink[StreamEvent],
        *,
        after: str | int | None = None,
        delivery: Delivery = _PLAIN,
    ) -> Subscription:
        """Write its events to a sink that reads the log and never holds the execution back."""
        return self._subscriptions.add(sink, after, delivery)

    @property
    def watched(self) -> bool:
        """Whether a subscribed sink still reads its log."""
        return bool(self._subscriptions)

    async def leave(self, deadline: float) -> None:
        """Let its subscriptions read to the end until the loop's clock shows `deadline`, then remove them."""
        await self._subscriptions.leave(deadline - self._loop.time())

    def __repr__(self) -> str:
        return f"<Execution {self.id} of {self.graph}: {self.status}>"

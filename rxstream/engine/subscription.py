"""Sinks that read an execution's log: added and removed while it runs, never in its way.

One has a cursor and no queue; when it is slow it is late, or gives up what is old, as its `Delivery` says.
One that raises or hangs is tried again, then what it refuses goes to its dead letters, or it ends alone and
says why. Others and the execution go on meanwhile.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final, Literal

import structlog

from rxstream.errors import AuthorError, BufferOverflow, ErrorData, ExecutionTimeout, classify
from rxstream.events import StreamEvent, gap
from rxstream.failures import classify_failure
from rxstream.log import Reader
from rxstream.log.contract import EventLog
from rxstream.log.values import Position
from rxstream.sink import Sink, Write

_BATCH: Final = 256
"""Events that are written at a time, at most."""

_LEAVE_S: Final = 1.0
"""How long a sink that failed may take to let go, in seconds."""

_REMOVED_S: Final = 0.2
"""How long a sink that is removed because the engine closes may take, in seconds."""

_log = structlog.get_logger("rxstream.engine")


@dataclass(frozen=True)
class Delivery:
    """How events are brought to one sink. Raises `AuthorError` for what is none.

    It is late when it is more than `buffer` events behind; then `policy` says what becomes of them: `block`
    keeps all (in the log), `drop_oldest` goes on with the newest `buffer` behind a `gap` event, `fail` ends
    it. A write may take `timeout` seconds. One that fails is tried `retries` times again after pauses that
    double from `first` to `maximum` seconds, with the sink opened anew; then each of its events alone, and
    those it refuses go to `dead_letters` as `{input, sink, error, failure}`. Without that it ends.
    """

    buffer: int = 1_000
    policy: Literal["block", "drop_oldest", "fail"] = "block"
    timeout: float | None = None
    retries: int = 0
    first: float = 0.1
    maximum: float = 5.0
    dead_letters: Sink[Any] | None = None

    def __post_init__(self) -> None:
        if self.policy not in ("block", "drop_oldest", "fail"):
            raise AuthorError(
                f"a reader of the log has policy block, drop_oldest or fail, not {self.policy!r}"
            )
        counts = isinstance(self.buffer, int) and isinstance(self.retries, int)
        if not counts or self.buffer < 1 or self.retries < 0:
            raise AuthorError("a delivery has a buffer of at least 1 and at least 0 retries")
        times = (self.first, self.maximum, self.timeout if self.timeout is not None else 1.0)
        if not all(isinstance(time, int | float) and 0 < time < math.inf for time in times):
            raise AuthorError("times of a delivery are numbers of seconds above 0")
        if self.dead_letters is not None and not isinstance(self.dead_letters, Sink):
            raise AuthorError("dead_letters of a delivery are a sink")


@dataclass(frozen=True)
class SubscriptionStatistics:
    """One subscribed sink: events written, given up and refused, attempts made again, how far behind."""

    sink: str
    state: Literal["reading", "retrying", "ended", "failed", "removed"]
    written: int
    dropped: int
    dead: int
    retries: int
    behind: int | None
    """None once the execution is only in the log."""
    error: ErrorData | None


class _ReaderPort:
    """What a subscribed sink may see; it has no node, so its progress is nobody's."""

    def __init__(self, execution_id: str, start: Any = None) -> None:
        self.execution_id = execution_id
        self.node_id = ""
        self.start = start
        """Where it goes on, when it was opened before and has failed since."""
        self.reached = start

    def progress(
        self, percentage: float | None, message: str | None = None, status: str | None = "running"
    ) -> None: ...

    def seek_point(self, offset: Any) -> None:
        self.reached = offset


class Subscription:
    """One sink on one execution's log."""

    def __init__(
        self,
        log: EventLog,
        execution_id: str,
        sink: Sink[StreamEvent],
        after: str | int | None,
        delivery: Delivery,
    ) -> None:
        self.execution_id = execution_id
        self.sink = sink
        self.delivery = delivery
        self.error: BaseException | None = None
        """Why it ended before the execution did; while it is tried again, why the last attempt failed."""
        self._log = log
        self._reader: Reader | None = None
        self._opened: tuple[AsyncExitStack, Write[StreamEvent]] | None = None
        self._letters: Write[Any] | None = None
        self._start: Any = None
        self._port = _ReaderPort(execution_id)
        self._state: Literal["reading", "retrying", "ended", "failed", "removed"] = "reading"
        self._written = self._dropped = self._dead = self._retried = 0
        self._late = False
        self._bound = _log.bind(execution_id=execution_id, sink=sink.name)
        self.task = asyncio.get_running_loop().create_task(
            self._lead(after), name=f"rxstream sink {sink.name}"
        )

    async def close(self) -> None:
        """Remove it and wait until it has let go."""
        self.task.cancel()
        await asyncio.wait([self.task])

    async def wait(self) -> None:
        """Wait until it has written everything, or failed (see `error`)."""
        await asyncio.wait([self.task])

    @property
    def cursor(self) -> str | None:
        """Behind the last event it was brought; None before the first."""
        return None if self._reader is None else self._reader.cursor

    def statistics(self) -> SubscriptionStatistics:
        """What can be seen of it now."""
        return SubscriptionStatistics(
            self.sink.name,
            self._state,
            self._written,
            self._dropped,
            self._dead,
            self._retried,
            self._behind(),
            None if self.error is None else classify(self.error),
        )

    def _behind(self) -> int | None:
        ring = self._log.rings.get(self.execution_id)
        if ring is None:
            return None
        return ring.last - (0 if self._reader is None else self._reader.after)

    # -- its task ------------------------------------------------------------------------------

    async def _lead(self, after: str | int | None) -> None:
        try:
            async with AsyncExitStack() as letters:
                self._reader = await self._log.follow(self.execution_id, after)
                try:
                    while not self._reader.ended:
                        await self._look_whether_late()
                        events = await self._reader.next(limit=min(_BATCH, self.delivery.buffer))
                        if events:
                            await self._bring(events, letters)
                    await self._leave()
                except BaseException as error:
                    await self._leave(error)
                    raise
            self._state = "ended"
        except asyncio.CancelledError:
            self._state = "removed"
            raise
        except Exception as error:
            self._state, self.error = "failed", error
            self._bound.warning("a sink left", **classify(error))

    async def _look_whether_late(self) -> None:
        reader, delivery = self._reader, self.delivery
        assert reader is not None
        behind = self._behind() or 0
        if behind <= delivery.buffer:
            self._late = False
            return
        if not self._late:
            self._late = True
            self._bound.warning("a sink is late", behind=behind, policy=delivery.policy)
        if delivery.policy == "fail":
            raise BufferOverflow(
                f"sink {self.sink.name!r} is {behind} events behind, more than its {delivery.buffer}: "
                "give it a larger buffer, or a policy that keeps or drops"
            )
        if delivery.policy == "drop_oldest":
            missed = behind - delivery.buffer
            self._dropped += missed
            told = gap(
                self.execution_id,
                self._log.epoch,
                reader.cursor,
                reader.after + missed + 1,
                missed,
            )
            self._reader = Reader(
                self._log, self.execution_id, Position(reader.after + missed, told)
            )

    async def _bring(self, events: Sequence[StreamEvent], letters: AsyncExitStack) -> None:
        """Write a batch, again if need be; what is refused for good goes to the dead letters."""
        pause, left = self.delivery.first, self.delivery.retries
        while True:
            try:
                await self._write(events)
                return
            except Exception as error:
                await self._failed(error)
                refused = error
            if not left:
                break
            self._state = "retrying"
            self._retried += 1
            left -= 1
            await asyncio.sleep(pause)
            pause = min(self.delivery.maximum, pause * 2)
        if self.delivery.dead_letters is None:
            raise refused
        for event in events:
            try:
                if len(events) > 1:
                    await self._write([event])
                    continue
            except Exception as error:
                await self._failed(error)
                refused = error
            await self._bury(event, refused, letters)

    async def _write(self, events: Sequence[StreamEvent]) -> None:
        async with asyncio.timeout(self.delivery.timeout) as watch:
            try:
                if self._opened is None:
                    stack = AsyncExitStack()
                    self._port = _ReaderPort(self.execution_id, self._start)
                    opened = await stack.enter_async_context(self.sink.open(self._port))
                    self._opened = (stack, opened)
                await self._opened[1](events)
            except SystemExit as exit_:  # it would end the event loop, and everybody on it
                raise RuntimeError(
                    f"sink {self.sink.name!r} called sys.exit({exit_.code!r})"
                ) from exit_
            except asyncio.CancelledError as error:
                if not watch.expired():
                    task = asyncio.current_task()
                    if task is not None and not task.cancelling():
                        raise RuntimeError("what the sink awaited was cancelled") from error
                    raise
                raise ExecutionTimeout(
                    f"sink {self.sink.name!r} did not write within {self.delivery.timeout:g} s"
                ) from error
        self._start = self._port.reached
        self._written += len(events)
        self._state, self.error = "reading", None

    async def _failed(self, error: Exception) -> None:
        self.error = error
        self._bound.warning("a sink failed", **classify(error))
        await self._leave(error)

    async def _leave(self, error: BaseException | None = None) -> None:
        """Let the sink let go; what it says about that counts only where nothing was wrong before."""
        if self._opened is None:
            return
        (stack, _), self._opened = self._opened, None
        if error is None:
            await stack.aclose()
            return
        try:
            async with asyncio.timeout(_LEAVE_S):
                await stack.__aexit__(type(error), error, error.__traceback__)
        except Exception as second:
            if second is not error:
                self._bound.warning("a sink did not let go", **classify(second))

    async def _bury(self, event: StreamEvent, error: Exception, letters: AsyncExitStack) -> None:
        assert self.delivery.dead_letters is not None
        if self._letters is None:
            port = _ReaderPort(self.execution_id)
            self._letters = await letters.enter_async_context(self.delivery.dead_letters.open(port))
        self._dead += 1
        self._state = "reading"
        await self._letters(
            [
                {
                    "input": event.to_dict(),
                    "sink": self.sink.name,
                    "error": classify(error),
                    "failure": classify_failure(error),
                }
            ]
        )


class Subscriptions:
    """The sinks on one execution's log."""

    def __init__(self, log: EventLog, execution_id: str) -> None:
        self._log = log
        self._execution_id = execution_id
        self._known: dict[Subscription, None] = {}

    def __bool__(self) -> bool:
        """Whether any still reads."""
        return bool(self._known)

    def add(
        self, sink: Sink[StreamEvent], after: str | int | None, delivery: Delivery
    ) -> Subscription:
        """Begin to bring it events. Raises `AuthorError` for what is no sink."""
        if not isinstance(sink, Sink):
            label = getattr(sink, "__name__", type(sink).__name__)
            raise AuthorError(
                f"{label!r} is no sink: of a function make one with adapters.sinks.callback"
            )
        made = Subscription(self._log, self._execution_id, sink, after, delivery)
        self._known[made] = None
        made.task.add_done_callback(lambda _: self._known.pop(made))
        return made

    def statistics(self) -> list[SubscriptionStatistics]:
        """Of those that still read."""
        return [each.statistics() for each in self._known]

    async def leave(self, seconds: float) -> None:
        """Let them read to the end for so long, then remove them."""
        tasks = [each.task for each in self._known]
        if not tasks:
            return
        await asyncio.wait(tasks, timeout=max(0.0, seconds))
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_REMOVED_S)

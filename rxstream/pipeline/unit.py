"""Runs one step: waits for one dict of each step before it, calls the step in owned tasks, passes on.

A step runs once in an execution: when it has ended, its result is part of the next cut and it is never called
again. One that was under way at a crash is called again with the same data. Where something can be undone,
a step that failed for good does not fail its node's readers: how it failed goes on, steps that have not begun
do not begin, and the ending undoes the others.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any, ClassVar

import structlog

from rxstream.codec import Encoder
from rxstream.engine.asking import CALL
from rxstream.engine.island import CURRENT
from rxstream.engine.op import Changes
from rxstream.engine.stored_error import store_error
from rxstream.engine.unit import Unit
from rxstream.engine.watching import nothing_follows
from rxstream.errors import AuthorError, CodecError, ExecutionTimeout, blame
from rxstream.events import MAX_EVENT_BYTES, Progress
from rxstream.failures import classify_failure, retry_after
from rxstream.pipeline.call import PENDING, StepCall
from rxstream.pipeline.data import Entries, How, Result, failed, folded, united
from rxstream.pipeline.port import CallPort
from rxstream.pipeline.settings import StepSettings

_log = structlog.get_logger("rxstream.pipeline")

_ENVELOPE_BYTES = 1_024
"""What an event may need beside the output it tells."""


class StepUnit(Unit):
    """One step of one execution."""

    incremental: ClassVar[bool] = True
    starts_itself = True

    def __init__(self, settings: StepSettings) -> None:
        self.settings = settings
        self.family = settings.family
        self.entries: Entries | None = None
        """How the steps before it ended, once they all have."""
        self.calls: list[StepCall] = []
        self.queue: deque[StepCall] = deque()
        """Calls that no worker has taken."""
        self.active: set[StepCall] = set()
        """Calls that a worker has taken and that have not ended."""
        self.left = 0
        """Calls that have not ended."""
        self.working = 0
        self.pausing = 0
        self.over = False
        """Whether it has ended and has only to pass on."""
        self.halted = False
        """Whether another step failed for good, so that this one does not begin."""
        self.lost: Exception | None = None
        """What its node ends with."""
        self.count = 0
        """Items that its calls gave, once it has ended."""
        self.degraded = False
        """Whether it was said that an item could not be shown."""
        self._known = False
        self._changed: set[int | None] = set()
        """Calls that changed since they were stored; None is the step itself."""

    # -- moving --------------------------------------------------------------------------------

    def step(self) -> bool:
        if self.entries is None and not self._take():
            return False
        if self.lost is not None:
            self.fail(self.lost)
            return False
        if not self.over:
            self._hire()
            return False
        assert self.entries is not None
        self.emit([self.entries])  # the only one, into queues that nobody else fills: there is room
        if self.entries.get(self.settings.name, ("",))[0] == "failed":
            self.out.counters.ended("failed")
        self.finish()
        return False

    def _take(self) -> bool:
        """Take one dict of each step before, if they are all there."""
        for edge in self.inputs:
            if edge.error is not None:
                self.pass_on(edge.error)
                return False
        if not all(map(len, self.inputs)):
            if any(edge.exhausted for edge in self.inputs):  # it was stopped
                self.finish()
            return False
        self.entries = united(item for edge in self.inputs for item in edge.take(1))
        self.out.counters.elements_in += 1
        self._change(None)
        done_with = self.halted or self.runtime.stopping
        if done_with or failed(self.entries, self.settings.order) is not None:
            self.over = True
            return True
        try:
            self._begin()
        except Exception as error:
            self.tell_start()
            self._lose(error, 1)
        return True

    def _begin(self) -> None:
        """Decide what is to be called."""
        assert self.entries is not None
        settings = self.settings
        data = folded(self.entries, settings.order)
        if not settings.wanted(data):
            self.tell_start()
            self._end("skipped", {})
            return
        self.calls = [
            StepCall(self, index, each, settings.retry.backoff())
            for index, each in enumerate(settings.parts(data))
        ]
        self.queue = deque(self.calls)
        self.left = len(self.calls)
        self._changed.update(range(len(self.calls)))
        self.tell_start()
        self._look_whether_done()

    def tell_start(self) -> None:
        """The node runs now."""
        self.runtime.node_started(self.node)

    def _hire(self) -> None:
        while self.queue and self.working < self.settings.concurrency:
            self.working += 1
            self.runtime.spawn(self, self._work(self.queue.popleft()))

    async def _work(self, call: StepCall | None) -> None:
        try:
            while call is not None:
                CALL.set(call)
                CURRENT.set(CallPort(self.runtime.port(self.node), call))
                self.active.add(call)
                result = await self._led(call)
                self.active.discard(call)
                if result is PENDING:
                    return
                self.left -= 1
                call.flush()
                call.phase, call.result, call.questions = "done", result, None
                self._change(call.index)
                self._look_whether_done()
                call = self.queue.popleft() if self.queue and not self.over else None
        finally:
            self.working -= 1

    def _look_whether_done(self) -> None:
        if self.settings.each is not None and self.calls:
            self.tell_progress(None, None)
        if self.left or self.over:
            return
        how: How = "done"
        if any(call.result[0] == "fallback" for call in self.calls):
            how = "fallback"
        results = [call.result[1] for call in self.calls]
        self._end(how, {self.settings.name: results} if self.settings.each else results[0])

    def _end(self, how: How, result: dict[str, Any]) -> None:
        """It has ended well, or was skipped: never is it called again."""
        assert self.entries is not None
        self.entries = {**self.entries, self.settings.name: (how, result)}
        self.over = True
        self.count = sum(call.shown for call in self.calls)
        self._tell_end()
        self._change(None)
        self.ready()

    def _tell_end(self) -> None:
        assert self.entries is not None
        how, result = self.entries.get(self.settings.name, ("failed", None))
        if how == "failed":
            return
        told: dict[str, Any] = {"output": _shown(result)}
        told["count"] = self.count
        if how in ("skipped", "fallback"):
            told[how] = True
        self.out.counters.told = told

    # -- one call ------------------------------------------------------------------------------

    async def _led(self, call: StepCall) -> Any:
        """How a call ended and its result; PENDING when it failed for good, which was told."""
        settings = self.settings
        while call.phase != "fallback":
            await self._pause(call)
            begun_at = self.runtime.now()
            try:
                return ("done", await self._called(settings.step, call))
            except Exception as raised:
                call.flush()
                error = raised
            pause = self._pause_after(call, error, begun_at)
            attempt = call.backoff.failures
            if pause is not None:
                self._tell_error(error, attempt, will_retry=True)
                call.phase, call.due = "pausing", self.runtime.now() + pause
            elif settings.has_fallback and not self.halted:
                self._tell_error(error, attempt, will_retry=False)
                call.phase, call.shown = "fallback", 0
            else:
                self._lose(error, attempt)
                return PENDING
            self._change(call.index)
        self.runtime.watcher.node_progress(
            self.node, Progress(None, "goes on with its fallback", "fallback")
        )
        if not settings.falls_back_to_step:
            return ("fallback", dict(settings.fallback))
        try:
            return ("fallback", await self._called(settings.fallback, call))
        except Exception as error:
            call.flush()
            self._lose(error, call.backoff.failures + 1)
            return PENDING

    async def _pause(self, call: StepCall) -> None:
        if call.phase != "pausing":
            return
        self.pausing += 1
        self.is_timed = True
        try:
            await asyncio.sleep(max(0.0, call.due - self.runtime.now()))
        finally:
            self.pausing -= 1
            self.is_timed = self.pausing > 0
        call.phase = "running"
        self._change(call.index)

    def _pause_after(self, call: StepCall, error: Exception, begun_at: float) -> float | None:
        """Seconds until the next attempt, None if there is none. Counts the failure."""
        only = self.settings.retry.failures()
        pause = call.backoff.failed(begun_at, self.runtime.now(), retry_after(error) or 0.0)
        if self.halted or (only is not None and classify_failure(error) not in only):
            return None
        return pause

    async def _called(self, step: Any, call: StepCall) -> dict[str, Any]:
        call.begin()
        limit = self.settings.timeout
        try:
            async with asyncio.timeout(limit) as watch:
                try:
                    result = await _run(step, call)
                except asyncio.CancelledError:
                    task = asyncio.current_task()
                    if watch.expired() or task is None or task.cancelling():
                        raise
                    raise RuntimeError("what the step awaited was cancelled") from None
        except TimeoutError as error:
            if not watch.expired():
                raise
            raise ExecutionTimeout(
                f"step {self.settings.name!r} was not done within {limit:g} s"
            ) from error
        if not isinstance(result, dict):
            raise AuthorError(
                f"step {self.settings.name!r} returned a {type(result).__name__}: return a dict, or end a "
                "generator with `yield Result(dict)`"
            )
        return result

    # -- failing -------------------------------------------------------------------------------

    def _tell_error(self, error: Exception, attempt: int, *, will_retry: bool) -> None:
        self.out.counters.errors += 1
        blame(error, self.node.id, self.node.where)
        self.runtime.attempts[self.node.id] = (attempt, lambda _: will_retry)
        self.runtime.node_failed(self.node, error)

    def _lose(self, error: Exception, attempt: int) -> None:
        """It failed for good."""
        if self.over or self.lost is not None:  # another of its calls was first
            return
        if not self.settings.undoing:
            self.runtime.attempts[self.node.id] = (attempt, nothing_follows)
            self.lost = error
            self.ready()
            return
        self._tell_error(error, attempt, will_retry=False)
        assert self.entries is not None
        self.entries = {**self.entries, self.settings.name: ("failed", store_error(error))}
        self.over = True
        self.queue.clear()
        for unit in self.runtime.units:
            if unit is not self and getattr(unit, "family", None) is self.family:
                unit.halt(self.settings.name, error)  # type: ignore[attr-defined]  # of this pipeline
        self._change(None)
        self.ready()

    def halt(self, name: str, error: Exception) -> None:
        """A step failed for good: begin nothing any more."""
        if not self.halted:
            self.halted = True
            self._change(None)

    # -- telling -------------------------------------------------------------------------------

    def tell_progress(
        self, fraction: float | None, message: str | None, status: str | None = "running"
    ) -> None:
        """How far it is; of one with `each`, how far all of it is."""
        streaming = self.settings.streaming
        if not (streaming.enabled and streaming.emit_progress):
            return
        if self.settings.each is not None:
            done = len(self.calls) - self.left
            fraction = (done + sum(call.fraction for call in self.active)) / len(self.calls)
            message = message or f"{done} of {len(self.calls)}"
        percentage = None if fraction is None else fraction * 100
        self.runtime.port(self.node).progress(percentage, message, status)

    def show(self, call: StepCall, items: Sequence[Any]) -> None:
        """Record items; one that cannot be is left out, and that is said once."""
        assert self.runtime.shower is not None
        self._change(call.index)
        refused = self.runtime.shower.show(self.node.id, items)
        if refused is not None and not self.degraded:
            self.degraded = True
            _log.warning("an item of a step was not shown", node=self.node.id, why=refused.message)
            said = Progress(None, f"an item was not shown: {refused.message}", "degraded")
            self.runtime.watcher.node_progress(self.node, said)

    # -- its life ------------------------------------------------------------------------------

    def external(self) -> bool:
        return self.working > 0

    def dispose(self) -> None:
        for call in self.calls:
            call.drop()
        self.queue.clear()

    def start(self) -> None:
        """What was asked and not answered can be answered before the step has asked again."""
        if self.entries is None or self.over:
            return
        self.tell_start()
        asker = self.runtime.asker
        for question in (q for call in self.queue for q in call.questions or ()):
            question.changed = self.touch
            if asker is not None and not question.answered:
                asker.asked(self.node.id, question, fresh=False)

    # -- its state as plain data ---------------------------------------------------------------

    def _change(self, part: int | None) -> None:
        self._changed.add(part)
        super().touch()

    def touch(self) -> None:
        """A question of a call changed, if nothing else did."""
        asking = (*self.active, *self.queue)
        self._changed.update(call.index for call in asking if call.questions)
        super().touch()

    def changes(self) -> Changes | None:
        """What changed since the last call, by the step itself and its calls."""
        now = self.runtime.now()
        changed: set[int | None] = self._changed
        changed.update(call.index for call in self.active if call.phase == "pausing")
        if not self._known:
            changed = {None, *range(len(self.calls))}
        found: dict[str, Any] = {}
        for part in changed:
            if part is None:
                found["step"] = (
                    self.entries,
                    len(self.calls),
                    self.over,
                    self.halted,
                    self.count,
                )
            elif self.over:
                continue  # its result says all
            else:
                found[str(part)] = self.calls[part].store(now)
        known, self._known = self._known, True
        self._changed = set()
        if self.entries is None and not self.halted:
            return None
        return (not known, found, []) if found else None

    def restore_changes(self, stored: Mapping[str, Any]) -> None:
        """Go on from what was stored; called before `start`."""
        self.entries, count, self.over, self.halted, self.count = stored["step"]
        if self.entries is None:
            return
        if self.over:
            self._tell_end()
            return
        now = self.runtime.now()
        parts = self.settings.parts(folded(self.entries, self.settings.order))
        for index, data in zip(range(count), parts, strict=True):
            call = StepCall(self, index, data, self.settings.retry.backoff())
            call.restore(stored[str(index)], now)
            self.calls.append(call)
            if call.phase != "done":
                self.queue.append(call)
                self.left += 1


async def _run(step: Any, call: StepCall) -> Any:
    """Run a step with its own copy of the data; show what it yields."""
    made = step.run(dict(call.data))
    if inspect.isasyncgen(made):
        async with aclosing(made):
            async for item in made:
                if isinstance(item, Result):
                    return item.data
                await call.emit(item)
        return None
    return await made if inspect.isawaitable(made) else made


def _shown(result: Any) -> Any:
    """A result as `step_complete` tells it; null when it has no JSON form, or is too large for an event."""
    try:
        encoded = Encoder().encode(result)
    except CodecError:
        return None
    return result if len(encoded) <= MAX_EVENT_BYTES - _ENVELOPE_BYTES else None

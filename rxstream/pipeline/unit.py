"""Runs one step: waits for one dict of each step before it, calls the step in owned tasks, passes on.

A step runs once in an execution: when it has ended, its result is part of the next cut and it is never called
again. One that was under way at a crash is called again with the same data. Where something can be undone,
a step that failed for good does not fail its node's readers: how it failed goes on, steps that have not begun
do not begin, and the ending undoes the others. Of a step with `each` the items that are under way are
finished first, so that what they did is known.
"""

from __future__ import annotations

from asyncio import Event
from collections import deque
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from rxstream.engine.asking import CALL
from rxstream.engine.island import CURRENT
from rxstream.engine.op import Changes
from rxstream.engine.stored_error import store_error
from rxstream.engine.watching import nothing_follows
from rxstream.errors import ExecutionCancelled, RxStreamError
from rxstream.pipeline.attempts import lead
from rxstream.pipeline.call import StepCall
from rxstream.pipeline.data import FAILED, NEVER, How, Items, failed, folded
from rxstream.pipeline.letters import letters_key
from rxstream.pipeline.member import Member
from rxstream.pipeline.port import CallPort
from rxstream.pipeline.settings import StepSettings
from rxstream.pipeline.telling import StepTelling


class StepUnit(Member):
    """One step of one execution.

    Where its dead letters go to a sink it gives pairs: True with how all ended, False with a letter.
    """

    incremental: ClassVar[bool] = True

    def __init__(self, settings: StepSettings) -> None:
        super().__init__(settings.family)
        self.settings = settings
        self.calls: list[StepCall] = []
        self.queue: deque[StepCall] = deque()
        """Calls that no worker has taken."""
        self.active: set[StepCall] = set()
        """Calls that a worker has taken and that have not ended."""
        self.left = 0
        """Calls that have not ended."""
        self.dead = 0
        """Calls that ended as a dead letter."""
        self.unsent: deque[StepCall] = deque()
        """Those of them whose letter has still to go to the sink."""
        self.working = 0
        self.pausing = 0
        self.over = False
        """Whether it has ended and has only to pass on."""
        self.saved = False
        """Whether the checkpoint of its end is there."""
        self.saving = False
        self.halted = False
        """Whether another step failed for good, so that this one does not begin."""
        self.failing: tuple[How, Any, tuple[int, ...]] | None = None
        """How it will have ended, its stored error, and the calls under way, which are finished first."""
        self.gave_up = Event()
        """Set then: nothing waits to be tried again."""
        self.lost: Exception | None = None
        """What its node ends with."""
        self.count = 0
        """Items that its calls gave, once it has ended."""
        self.telling = StepTelling(self)
        self._known = False
        self._changed: set[int | None] = set()
        """Calls that changed since they were stored; None is the step itself."""

    # -- moving --------------------------------------------------------------------------------

    def step(self) -> bool:
        if self.entries is None and not self._take():
            return False
        if self.lost is not None:
            self.fail(self.lost)
        elif not self.over:
            self._hire()
            self._send()
            self._look_whether_failed()
        elif self._unsaved():
            if not self.saving:
                self.saving = True
                self.runtime.spawn(self, self._save())
        else:
            self._pass_on()
        return False

    def _take(self) -> bool:
        """Take one dict of each step before, if they are all there, and see what is to be done."""
        if not self.gather():
            return False
        assert self.entries is not None
        self.out.counters.elements_in += 1
        self.change(None)
        done_with = self.halted or self.runtime.stopping
        if done_with or failed(self.entries, self.settings.order) is not None:
            self.over = True
            return True
        try:
            self._begin()
        except Exception as error:
            self.telling.started()
            self.lose(error, 1)
            self._look_whether_failed()
        return True

    def _begin(self) -> None:
        """Decide what is to be called."""
        assert self.entries is not None
        settings = self.settings
        data = folded(self.entries, settings.order)
        if not settings.wanted(data):
            self.telling.started()
            self._end("skipped", {})
            return
        self.calls = [
            StepCall(self, index, each, settings.retry.backoff())
            for index, each in enumerate(settings.parts(data))
        ]
        self.queue = deque(self.calls)
        self.left = len(self.calls)
        self._changed.update(range(len(self.calls)))
        self.telling.started()
        self._look_whether_done()

    def _hire(self) -> None:
        while self.queue and self.working < self.settings.concurrency:
            self.working += 1
            self.runtime.spawn(self, self._work(self.queue.popleft()))

    async def _work(self, call: StepCall | None) -> None:
        try:
            while call is not None and self._wants(call):
                CALL.set(call)
                CURRENT.set(CallPort(self.runtime.port(self.node), call))
                self.active.add(call)
                outcome = await lead(self, call)
                self.active.discard(call)
                if outcome is None:
                    self._look_whether_failed()
                    return
                self.left -= 1
                call.flush()
                call.phase, call.result, call.questions = "done", outcome, None
                self.change(call.index)
                if call.dead:
                    self._put_aside(call)
                self._look_whether_done()
                call = self.queue.popleft() if self.queue and not self.over else None
        finally:
            self.working -= 1

    def _put_aside(self, call: StepCall) -> None:
        """A call became a dead letter."""
        self.dead += 1
        if self.settings.streaming.enabled:
            self.telling.show(call, [{"type": "dead_letter", **call.result[1]}])
        if self.settings.sends_letters:
            self.unsent.append(call)
            self.ready()

    def _send(self) -> None:
        """Give letters to the sink, as far as it has room."""
        count = min(len(self.unsent), self.credit())
        if count <= 0:
            return
        calls = [self.unsent.popleft() for _ in range(count)]
        for call in calls:
            call.sent = True
            self.change(call.index)
        self.emit([(False, call.result[1]) for call in calls])
        self._look_whether_done()

    def _look_whether_done(self) -> None:
        if self.settings.each is not None and self.calls:
            self.telling.progress(None, None)
        if self.failing is not None:
            self._look_whether_failed()
            return
        if self.left or self.unsent or self.over:
            return
        how: How = "done"
        if any(call.result[0] == "fallback" for call in self.calls):
            how = "fallback"
        self._end(how, self._result())

    def _result(self) -> dict[str, Any]:
        name = self.settings.name
        if self.settings.each is None:
            return dict(self.calls[0].result[1])
        result = {name: [call.result[1] for call in self.calls if call.well]}
        if self.settings.dead_letters is not None:
            result[letters_key(name)] = [call.result[1] for call in self.calls if call.dead]
        return result

    def _end(self, how: How, result: dict[str, Any]) -> None:
        """It has ended well, or was skipped: never is it called again."""
        assert self.entries is not None
        self.entries = {**self.entries, self.settings.name: (how, result, self._items())}
        self.over = True
        self.count = sum(call.shown for call in self.calls)
        self.telling.ended()
        self.change(None)
        self.ready()

    def _items(self) -> Items:
        """What the ending has to know of items to undo them."""
        if self.settings.each is None:
            return None
        if not self.settings.undoing:
            return ()
        return tuple((call.index, call.result[0]) for call in self.calls if call.well)

    def _unsaved(self) -> bool:
        """Whether its end has still to be made a checkpoint."""
        assert self.entries is not None
        how = self.entries.get(self.settings.name, NEVER)[0]
        ended_well = how in ("done", "fallback")
        wanted = self.settings.checkpoint and self.runtime.checkpoint is not None
        return wanted and ended_well and not self.saved

    async def _save(self) -> None:
        assert self.runtime.checkpoint is not None
        try:
            await self.runtime.checkpoint(self.node.id)
        except RxStreamError as error:
            self.say(self.settings.name, "degraded", f"no checkpoint was saved: {error.message}")
        self.saved, self.saving = True, False
        self.change(None)
        self.ready()

    def _pass_on(self) -> None:
        assert self.entries is not None
        given = (True, self.entries) if self.settings.sends_letters else self.entries
        self.emit([given])  # the last, into queues that nobody else fills: there is room
        if self.entries.get(self.settings.name, NEVER)[0] in FAILED:
            self.out.counters.ended("failed")
        self.finish()

    # -- failing -------------------------------------------------------------------------------

    @property
    def goes_on(self) -> bool:
        """Whether what failed may be tried again."""
        return not self.halted and self.failing is None

    def lose(self, error: Exception, attempt: int, by: StepCall | None = None) -> None:
        """It failed for good; what else of it is under way is finished."""
        if self.over or self.lost is not None or self.failing is not None:  # another was first
            return
        if not self.settings.undoing:
            self.runtime.attempts[self.node.id] = (attempt, nothing_follows)
            self.lost = error
            self.ready()
            return
        self._leave_off("failed", error, attempt, by)
        self.halt_others(self.settings.name, error)

    def _leave_off(
        self, how: How, error: Exception, attempt: int, by: StepCall | None = None
    ) -> None:
        """Begin nothing more; what is under way is finished."""
        self.telling.failed(error, attempt)
        under_way = tuple(call.index for call in self.active if call is not by)
        self.failing = (how, store_error(error), under_way)
        self.gave_up.set()
        self.queue.clear()
        self.change(None)
        self.ready()

    def _wants(self, call: StepCall) -> bool:
        """Whether a call is still to be made."""
        return self.failing is None or call.index in self.failing[2]

    def _look_whether_failed(self) -> None:
        """It has failed when all that was under way has ended; what ended well of it is known then."""
        if self.failing is None or self.over or self.active or self.queue:
            return
        assert self.entries is not None
        how, error, _ = self.failing
        results = [call.result[1] for call in self.calls if call.well]
        self.entries = {**self.entries, self.settings.name: (how, (error, results), self._items())}
        self.over = True
        self.unsent.clear()
        self.change(None)
        self.ready()

    def halt(self, name: str, error: Exception) -> None:
        if self.halted:
            return
        self.halted = True
        self.change(None)
        if self.settings.each is not None and self.queue and self.failing is None:
            message = f"step {name!r} failed, so {len(self.queue)} of {len(self.calls)} items were not begun"
            self._leave_off("halted", ExecutionCancelled(message), 1)

    # -- its life ------------------------------------------------------------------------------

    @contextmanager
    def waiting_for_time(self) -> Generator[None]:
        """Around a pause of a call."""
        self.pausing += 1
        self.is_timed = True
        try:
            yield
        finally:
            self.pausing -= 1
            self.is_timed = self.pausing > 0

    def external(self) -> bool:
        return self.working > 0 or self.saving

    def dispose(self) -> None:
        for call in self.calls:
            call.drop()
        self.queue.clear()

    def start(self) -> None:
        """What was asked and not answered can be answered before the step has asked again."""
        if self.entries is None or self.over:
            return
        self.telling.started()
        asker = self.runtime.asker
        for question in (q for call in self.queue for q in call.questions or ()):
            question.changed = self.touch
            if asker is not None and not question.answered:
                asker.asked(self.node.id, question, fresh=False)

    # -- its state as plain data ---------------------------------------------------------------

    def change(self, part: int | None) -> None:
        """A call changed, or with None the step itself."""
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
                    self.saved,
                    self.failing,
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
        step = stored["step"]
        self.entries, count, self.over, self.halted, self.count, self.saved, self.failing = step
        if self.entries is None:
            return
        if self.failing is not None:
            self.gave_up.set()
        if self.over:
            self.telling.ended()
            return
        now = self.runtime.now()
        parts = self.settings.parts(folded(self.entries, self.settings.order))
        for index, data in zip(range(count), parts, strict=True):
            call = StepCall(self, index, data, self.settings.retry.backoff())
            call.restore(stored[str(index)], now)
            self.calls.append(call)
            if call.phase != "done":
                if self._wants(call):
                    self.queue.append(call)
                    self.left += 1
            elif call.dead:
                self.dead += 1
                if self.settings.sends_letters and not call.sent:
                    self.unsent.append(call)

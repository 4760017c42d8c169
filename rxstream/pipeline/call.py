"""One call of a step: its data, what it has shown, its attempts, and all of that as plain data.

Items are counted as they are given. After a crash, or on another attempt, the step runs again, and as many
items as were shown before are not shown again; a step that marks where it would go on behind an item goes on
there instead. Must not know what a step does.
"""

from __future__ import annotations

import asyncio
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final, Literal

from rxstream.engine.asking import Call, Question
from rxstream.operators._backoff import Backoff

if TYPE_CHECKING:
    from rxstream.pipeline.unit import StepUnit

Phase = Literal["running", "pausing", "fallback", "done"]

PENDING: Final = object()
"""Stands where no result has come."""


class StepCall(Call):
    """One call of a step, of which one with `each` has several."""

    __slots__ = (
        "_next",
        "_timer",
        "backoff",
        "data",
        "due",
        "fraction",
        "given",
        "index",
        "mark",
        "phase",
        "result",
        "sent",
        "shown",
        "waiting",
    )

    unit: StepUnit

    def __init__(self, unit: StepUnit, index: int, data: dict[str, Any], backoff: Backoff) -> None:
        super().__init__()
        self.unit = unit
        self.index = index
        self.data = data
        self.backoff = backoff
        self.phase: Phase = "running"
        self.due = 0.0
        """When the pause is over, on the loop's clock."""
        self.result: Any = PENDING
        self.sent = False
        """Whether its dead letter was handed on."""
        self.given = 0
        """Items given by this attempt."""
        self.shown = 0
        """Items recorded, by whichever attempt; with streaming off those that were given."""
        self.waiting: list[Any] = []
        """Items given and not recorded yet."""
        self.mark: Any = None
        """Where it would go on behind what is shown: plain data, or a function that gives it."""
        self._next: Any = None
        """The same behind what was given."""
        self.fraction = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Another attempt: it gives and asks from the beginning."""
        self.drop()
        self.given = self.at = 0

    def forget_unanswered(self) -> None:
        """Another attempt asks anew what nobody answered in time, and what it asked after that."""
        asked = self.questions or []
        self.questions = list(takewhile(lambda question: question.answered, asked)) or None

    def go_on(self) -> Any:
        """The mark it goes on from, if there is one: what is given now follows what is shown."""
        if self.mark is not None:
            self.given = self.shown
        return self.mark() if callable(self.mark) else self.mark

    @property
    def dead(self) -> bool:
        """Whether it ended as a dead letter."""
        return self.phase == "done" and self.result[0] == "dead"

    @property
    def well(self) -> bool:
        """Whether it ended with a result."""
        return self.phase == "done" and self.result[0] != "dead"

    @property
    def failed(self) -> bool:
        """Whether an attempt of it failed."""
        return self.backoff.failures > 0

    # -- what the step says --------------------------------------------------------------------

    def progress(
        self, fraction: float | None, message: str | None, status: str | None = "running"
    ) -> None:
        """Say how far it is."""
        self.fraction = 0.0 if fraction is None else min(1.0, max(0.0, fraction))
        self.unit.telling.progress(None if fraction is None else self.fraction, message, status)

    async def emit(self, item: Any, mark: Any = None) -> None:
        """Show an item, unless it was shown before; waits where the log has no room."""
        self.given += 1
        unit = self.unit
        streaming = unit.settings.streaming
        if self.given <= self.shown:
            return
        if not streaming.enabled or unit.runtime.shower is None:
            self.shown, self.mark = self.given, mark
            if mark is not None:  # not shown, and stored all the same
                unit.change(self.index)
            return
        await unit.runtime.shower.room()
        self.waiting.append(item)
        self._next = mark
        full = len(self.waiting) >= streaming.buffer_size or not streaming.flush_interval_ms
        if full or _is_timed(item):
            self.flush()
        elif self._timer is None:
            after = streaming.flush_interval_ms / 1_000
            self._timer = unit.runtime.call_later(unit, after, self.flush)

    def flush(self) -> None:
        """Record what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.waiting:
            items, self.waiting = self.waiting, []
            self.shown += len(items)
            self.mark = self._next
            self.unit.telling.show(self, items)

    def drop(self) -> None:
        """Forget what waits; it is given again."""
        self.waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- as plain data -------------------------------------------------------------------------

    def store(self, now: float) -> tuple[Any, ...]:
        """All it would need to go on."""
        if self.phase == "done":
            return ("done", self.shown, self.result, self.sent)
        questions = tuple(question.store() for question in self.questions or ())
        left = max(0.0, self.due - now)
        mark = self.mark() if callable(self.mark) else self.mark
        return (self.phase, self.shown, self.backoff.snapshot(now), left, questions, mark)

    def restore(self, state: tuple[Any, ...], now: float) -> None:
        """What `store` gave."""
        self.phase, self.shown = state[:2]
        if self.phase == "done":
            self.result, self.sent = state[2:]
            return
        _, _, backoff, left, questions, self.mark = state
        self.backoff.restore(backoff, now)
        self.due = now + left
        self.questions = list(map(Question.stored, questions))


def _is_timed(item: Any) -> bool:
    """Whether it begins or ends a tool's call, whose duration is the time between their events."""
    return isinstance(item, dict) and item.get("type") in ("tool_call", "tool_result")

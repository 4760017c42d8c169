"""Asynchronous functions over elements: a bounded number of owned worker tasks, results in a bounded queue.

A worker takes the next element from the queue itself, when it is free and there will be room for the result:
what waits, waits in the queue before the unit, where it is seen and where its policy holds (`latest` gives
the latest). At most `concurrency` functions run, and behind `take(3)` three are begun. A worker stays while
there is work, so nothing is paid for a task per element.

A snapshot has the results that wait and the elements whose function was still running: it is called for those
again, so it may be called twice for one element.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Callable
from itertools import chain
from typing import Any

from rxstream.engine.asking import CALL, Call, Question
from rxstream.engine.stored_error import restore_error, store_error
from rxstream.engine.unit import BATCH, Unit
from rxstream.operators._mapping import MISSING


class _Slot(Call):
    """One element under way, and the call of the function with it."""

    __slots__ = ("error", "item", "result")

    def __init__(self, item: Any) -> None:
        super().__init__()
        self.item = item
        self.result: Any = MISSING
        self.error: Exception | None = None

    @property
    def done(self) -> bool:
        """Whether the function has returned or raised."""
        return self.result is not MISSING or self.error is not None


class MapAsync(Unit):
    """The result of an asynchronous function for each element."""

    def __init__(self, function: Callable[[Any], Any], concurrency: int, ordered: bool) -> None:
        self.function = function
        self.concurrency = concurrency
        self.ordered = ordered
        self.slots: deque[_Slot] = deque()
        """Elements in the order their results go out: as they came, or as they were done."""
        self.running: dict[_Slot, None] = {}
        """Elements whose function was called and has not returned, oldest first."""
        self.again: deque[_Slot] = deque()
        """Elements that were running when the snapshot was taken that this goes on from."""
        self.under_way = 0
        """Elements taken whose result has not gone out."""
        self.working = 0
        self.hired = False
        """Whether a worker is on its way that has not begun."""

    def released(self, slot: _Slot, out: list[Any]) -> None:
        """A result goes out; append what comes of it."""
        out.append(slot.result)

    def step(self) -> bool:
        moved = self._release()
        if self.closed:
            return False
        edge = self.inputs[0]
        self._hire()
        if edge.exhausted and not self.under_way:
            if edge.error is not None:
                self.pass_on(edge.error)
            else:
                self.finish()
            return False
        return moved

    def _hire(self) -> None:
        """One more worker, if there is work for it and none is on its way.

        The one that comes hires the next: where functions do not wait, one does all and few come for nothing.
        """
        if self.hired or self.working >= self.concurrency:
            return
        if self.again or (len(self.inputs[0]) and self._room() > 0):
            self.hired = True
            self.working += 1
            self.runtime.spawn(self, self._work())

    def _room(self) -> int:
        """How many more elements may be taken."""
        return min(self.credit(), self.concurrency + BATCH) - self.under_way

    def _release(self) -> bool:
        out: list[Any] = []
        error: Exception | None = None
        room = self.credit()
        while self.slots and len(out) < room and error is None:
            slot = self.slots[0]
            if not slot.done:
                break
            self.slots.popleft()
            self.under_way -= 1
            error = slot.error
            if error is None:
                self.released(slot, out)
        if out:
            self.emit(out)
        if error is not None:
            self.fail(error)
        return bool(out)

    def _next(self) -> _Slot | None:
        """What a free worker takes, if anything."""
        if self.again:
            return self.again.popleft()
        taken = self.inputs[0].take(1) if self._room() > 0 else ()
        if not taken:
            return None
        slot = _Slot(taken[0])
        self.under_way += 1
        self.out.counters.elements_in += 1
        if self.ordered:
            self.slots.append(slot)
        return slot

    async def _work(self) -> None:
        self.hired = False
        try:
            while (slot := self._next()) is not None:
                self._hire()
                self.running[slot] = None
                slot.unit = self
                CALL.set(slot)
                try:
                    result = self.function(slot.item)
                    slot.result = await result if inspect.isawaitable(result) else result
                except asyncio.CancelledError:
                    task = asyncio.current_task()
                    if task is None or task.cancelling():
                        raise
                    slot.error = RuntimeError("what the function awaited was cancelled")
                except Exception as error:
                    slot.error = error
                self.running.pop(slot, None)
                if not self.ordered:
                    self.slots.append(slot)
                self.ready()
        finally:
            self.working -= 1

    def external(self) -> bool:
        return self.working > 0

    def dispose(self) -> None:
        self.slots.clear()
        self.running.clear()
        self.again.clear()

    # -- its state as plain data ---------------------------------------------------------------

    def keep(self, slot: _Slot) -> Any:
        """A result that waits, as plain data if it is."""
        return slot.result

    def kept(self, state: Any) -> _Slot:
        """What `keep` was given."""
        slot = _Slot(None)
        slot.result = state
        return slot

    def snapshot(self) -> Any:
        """Results, errors and elements in the order they go out, then elements that have no place in it."""
        left = () if self.ordered else (*self.running, *self.again)
        return (tuple(map(self._store, self.slots)), tuple(map(self._store, left)))

    def restore(self, state: Any) -> None:
        """Go on from a snapshot; called before `start`."""
        placed, left = state
        self.slots = deque(self._stored(*each) for each in placed)
        self.again = deque(slot for slot in self.slots if not slot.done)
        self.again.extend(self._stored(*each) for each in left)
        self.under_way = len(placed) + len(left)

    def start(self) -> None:
        """What was asked and not answered can be answered before the function has asked again."""
        asker = self.runtime.asker
        if asker is None:
            return
        for question in chain.from_iterable(slot.questions or () for slot in self.again):
            question.changed = self.touch
            if not question.answered:
                asker.asked(self.node.id, question, fresh=False)

    def _store(self, slot: _Slot) -> tuple[Any, ...]:
        if slot.error is not None:
            return ("error", store_error(slot.error))
        if slot.done:
            return ("result", self.keep(slot))
        return ("element", slot.item, *(question.store() for question in slot.questions or ()))

    def _stored(self, what: str, state: Any, *questions: tuple[Any, ...]) -> _Slot:
        if what == "result":
            return self.kept(state)
        slot = _Slot(None if what == "error" else state)
        if what == "error":
            slot.error = restore_error(state)
        slot.questions = list(map(Question.stored, questions))
        return slot


class FilterAsync(MapAsync):
    """Elements for which an asynchronous predicate holds."""

    def released(self, slot: _Slot, out: list[Any]) -> None:
        if slot.result:
            out.append(slot.item)

    def keep(self, slot: _Slot) -> Any:
        return (bool(slot.result), slot.item)

    def kept(self, state: Any) -> _Slot:
        holds, item = state
        slot = _Slot(item)
        slot.result = holds
        return slot

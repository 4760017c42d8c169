"""Asynchronous functions over elements: a bounded number of owned worker tasks, results in a bounded queue.

A worker takes the next element from the queue itself, when it is free and there will be room for the result:
what waits, waits in the queue before the unit, where it is seen and where its policy holds (`latest` gives
the latest). At most `concurrency` functions run, and behind `take(3)` three are begun. A worker stays while
there is work, so nothing is paid for a task per element.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Callable
from typing import Any

from rxstream.engine.unit import BATCH, Unit
from rxstream.operators._mapping import MISSING


class _Slot:
    """One element under way."""

    __slots__ = ("error", "item", "result")

    def __init__(self, item: Any) -> None:
        self.item = item
        self.result: Any = MISSING
        self.error: Exception | None = None


class MapAsync(Unit):
    """The result of an asynchronous function for each element."""

    def __init__(self, function: Callable[[Any], Any], concurrency: int, ordered: bool) -> None:
        self.function = function
        self.concurrency = concurrency
        self.ordered = ordered
        self.slots: deque[_Slot] = deque()
        """Elements in the order their results go out: as they came, or as they were done."""
        self.under_way = 0
        """Elements taken whose result has not gone out."""
        self.working = 0

    def released(self, slot: _Slot, out: list[Any]) -> None:
        """A result goes out; append what comes of it."""
        out.append(slot.result)

    def step(self) -> bool:
        moved = self._release()
        if self.closed:
            return False
        edge = self.inputs[0]
        for _ in range(min(self._room(), len(edge), self.concurrency - self.working)):
            self.working += 1
            self.runtime.spawn(self, self._work())
        if edge.exhausted and not self.under_way:
            if edge.error is not None:
                self.pass_on(edge.error)
            else:
                self.finish()
            return False
        return moved

    def _room(self) -> int:
        """How many more elements may be taken."""
        return min(self.credit(), self.concurrency + BATCH) - self.under_way

    def _release(self) -> bool:
        out: list[Any] = []
        error: Exception | None = None
        room = self.credit()
        while self.slots and len(out) < room and error is None:
            slot = self.slots[0]
            if slot.result is MISSING and slot.error is None:
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

    async def _work(self) -> None:
        try:
            while self._room() > 0 and (taken := self.inputs[0].take(1)):
                slot = _Slot(taken[0])
                self.under_way += 1
                self.out.counters.elements_in += 1
                if self.ordered:
                    self.slots.append(slot)
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
                if not self.ordered:
                    self.slots.append(slot)
                self.ready()
        finally:
            self.working -= 1

    def external(self) -> bool:
        return self.working > 0

    def dispose(self) -> None:
        self.slots.clear()


class FilterAsync(MapAsync):
    """Elements for which an asynchronous predicate holds."""

    def released(self, slot: _Slot, out: list[Any]) -> None:
        if slot.result:
            out.append(slot.item)

"""Units of several inputs, each behind a bounded queue of its own.

Where elements of several inputs wait together, they are taken one from each in turn, so branches of one
source meet element by element, as they would in reactivex. What a queue holds was there before its error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rxstream.engine.edge import Edge
from rxstream.engine.op import ALL
from rxstream.engine.unit import BATCH, Unit
from rxstream.operators._boxes import boxed, unboxed
from rxstream.operators._mapping import MISSING


class Combining(Unit):
    """What the units below share."""

    def room(self) -> int:
        """How many elements one step may emit."""
        return min(BATCH, self.credit())

    def broken(self, edges: Sequence[Edge]) -> bool:
        """Pass on the error of an input of which nothing waits any more."""
        for edge in edges:
            if edge.exhausted and edge.error is not None:
                self.pass_on(edge.error)
                return True
        return False

    def take(self, edge: Edge, count: int) -> list[Any]:
        """Take from an input, and count it."""
        items = edge.take(count)
        self.out.counters.elements_in += len(items)
        return items

    def pass_from(self, edge: Edge) -> bool:
        """Pass on what an input has, and its end; whether it may have more."""
        room = self.room()
        items = self.take(edge, room) if room > 0 else []
        if items:
            self.emit(items)
        if self.closed or self.broken((edge,)):
            return False
        if edge.exhausted:
            self.finish()
            return False
        return bool(items)


class Merge(Combining):
    """Elements of all inputs as they come; `label(index, element)` says what becomes of one."""

    def __init__(self, label: Callable[[int, Any], Any] | None = None) -> None:
        self.label = label
        self.turn = 0

    def step(self) -> bool:
        moved = False
        count = len(self.inputs)
        for _ in range(count):
            room = self.room()
            if room <= 0:
                return moved  # whose turn it was has it when there is room
            index, self.turn = self.turn, (self.turn + 1) % count
            edge = self.inputs[index]
            items = self.take(edge, room)
            if items:
                moved = True
                label = self.label
                self.emit([label(index, item) for item in items] if label else items)
            if self.closed or self.broken((edge,)):
                return False
        if all(edge.exhausted for edge in self.inputs):
            self.finish()
            return False
        return moved

    def snapshot(self) -> Any:
        """Whose turn it is."""
        return self.turn

    def restore(self, state: Any) -> None:
        self.turn = state


class Zip(Combining):
    """The first elements of all inputs, then the second ones, …; ends with the shortest."""

    def step(self) -> bool:
        ready = min(len(edge) for edge in self.inputs)
        count = min(ready, self.room())
        if count > 0:
            self.emit(list(zip(*(self.take(edge, count) for edge in self.inputs), strict=True)))
        if self.closed:
            return False
        if count == ready:
            # an input that ended well ends it, whatever else the others may hold
            if any(edge.exhausted and edge.error is None for edge in self.inputs):
                self.finish()
                return False
            # what has no partner yet cannot come out before the error
            for edge in self.inputs:
                if edge.error is not None:
                    self.pass_on(edge.error)
                    return False
        return count > 0


class Concat(Combining):
    """All of the first input, then all of the second, …; a later one is read when its turn comes.

    `on_error` and `on_end` say whether the next input's turn comes with an error, and with a good end.
    `quiet` says that an error of the last is a good end too.
    """

    def __init__(self, *, on_error: bool = False, on_end: bool = True, quiet: bool = False) -> None:
        self.on_error = on_error
        self.on_end = on_end
        self.quiet = quiet
        self.current = 0

    def step(self) -> bool:
        edge = self.inputs[self.current]
        room = self.room()
        items = self.take(edge, room) if room > 0 else []
        if items:
            self.emit(items)
        if self.closed or not edge.exhausted:
            return bool(items) and not self.closed
        goes_on = self.on_end if edge.error is None else self.on_error
        if goes_on and self.current + 1 < len(self.inputs):
            self.current += 1
            self.inputs[self.current].open()
            return True
        if edge.error is not None and not self.quiet:
            self.pass_on(edge.error)
        else:
            self.finish()
        return False

    def snapshot(self) -> Any:
        """Which input it reads."""
        return self.current

    def restore(self, state: Any) -> None:
        self.current = state


class Chosen(Combining):
    """The input that a function names when the graph starts; the others are never read."""

    def __init__(self, choose: Callable[[], int | None]) -> None:
        self.choose = choose
        self.index: int | None = None
        self.chosen = False

    def start(self) -> None:
        if not self.chosen:
            self.inputs[0].is_open = False

    def step(self) -> bool:
        if not self.chosen:
            self.chosen = True
            self.index = self.choose()
            for index, edge in enumerate(self.inputs):
                if index != self.index:
                    edge.close()
            if self.index is not None:
                self.inputs[self.index].open()
            return True
        if self.index is None:
            self.finish()
            return False
        return self.pass_from(self.inputs[self.index])

    def snapshot(self) -> Any:
        """Whether the function was asked, and what it said."""
        return (self.chosen, self.index)

    def restore(self, state: Any) -> None:
        self.chosen, self.index = state


class Amb(Combining):
    """The input that is the first to say anything; the others are left."""

    def __init__(self) -> None:
        self.winner: int | None = None

    def step(self) -> bool:
        if self.winner is None:
            said = (index for index, edge in enumerate(self.inputs) if len(edge) or edge.ended)
            self.winner = next(said, None)
            if self.winner is None:
                return False
            for index, loser in enumerate(self.inputs):
                if index != self.winner:
                    loser.close()
        return self.pass_from(self.inputs[self.winner])

    def snapshot(self) -> Any:
        """Which input it reads, if that is known."""
        return self.winner

    def restore(self, state: Any) -> None:
        self.winner = state


class TakeUntil(Combining):
    """Elements of the first input until the second has one; what had arrived by then goes on."""

    def __init__(self) -> None:
        self.left = ALL

    def step(self) -> bool:
        source, other = self.inputs
        if len(other) and self.left == ALL:
            self.left = len(source)
        room = min(self.room(), self.left)
        items = self.take(source, room) if room > 0 else []
        if self.left != ALL:
            self.left -= len(items)
        if items:
            self.emit(items)
        if self.closed:
            return False
        if self.left <= 0 or (not self.broken(self.inputs) and source.exhausted):
            self.finish()
        return bool(items) and not self.closed

    def snapshot(self) -> Any:
        """How many elements still go on, None before the second input has had one."""
        return None if self.left == ALL else self.left

    def restore(self, state: Any) -> None:
        self.left = ALL if state is None else state


class SkipUntil(Combining):
    """Elements of the first input from when the second has had one."""

    def __init__(self) -> None:
        self.is_open = False

    def step(self) -> bool:
        source, other = self.inputs
        if not self.is_open and len(other):
            self.is_open = True
            other.close()
        room = self.room() if self.is_open else BATCH
        items = self.take(source, room) if room > 0 else []
        if items and self.is_open:
            self.emit(items)
        if self.closed:
            return False
        if self.broken((source,) if self.is_open else (source, other)):
            return False
        if source.exhausted or (not self.is_open and other.exhausted):
            self.finish()
            return False
        return bool(items)

    def snapshot(self) -> Any:
        """Whether the second input has had an element."""
        return self.is_open

    def restore(self, state: Any) -> None:
        self.is_open = state


class Sample(Combining):
    """The latest of the first input whenever the second has an element, if there is a new one."""

    def __init__(self) -> None:
        self.value: Any = MISSING

    def step(self) -> bool:
        source, sampler = self.inputs
        if self.credit() <= 0:
            return False
        moved = False
        for value in self.take(source, BATCH)[-1:]:
            self.value = value
            moved = True
        fires = bool(sampler.take(BATCH)) or sampler.exhausted
        if fires and self.value is not MISSING:
            value, self.value = self.value, MISSING
            self.emit([value])
        if self.closed or self.broken(self.inputs):
            return False
        if fires and (source.exhausted or sampler.exhausted):
            self.finish()
            return False
        return moved or fires

    def snapshot(self) -> Any:
        """The value to come, in a box."""
        return boxed(self.value)

    def restore(self, state: Any) -> None:
        self.value = unboxed(state)


class SequenceEqual(Combining):
    """Whether both inputs give equal elements; ends at the first difference."""

    def __init__(self, comparer: Callable[[Any, Any], bool]) -> None:
        self.comparer = comparer

    def step(self) -> bool:
        left, right = self.inputs
        if self.credit() <= 0:
            return False
        count = min(len(left), len(right), BATCH)
        for one, other in zip(self.take(left, count), self.take(right, count), strict=True):
            if not self.comparer(one, other):
                return self._say(False)
        if self.broken(self.inputs):
            return False
        if (left.exhausted and len(right)) or (right.exhausted and len(left)):
            return self._say(False)
        if left.exhausted and right.exhausted:
            return self._say(True)
        return count > 0

    def _say(self, equal: bool) -> bool:
        self.emit([equal])
        self.finish()
        return False

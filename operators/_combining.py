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
from rxstream.operators._mapping import MISSING


def complete(values: Sequence[Any]) -> bool:
    """Whether every input has had something; by identity, because elements may compare as they like."""
    return all(value is not MISSING for value in values)


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


class Merge(Combining):
    """Elements of all inputs as they come; `label(index, element)` says what becomes of one."""

    def __init__(self, label: Callable[[int, Any], Any] | None = None) -> None:
        self.label = label
        self.turn = 0

    def step(self) -> bool:
        moved = False
        count = len(self.inputs)
        for _ in range(count):
            index, self.turn = self.turn, (self.turn + 1) % count
            edge = self.inputs[index]
            room = self.room()
            if room <= 0:
                return moved
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


class Chosen(Combining):
    """The input that a function names when the graph starts; the others are never read."""

    def __init__(self, choose: Callable[[], int | None]) -> None:
        self.choose = choose
        self.edge: Edge | None = None
        self.chosen = False

    def start(self) -> None:
        self.inputs[0].is_open = False

    def step(self) -> bool:
        if not self.chosen:
            self.chosen = True
            index = self.choose()
            self.edge = None if index is None else self.inputs[index]
            for edge in self.inputs:
                if edge is not self.edge:
                    edge.close()
            if self.edge is not None:
                self.edge.open()
            return True
        if self.edge is None:
            self.finish()
            return False
        room = self.room()
        items = self.take(self.edge, room) if room > 0 else []
        if items:
            self.emit(items)
        if self.closed or self.broken((self.edge,)):
            return False
        if self.edge.exhausted:
            self.finish()
            return False
        return bool(items)


class CombineLatest(Combining):
    """The latest of all inputs whenever one has something, once all have had something."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def start(self) -> None:
        self.values = [MISSING] * len(self.inputs)

    def step(self) -> bool:
        room = self.room()
        if room <= 0:
            return False
        out: list[Any] = []
        moved = False
        while len(out) < room and any(len(edge) for edge in self.inputs):
            for index, edge in enumerate(self.inputs):
                if len(out) < room and len(edge):
                    moved = True
                    self.values[index] = self.take(edge, 1)[0]
                    self.arrived(index, out)
        if out:
            self.emit(out)
        if self.closed or self.broken(self.inputs):
            return False
        if self.over():
            self.finish()
            return False
        return moved

    def arrived(self, index: int, out: list[Any]) -> None:
        """An element of the input arrived; append what comes out."""
        if complete(self.values):
            out.append(tuple(self.values))

    def over(self) -> bool:
        """Whether nothing can come out any more."""
        ended = [edge.exhausted for edge in self.inputs]
        return all(ended) or any(
            done and value is MISSING for done, value in zip(ended, self.values, strict=True)
        )


class ZipLatest(CombineLatest):
    """The latest of all inputs whenever all have had something new."""

    def __init__(self) -> None:
        super().__init__()
        self.fresh: set[int] = set()

    def arrived(self, index: int, out: list[Any]) -> None:
        self.fresh.add(index)
        if len(self.fresh) == len(self.inputs):
            self.fresh.clear()
            out.append(tuple(self.values))

    def over(self) -> bool:
        return any(
            edge.exhausted and index not in self.fresh for index, edge in enumerate(self.inputs)
        )


class WithLatest(Combining):
    """Each element of the first input with the latest of the others."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def start(self) -> None:
        self.values = [MISSING] * (len(self.inputs) - 1)

    def step(self) -> bool:
        parent, *others = self.inputs
        room = self.room()
        out: list[Any] = []
        moved = False
        while len(parent) and len(out) < room:
            moved = True
            for index, edge in enumerate(others):
                for value in self.take(edge, 1):
                    self.values[index] = value
            element = self.take(parent, 1)[0]
            if complete(self.values):
                out.append((element, *self.values))
        if not len(parent):
            for index, edge in enumerate(others):
                for value in self.take(edge, BATCH)[-1:]:
                    self.values[index] = value
                    moved = True
        if out:
            self.emit(out)
        if self.closed or self.broken(self.inputs):
            return False
        if parent.exhausted:
            self.finish()
            return False
        return moved


class Amb(Combining):
    """The input that is the first to say anything; the others are left."""

    def __init__(self) -> None:
        self.winner: Edge | None = None

    def step(self) -> bool:
        if self.winner is None:
            self.winner = next((e for e in self.inputs if len(e) or e.ended), None)
            if self.winner is None:
                return False
            for edge in self.inputs:
                if edge is not self.winner:
                    edge.close()
        room = self.room()
        items = self.take(self.winner, room) if room > 0 else []
        if items:
            self.emit(items)
        if self.closed or self.broken((self.winner,)):
            return False
        if self.winner.exhausted:
            self.finish()
            return False
        return bool(items)


class ForkJoin(Combining):
    """The last elements of all inputs, when all have ended; nothing if one had none."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def start(self) -> None:
        self.values = [MISSING] * len(self.inputs)

    def step(self) -> bool:
        moved = False
        for index, edge in enumerate(self.inputs):
            for value in self.take(edge, BATCH)[-1:]:
                self.values[index] = value
                moved = True
        if self.broken(self.inputs):
            return False
        ended = [edge.exhausted for edge in self.inputs]
        lost = any(
            done and value is MISSING for done, value in zip(ended, self.values, strict=True)
        )
        if all(ended) and not lost:
            if self.credit() <= 0:
                return moved
            self.emit([tuple(self.values)])
        if all(ended) or lost:
            self.finish()
            return False
        return moved


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

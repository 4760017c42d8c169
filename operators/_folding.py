"""State machines that make one value of many elements, and those that decide something about them.

What a fold keeps is bounded by its result, except for the lists; what decides ends at the deciding element.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from reactivex.internal.exceptions import SequenceContainsNoElementsError

from rxstream.operators._mapping import MISSING
from rxstream.operators._state import Deciding, Folding, Machine


class Reduce(Folding):
    """The last accumulation, or the seed; without a seed an empty input is an error."""

    fields = ("has", "value")

    def __init__(self, accumulator: Callable[[Any, Any], Any], seed: Any = MISSING) -> None:
        self.accumulator = accumulator
        self.has = seed is not MISSING
        self.value = seed if self.has else None

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        for item in items:
            self.value = self.accumulator(self.value, item) if self.has else item
            self.has = True

    def finish(self, out: list[Any]) -> None:
        if not self.has:
            raise SequenceContainsNoElementsError()
        out.append(self.value)


class Count(Folding):
    """How many elements there were for which a predicate holds."""

    fields = ("count",)

    def __init__(self, predicate: Callable[[Any], object] | None) -> None:
        self.predicate = predicate
        self.count = 0

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        if self.predicate is None:
            self.count += len(items)
            return
        for item in items:
            if self.predicate(item):
                self.count += 1

    def finish(self, out: list[Any]) -> None:
        out.append(self.count)


class Average(Folding):
    """The mean; of no elements there is none, so that is an error."""

    fields = ("total", "count")

    def __init__(self, key: Callable[[Any], float]) -> None:
        self.key = key
        self.total = 0.0
        self.count = 0

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        for item in items:
            self.total += self.key(item)
            self.count += 1

    def finish(self, out: list[Any]) -> None:
        if not self.count:
            raise SequenceContainsNoElementsError()
        out.append(self.total / self.count)


class Extremes(Folding):
    """The elements whose key none exceeds; `sign` is 1 for the greatest, -1 for the least."""

    fields = ("has", "best", "found")

    def __init__(
        self,
        key: Callable[[Any], Any] | None,
        comparer: Callable[[Any, Any], Any] | None,
        sign: int,
    ) -> None:
        self.key = key
        self.comparer = comparer
        self.sign = sign
        self.has = False
        self.best: Any = None
        self.found: list[Any] = []

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        for item in items:
            key = item if self.key is None else self.key(item)
            better = self._compared(key) if self.has else 0
            self.has = True
            if better > 0 or not self.found:
                self.found = [item]
                self.best = key
            elif better == 0:
                self.keep(item)

    def keep(self, item: Any) -> None:
        """One more that is as good."""
        self.found.append(item)

    def _compared(self, key: Any) -> Any:
        if self.comparer is not None:
            return self.sign * self.comparer(key, self.best)
        if key == self.best:
            return 0
        if self.sign > 0:
            return 1 if key > self.best else -1
        return 1 if key < self.best else -1

    def finish(self, out: list[Any]) -> None:
        out.append(self.found)


class Extreme(Extremes):
    """The first of the elements that none exceeds; of no elements there is none."""

    def keep(self, item: Any) -> None:
        """The first is enough."""

    def finish(self, out: list[Any]) -> None:
        if not self.found:
            raise SequenceContainsNoElementsError()
        out.append(self.found[0])


class Collect(Folding):
    """A container filled by `add(container, element)`."""

    fields = ("found",)

    def __init__(self, make: Callable[[], Any], add: Callable[[Any, Any], object]) -> None:
        self.found = make()
        self.add = add

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        for item in items:
            self.add(self.found, item)

    def finish(self, out: list[Any]) -> None:
        out.append(self.found)


class Last(Folding):
    """The last element for which a predicate holds, or a default, or an error."""

    fields = ("has", "value")

    def __init__(
        self, predicate: Callable[[Any], object] | None, has_default: bool, default: Any
    ) -> None:
        self.predicate = predicate
        self.has_default = has_default
        self.has = False
        self.value = default

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        for item in items:
            if self.predicate is None or self.predicate(item):
                self.has, self.value = True, item

    def finish(self, out: list[Any]) -> None:
        if not (self.has or self.has_default):
            raise SequenceContainsNoElementsError()
        out.append(self.value)


class Single(Last):
    """The only element for which a predicate holds; a second is an error."""

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        for item in items:
            if self.predicate is None or self.predicate(item):
                if self.has:
                    raise ValueError("Sequence contains more than one element")
                self.has, self.value = True, item

    def demand(self, wanted: int) -> int:
        # two are enough to know, and the second must not be pulled twice
        return min(wanted, 1)


class Decide(Deciding):
    """`found` at the first element for which a predicate holds, else `missing` at the end."""

    fields = ("done",)

    def __init__(
        self, predicate: Callable[[Any], object] | None, found: bool, missing: bool
    ) -> None:
        self.predicate = predicate
        self.found = found
        self.missing = missing

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        for item in items:
            if self.predicate is None or self.predicate(item):
                out.append(self.found)
                self.done = True
                return

    def finish(self, out: list[Any]) -> None:
        out.append(self.missing)


class Find(Deciding):
    """The first element (or its index) for which `predicate(element, index, source)` holds."""

    fields = ("index", "done")

    def __init__(
        self, predicate: Callable[[Any, int, Any], object], source: Any, by_index: bool
    ) -> None:
        self.predicate = predicate
        self.source = source
        self.by_index = by_index
        self.index = 0

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        for item in items:
            if self.predicate(item, self.index, self.source):
                out.append(self.index if self.by_index else item)
                self.done = True
                return
            self.index += 1

    def finish(self, out: list[Any]) -> None:
        out.append(-1 if self.by_index else None)


class DefaultIfEmpty(Machine):
    """What comes, or a value if nothing came."""

    fields = ("empty",)

    def __init__(self, default: Any) -> None:
        self.default = default
        self.empty = True

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        if items:
            self.empty = False
            out.extend(items)

    def finish(self, out: list[Any]) -> None:
        if self.empty:
            out.append(self.default)


class Buffer(Machine):
    """Lists of `count` elements, a new one begun every `skip`, which is at least `count`."""

    fields = ("index", "found")

    def __init__(self, count: int, skip: int) -> None:
        self.count = count
        self.skip = skip
        self.index = 0
        self.found: list[Any] = []

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        for item in items:
            if self.index < self.count:
                self.found.append(item)
                if self.index == self.count - 1:
                    out.append(self.found)
                    self.found = []
            self.index = (self.index + 1) % self.skip

    def finish(self, out: list[Any]) -> None:
        if self.found:
            out.append(self.found)

    def demand(self, wanted: int) -> int:
        if not wanted:
            return 0
        gap = self.skip if self.index >= self.count else 0
        return gap + self.count - self.index + (wanted - 1) * self.skip


class LastOf(Folding):
    """The last `count` elements as one list."""

    fields = ("found",)

    def __init__(self, count: int) -> None:
        self.found: deque[Any] = deque(maxlen=count)

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        self.found.extend(items)

    def finish(self, out: list[Any]) -> None:
        out.append(list(self.found))

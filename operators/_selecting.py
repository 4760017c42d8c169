"""State machines that let some elements pass: by what they are, or by where they stand.

Demand is exact, so that nothing is pulled that cannot be of use: `take(3)` wants three.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from reactivex.internal.exceptions import (
    ArgumentOutOfRangeException,
    SequenceContainsNoElementsError,
)

from rxstream.operators._state import Deciding, Machine


class Filter(Machine):
    """Elements for which a predicate holds."""

    function_name = "predicate"
    code = ("if not {f}(x): {drop}",)

    def __init__(self, predicate: Callable[[Any], object]) -> None:
        self.predicate = predicate

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        predicate, append = self.predicate, out.append
        for item in items:
            if predicate(item):
                append(item)


class Half(Machine):
    """The elements of the pairs (decision, element) whose decision is the wanted one."""

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        wanted = self.wanted
        out.extend([item for decision, item in items if decision is wanted])


class FilterIndexed(Machine):
    """Elements for which `predicate(element, index)` holds."""

    fields = ("index",)

    def __init__(self, predicate: Callable[[Any, int], object]) -> None:
        self.predicate = predicate
        self.index = 0

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        for item in items:
            if self.predicate(item, self.index):
                out.append(item)
            self.index += 1


class Distinct(Machine):
    """Elements whose key has not been seen; keys that are hashable are compared by hash."""

    fields = ("hashed", "listed")

    def __init__(
        self,
        key: Callable[[Any], Any] | None,
        comparer: Callable[[Any, Any], bool] | None,
    ) -> None:
        self.key = key
        self.comparer = comparer
        self.hashed: set[Hashable] = set()
        self.listed: list[Any] = []

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        for item in items:
            key = item if self.key is None else self.key(item)
            if self._is_new(key):
                out.append(item)

    def _is_new(self, key: Any) -> bool:
        if self.comparer is None:
            hashable = _hashable(key)
            found = key in self.hashed if hashable else any(other == key for other in self.hashed)
            # what is not equal to itself (NaN) is never known, though a set finds it by identity
            if (found and key == key) or any(other == key for other in self.listed):
                return False
            if hashable:
                self.hashed.add(key)
                return True
        elif any(self.comparer(other, key) for other in self.listed):
            return False
        self.listed.append(key)
        return True


def _hashable(key: Any) -> bool:
    try:
        hash(key)
    except TypeError:
        return False
    return True


class DistinctUntilChanged(Machine):
    """Elements whose key differs from that of the one before."""

    fields = ("has", "current")

    def __init__(
        self,
        key: Callable[[Any], Any] | None,
        comparer: Callable[[Any, Any], bool] | None,
    ) -> None:
        self.key = key
        self.comparer = comparer
        self.has = False
        self.current: Any = None

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        for item in items:
            key = item if self.key is None else self.key(item)
            if self.has and self._equal(key):
                continue
            self.has, self.current = True, key
            out.append(item)

    def _equal(self, key: Any) -> bool:
        if self.comparer is not None:
            return self.comparer(self.current, key)
        return bool(self.current == key)


class Ignore(Machine):
    """No element, only the end."""

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        pass

    def demand(self, wanted: int) -> int:
        # it never gives one, so however many are wanted it may as well have them in batches
        return wanted


class Take(Machine):
    """The first `count` elements, at least one."""

    fields = ("remaining", "done")

    def __init__(self, count: int) -> None:
        self.remaining = count

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        taken = items[: self.remaining]
        out.extend(taken)
        self.remaining -= len(taken)
        self.done = not self.remaining

    def demand(self, wanted: int) -> int:
        return min(wanted, self.remaining)


class Skip(Machine):
    """All but the first `count` elements."""

    fields = ("remaining",)

    def __init__(self, count: int) -> None:
        self.remaining = count

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        out.extend(items[self.remaining :] if self.remaining else items)
        self.remaining = max(0, self.remaining - len(items))

    def demand(self, wanted: int) -> int:
        return wanted + self.remaining if wanted else 0


class SkipLast(Machine):
    """All but the last `count` elements, each `count` elements late."""

    fields = ("held",)

    def __init__(self, count: int) -> None:
        self.count = count
        self.held: deque[Any] = deque()

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        for item in items:
            self.held.append(item)
            if len(self.held) > self.count:
                out.append(self.held.popleft())

    def demand(self, wanted: int) -> int:
        return wanted + max(0, self.count - len(self.held)) if wanted else 0


class TakeWhile(Machine):
    """Elements as long as `predicate(element, index)` holds."""

    fields = ("index", "done")

    def __init__(self, predicate: Callable[[Any, int], object], inclusive: bool) -> None:
        self.predicate = predicate
        self.inclusive = inclusive
        self.index = 0

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        for item in items:
            if not self.predicate(item, self.index):
                if self.inclusive:
                    out.append(item)
                self.done = True
                return
            self.index += 1
            out.append(item)


class SkipWhile(Machine):
    """Elements from the first for which `predicate(element, index)` does not hold."""

    fields = ("index", "running")

    def __init__(self, predicate: Callable[[Any, int], object]) -> None:
        self.predicate = predicate
        self.index = 0
        self.running = False

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        if self.running:
            out.extend(items)
            return
        for item in items:
            if not self.running:
                self.running = not self.predicate(item, self.index)
                self.index += 1
            if self.running:
                out.append(item)


class ElementAt(Machine):
    """The element at an index, or a default, or an error."""

    fields = ("remaining", "done")

    def __init__(self, index: int, has_default: bool, default: Any) -> None:
        self.remaining = index
        self.has_default = has_default
        self.default = default

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        if self.remaining < len(items):
            out.append(items[self.remaining])
            self.done = True
        else:
            self.remaining -= len(items)

    def finish(self, out: list[Any]) -> None:
        if not self.has_default:
            raise ArgumentOutOfRangeException()
        out.append(self.default)

    def demand(self, wanted: int) -> int:
        return self.remaining + 1 if wanted else 0


class First(Deciding):
    """The first element for which a predicate holds, or a default, or an error."""

    fields = ("done",)

    def __init__(
        self, predicate: Callable[[Any], object] | None, has_default: bool, default: Any
    ) -> None:
        self.predicate = predicate
        self.has_default = has_default
        self.default = default

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        for item in items:
            if self.predicate is None or self.predicate(item):
                out.append(item)
                self.done = True
                return

    def finish(self, out: list[Any]) -> None:
        if not self.has_default:
            raise SequenceContainsNoElementsError()
        out.append(self.default)


class Slice(Machine):
    """`[start:stop:step]` of the stream, with `start` and `step` not negative."""

    fields = ("index", "held", "done")

    def __init__(self, start: int, stop: int | None, step: int) -> None:
        self.start = start
        self.stop = stop
        self.step = step
        self.index = 0
        self.held: deque[Any] = deque()

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        late = -self.stop if self.stop is not None and self.stop < 0 else 0
        for item in items:
            if late:
                self.held.append(item)
                if len(self.held) <= late:
                    continue
                item = self.held.popleft()
            index = self.index
            self.index += 1
            if index >= self.start and (index - self.start) % self.step == 0:
                out.append(item)
            if self.stop is not None and 0 <= self.stop <= self.index:
                self.done = True
                return

    def demand(self, wanted: int) -> int:
        if not wanted:
            return 0
        if self.index <= self.start:
            before = self.start - self.index
        else:
            before = -(self.index - self.start) % self.step
        needed = before + 1 + (wanted - 1) * self.step
        if self.stop is None:
            return needed
        if self.stop < 0:
            return needed - self.stop - len(self.held)
        return min(needed, self.stop - self.index)

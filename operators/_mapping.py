"""State machines that give one element for one: map and its kin, scan, pairs, notifications.

They know neither names nor types of operators; `transform` gives them those.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any

from reactivex import abc
from reactivex.notification import Notification, OnCompleted, OnError, OnNext
from reactivex.operators._timeinterval import TimeInterval
from reactivex.operators._timestamp import Timestamp

from rxstream.operators._clock import loop_time, wall_now
from rxstream.operators._state import Machine

MISSING: Any = object()
"""Stands where no value is; never an element, never in a snapshot."""


class Map(Machine):
    """`f(element)`."""

    code = ("x = {f}(x)",)

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        before = len(out)
        out.extend(map(self.function, items))
        if len(out) - before < len(items):
            # a StopIteration that escapes the function would else end the batch in silence
            raise RuntimeError("the mapper raised StopIteration")


class MapIndexed(Machine):
    """`f(element, index)`."""

    fields = ("index",)

    def __init__(self, function: Callable[[Any, int], Any]) -> None:
        self.function = function
        self.index = 0

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        for item in items:
            result = self.function(item, self.index)
            self.index += 1
            out.append(result)


class Scan(Machine):
    """The accumulation after each element."""

    fields = ("has", "value")
    function_name = "accumulator"
    code = ("x = {f}({op}.value, x) if {op}.has else x", "{op}.value = x", "{op}.has = True")

    def __init__(self, accumulator: Callable[[Any, Any], Any], seed: Any = MISSING) -> None:
        self.accumulator = accumulator
        self.has = seed is not MISSING
        self.value = seed if self.has else None

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        for item in items:
            self.value = self.accumulator(self.value, item) if self.has else item
            self.has = True
            out.append(self.value)


class Pairwise(Machine):
    """Each element with the one before it."""

    fields = ("has", "value")

    def __init__(self) -> None:
        self.has = False
        self.value: Any = None

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        for item in items:
            if self.has:
                out.append((self.value, item))
            self.has, self.value = True, item

    def demand(self, wanted: int) -> int:
        return wanted + (not self.has) if wanted else 0


class Do(Machine):
    """Calls an observer's functions and passes on what it saw."""

    def __init__(
        self,
        on_next: Callable[[Any], object] | None,
        on_error: Callable[[Exception], object] | None,
        on_completed: Callable[[], object] | None,
    ) -> None:
        self.on_next = on_next
        self.on_error = on_error
        self.on_completed = on_completed

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        if self.on_next is None:
            out.extend(items)
            return
        for item in items:
            self.on_next(item)
            out.append(item)

    def finish(self, out: list[Any]) -> None:
        if self.on_completed is not None:
            self.on_completed()

    def fail(self, error: BaseException, out: list[Any]) -> BaseException | None:
        if self.on_error is not None and isinstance(error, Exception):
            self.on_error(error)
        return error


class Materialize(Machine):
    """Notifications instead of elements and of the end."""

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        out.extend([OnNext(item) for item in items])

    def finish(self, out: list[Any]) -> None:
        out.append(OnCompleted())

    def fail(self, error: BaseException, out: list[Any]) -> BaseException | None:
        # reactivex narrows to Exception
        out.append(OnError(error if isinstance(error, Exception) else RuntimeError(repr(error))))
        return None


class Dematerialize(Machine):
    """Elements and the end instead of notifications."""

    fields = ("done",)

    def push(self, items: Sequence[Notification[Any]], out: list[Any]) -> None:
        for item in items:
            item.accept(_Heard(self, out))
            if self.done:
                return


class _Heard(abc.ObserverBase[Any]):
    """What a notification tells."""

    def __init__(self, op: Dematerialize, out: list[Any]) -> None:
        self.op = op
        self.out = out

    def on_next(self, value: Any) -> None:
        self.out.append(value)

    def on_error(self, error: Exception) -> None:
        raise error

    def on_completed(self) -> None:
        self.op.done = True


class Stamp(Machine):
    """Each element with the time of day."""

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        now = wall_now()
        out.extend([Timestamp(value=item, timestamp=now) for item in items])


class Interval(Machine):
    """Each element with the time since the one before, or since the start."""

    def __init__(self) -> None:
        self.last = loop_time()

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        for item in items:
            now = loop_time()
            span, self.last = timedelta(seconds=now - self.last), now
            out.append(TimeInterval(value=item, interval=span))

    def snapshot(self) -> float:
        """Seconds since the last element."""
        return loop_time() - self.last

    def restore(self, state: float) -> None:
        """Go on from a snapshot; the time in which nothing ran does not count."""
        self.last = loop_time() - state


class ZipIterable(Machine):
    """Each element with the next of an iterable; ends with the shorter."""

    def __init__(self, second: Iterable[Any]) -> None:
        self.second = iter(second)
        self.taken = 0

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        for item in items:
            try:
                other = next(self.second)
            except StopIteration:
                self.done = True
                return
            self.taken += 1
            out.append((item, other))

    def snapshot(self) -> int:
        """How many of the iterable were taken."""
        return self.taken

    def restore(self, state: int) -> None:
        """Go on from a snapshot; the iterable is read anew as far as it was."""
        self.taken = state
        deque(islice(self.second, state), maxlen=0)


class Finally(Machine):
    """Calls a function once, at the end or when nobody wants more."""

    def __init__(self, action: Callable[[], object], report: Callable[[Exception], None]) -> None:
        self.action: Callable[[], object] | None = action
        self.report = report

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        out.extend(items)

    def finish(self, out: list[Any]) -> None:
        self._act()

    def fail(self, error: BaseException, out: list[Any]) -> BaseException | None:
        self._act()
        return error

    def close(self) -> None:
        try:
            self._act()
        except Exception as error:
            # nobody is left who could be told
            self.report(error)

    def _act(self) -> None:
        action, self.action = self.action, None
        if action is not None:
            action()

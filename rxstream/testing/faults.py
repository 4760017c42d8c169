"""Faults where a test wants them: nodes and functions that fail, now and then, and a slow consumer."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import wraps
from typing import Any, ClassVar, ParamSpec, TypeVar, cast

from reactivex import Observable

from rxstream.engine.op import Op
from rxstream.operator import Operator, OperatorSpec
from rxstream.sink import Sink, Write
from rxstream.source import Port
from rxstream.stream import Stream

A = TypeVar("A")
P = ParamSpec("P")
R = TypeVar("R")

Fault = BaseException | type[BaseException] | Callable[[], BaseException]
"""An error, or what makes one."""


class InjectedFault(Exception):
    """The error of a fault that was given no other."""


def fails(
    *, after: int, error: Fault = InjectedFault, times: int | None = None
) -> Callable[[Observable[A]], Stream[A]]:
    """Pass `after` elements, then fail; at most `times` times over all its runs, then pass everything.

        >>> import rxstream as rxs
        >>> from rxstream import operators as ops
        >>> from rxstream.testing import fails, run
        >>> async def retried():
        ...     flaky = rxs.of(1, 2, 3).pipe(fails(after=2, times=1))
        ...     return [item async for item in flaky.pipe(ops.retry(2))]
        >>> run(retried())
        [1, 2, 1, 2, 3]

    The count begins anew in each run (each execution, each attempt of a `retry`). With `after=0` it fails at
    the first element or, if there is none, at the end.
    """
    if after < 0:
        raise ValueError(f"cannot fail after {after} elements")
    budget = _Budget(times)
    return Operator(
        OperatorSpec(
            "fails",
            "op",
            make=lambda: _Fails(after, error, budget),
            arguments={"after": after, "error": error, "times": times},
        )
    )


def fails_each(n: int, error: Fault = InjectedFault) -> Callable[[Observable[A]], Stream[A]]:
    """Fail in place of every `n`-th element, counted over all its runs.

        >>> import rxstream as rxs
        >>> from rxstream import operators as ops
        >>> from rxstream.testing import fails_each, run
        >>> async def thrice():
        ...     pairs = rxs.of("a", "b").pipe(fails_each(3), ops.catch(rxs.of("failed")))
        ...     return [item async for item in pairs.pipe(ops.repeat(3))]
        >>> run(thrice())
        ['a', 'b', 'failed', 'a', 'b']

    A failed run has ended; for single elements that fail there is `flaky`.
    """
    if n < 1:
        raise ValueError(f"cannot fail at every {n}th element")
    count = _Count()
    return Operator(
        OperatorSpec(
            "fails_each",
            "op",
            make=lambda: _FailsEach(n, error, count),
            arguments={"n": n, "error": error},
        )
    )


def flaky(function: Callable[P, R], *, each: int, error: Fault = InjectedFault) -> Callable[P, R]:
    """The function, plain or asynchronous, that raises instead at every `each`-th call.

    >>> from rxstream.testing import flaky
    >>> halved = flaky(lambda n: n // 2, each=3, error=OSError("no route"))
    >>> halved(2), halved(4)
    (1, 2)
    >>> halved(6)
    Traceback (most recent call last):
    ...
    OSError: no route
    """
    if each < 1:
        raise ValueError(f"cannot fail at every {each}th call")
    count = _Count()

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        count.seen += 1
        if count.seen % each == 0:
            raise _made(error)
        return function(*args, **kwargs)

    if not inspect.iscoroutinefunction(function):
        return wraps(function)(call)

    @wraps(function)
    async def awaited(*args: P.args, **kwargs: P.kwargs) -> Any:
        return await call(*args, **kwargs)  # type: ignore[misc]  # it is a coroutine function

    return cast("Callable[P, R]", awaited)


def _made(error: Fault) -> BaseException:
    return error if isinstance(error, BaseException) else error()


class _Budget:
    def __init__(self, times: int | None) -> None:
        self.left = times

    def spend(self) -> bool:
        if self.left is None:
            return True
        self.left -= 1
        return self.left >= 0


class _Count:
    def __init__(self) -> None:
        self.seen = 0


class _Fails(Op):
    def __init__(self, after: int, error: Fault, budget: _Budget) -> None:
        self._after = after
        self._error = error
        self._budget = budget
        self._seen = 0

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        for item in items:
            if self._after == 0:
                self._fail()
            out.append(item)
            self._seen += 1
            if self._seen == self._after:
                self._fail()

    def finish(self, out: list[Any]) -> None:
        if self._after == 0:
            self._fail()

    def demand(self, wanted: int) -> int:
        left = self._after - self._seen
        return min(wanted, left) if left > 0 else wanted

    def _fail(self) -> None:
        if self._budget.spend():
            raise _made(self._error)
        self._after = -1


class _FailsEach(Op):
    def __init__(self, n: int, error: Fault, count: _Count) -> None:
        self._n = n
        self._error = error
        self._count = count

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        for item in items:
            self._count.seen += 1
            if self._count.seen % self._n == 0:
                raise _made(self._error)
            out.append(item)

    def demand(self, wanted: int) -> int:
        return min(wanted, 1)


class SlowSink(Sink[Any]):
    """Takes `seconds` over each element, on the loop's clock; keeps what it has taken in `received`.

        >>> import asyncio, rxstream as rxs
        >>> from rxstream.testing import SlowSink, run
        >>> slow = SlowSink(seconds=60)
        >>> @rxs.graph
        ... def hourly():
        ...     rxs.of(1, 2, 3).to(slow)
        >>> async def timed():
        ...     await hourly.run()
        ...     return asyncio.get_running_loop().time()
        >>> run(timed()) >= 180
        True
        >>> slow.received
        [1, 2, 3]

    `most` is the longest batch it was given. As a reader of the log it is given events.
    """

    name: ClassVar[str] = "slow"

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.received: list[Any] = []
        self.most = 0
        self.opened = 0
        self.closed = 0

    @property
    def arguments(self) -> Mapping[str, Any]:
        return {"seconds": self._seconds}

    def open(self, port: Port) -> AbstractAsyncContextManager[Write[Any]]:
        return self._open()

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Write[Any]]:
        self.opened += 1
        try:
            yield self._write
        finally:
            self.closed += 1

    async def _write(self, items: Sequence[Any]) -> None:
        self.most = max(self.most, len(items))
        for item in items:
            await asyncio.sleep(self._seconds)
            self.received.append(item)

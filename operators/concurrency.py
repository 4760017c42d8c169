"""Operators that say where and how much at a time: asynchronous functions, schedulers, full queues.

A policy (`block`, `latest`, …) is a queue of its own, or that of the boundary directly after it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from reactivex import Observable, abc
from reactivex import operators as rx

from rxstream.errors import GraphError
from rxstream.operator import DEFAULT_CAPACITY, Buffer, Operator
from rxstream.operators._passing import Same
from rxstream.operators._spec import foreign, same, waiting
from rxstream.operators._types import A, B
from rxstream.operators._workers import FilterAsync, MapAsync
from rxstream.source import Policy
from rxstream.stream import Stream

__all__ = [
    "block",
    "coalesce",
    "drop_newest",
    "drop_oldest",
    "fail",
    "filter_async",
    "latest",
    "map_async",
    "observe_on",
    "subscribe_on",
    "unbounded",
]


def map_async(
    fn: Callable[[A], Awaitable[B]], concurrency: int = 1, ordered: bool = True
) -> Callable[[Observable[A]], Stream[B]]:
    """The result of an asynchronous function for each element, `concurrency` of them at a time.

        --1--2--3-----|
        [map_async(f)]
        ----f1-f2-f3--|

    Results come in the elements' order; with `ordered=False` as they are done. No more are begun than can go
    on: a slow reader holds them back. An error cancels those under way.
    """
    _positive("concurrency", concurrency)
    return waiting(
        "map_async",
        lambda: MapAsync(fn, concurrency, ordered),
        rx=_no_twin,
        arguments={"fn": fn, "concurrency": concurrency, "ordered": ordered},
        told=True,
        resumable=True,
    )


def filter_async(
    fn: Callable[[A], Awaitable[object]], concurrency: int = 1, ordered: bool = True
) -> Callable[[Observable[A]], Stream[A]]:
    """Elements for which an asynchronous predicate holds; see `map_async`.

    --1--2--3--4--|
    [filter_async(even)]
    -------2-----4|
    """
    _positive("concurrency", concurrency)
    return waiting(
        "filter_async",
        lambda: FilterAsync(fn, concurrency, ordered),
        rx=_no_twin,
        arguments={"fn": fn, "concurrency": concurrency, "ordered": ordered},
        told=True,
        resumable=True,
    )


def observe_on(scheduler: abc.SchedulerBase) -> Callable[[Observable[A]], Stream[A]]:
    """Elements by way of a scheduler; reactivex's.

        --1--2--3--|
        [observe_on(s)]
        --1--2--3--|

    They come back to the engine's loop after it, so it is of use only together with reactivex's operators.
    """
    return foreign("observe_on", arguments={"scheduler": scheduler}, grows="elements on their way")


def subscribe_on(scheduler: abc.SchedulerBase) -> Callable[[Observable[A]], Stream[A]]:
    """The stream subscribed by way of a scheduler; reactivex's.

        --1--2--3--|
        [subscribe_on(s)]
        --1--2--3--|

    Of use only together with reactivex's operators: the engine starts a graph as a whole.
    """
    return foreign("subscribe_on", arguments={"scheduler": scheduler})


def block(n: int = DEFAULT_CAPACITY) -> Callable[[Observable[A]], Stream[A]]:
    """When `n` elements wait, what feeds this waits too; nothing is lost. What every queue does by default.

    --1--2--3--|
    [ block(2) ]
    --1--2--3--|
    """
    return _policy("block", "block", n)


def latest() -> Callable[[Observable[A]], Stream[A]]:
    """While a reader is busy only the latest element waits for it; those before it are dropped.

        -123---4--|
        [latest()]
        -1-3---4--|

    What is dropped is counted. What feeds this never waits.
    """
    return _policy("latest", "latest", 1, {})


def drop_oldest(n: int = DEFAULT_CAPACITY) -> Callable[[Observable[A]], Stream[A]]:
    """When `n` elements wait, one more drops the oldest of them.

    -1234-----|
    [drop_oldest(2)]
    -1-3-4----|
    """
    return _policy("drop_oldest", "drop_oldest", n)


def drop_newest(n: int = DEFAULT_CAPACITY) -> Callable[[Observable[A]], Stream[A]]:
    """When `n` elements wait, one more is dropped itself.

    -1234-----|
    [drop_newest(2)]
    -1-2-3----|
    """
    return _policy("drop_newest", "drop_newest", n)


def coalesce(reducer: Callable[[A, A], A], n: int = 1) -> Callable[[Observable[A]], Stream[A]]:
    """When `n` elements wait, one more is combined with the last of them.

    -1234-----|
    [coalesce(+)]
    -1-9------|
    """
    given = {"reducer": reducer, "n": n}
    return _policy("coalesce", "coalesce", n, given, reducer)


def fail(n: int = DEFAULT_CAPACITY) -> Callable[[Observable[A]], Stream[A]]:
    """When `n` elements wait, one more is an error (BufferOverflow).

    -1234
    [fail(2)]
    -1-2-X
    """
    return _policy("fail", "fail", n)


def unbounded(reason: str) -> Callable[[Observable[A]], Stream[A]]:
    """The same elements; says why what is directly before it or after it may hold what it likes.

        --1--2--3--|
        [unbounded("at most a few keys")]
        --1--2--3--|

    Where a graph would be refused because something in it grows without a limit, this is the answer when it
    is bounded all the same. The graph shows the reason, which must not be empty.
    """
    if not str(reason).strip():
        raise GraphError(
            "unbounded needs a reason: what bounds it all the same, or why it may grow"
        )
    return same("unbounded", rx.as_observable, {"reason": reason})


def _policy(
    name: str,
    policy: Policy,
    n: int,
    given: dict[str, Any] | None = None,
    reducer: Callable[[Any, Any], Any] | None = None,
) -> Operator:
    _positive("n", n)
    return waiting(
        name,
        Same,
        rx=rx.as_observable,
        arguments={"n": n} if given is None else given,
        buffer=Buffer(policy, n, reducer),
        resumable=True,
    )


def _positive(name: str, number: int) -> None:
    if number < 1:
        raise GraphError(f"{name} must be at least 1, not {number}")


def _no_twin() -> Any:
    raise GraphError(
        "asynchronous functions cannot run between an operator that opens Observables and the one that "
        "flattens them: use them before or after those"
    )

"""Operators that make something else of each element: functions over them, accumulations, notifications."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast, overload

import structlog
from reactivex import Observable, abc
from reactivex import operators as rx
from reactivex.internal.utils import NotSet
from reactivex.notification import Notification
from reactivex.operators._timeinterval import TimeInterval
from reactivex.operators._timestamp import Timestamp
from typing_extensions import Unpack

from rxstream.operator import Operator
from rxstream.operators import _mapping as machines
from rxstream.operators._spec import foreign, native, same
from rxstream.operators._types import A, B, K, S, Ts, V
from rxstream.stream import Stream

__all__ = [
    "as_observable",
    "dematerialize",
    "do",
    "do_action",
    "finally_action",
    "map",
    "map_indexed",
    "materialize",
    "pairwise",
    "pluck",
    "pluck_attr",
    "scan",
    "starmap",
    "starmap_indexed",
    "tap",
    "time_interval",
    "timestamp",
    "zip_with_iterable",
    "zip_with_list",
]

_log = structlog.get_logger("rxstream.operators")


def _identity(item: Any, *_: Any) -> Any:
    return item


def map(mapper: Callable[[A], B] | None = None) -> Callable[[Observable[A]], Stream[B]]:
    """The result of a function for each element.

        --1--2--3--|
        [ map(x * 10) ]
        --10-20-30-|

    Runs on the event loop: what waits or computes for long belongs into `map_async`.
    """
    function = mapper or _identity
    return native("map", lambda: machines.Map(function), arguments={"mapper": mapper})


def map_indexed(
    mapper_indexed: Callable[[A, int], B] | None = None,
) -> Callable[[Observable[A]], Stream[B]]:
    """The result of a function of each element and its index from 0.

    --a--b--c--|
    [ map_indexed((x, i)) ]
    --a0-b1-c2-|
    """
    function = mapper_indexed or _identity
    return native(
        "map_indexed",
        lambda: machines.MapIndexed(function),
        arguments={"mapper_indexed": mapper_indexed},
    )


@overload
def starmap() -> Callable[[Observable[A]], Stream[A]]: ...


@overload
def starmap(
    mapper: Callable[[Unpack[Ts]], B],
) -> Callable[[Observable[tuple[*Ts]]], Stream[B]]: ...


def starmap(
    mapper: Callable[..., Any] | None = None,
) -> Callable[[Observable[Any]], Stream[Any]]:
    """The result of a function for each element, which is a tuple of its arguments.

    --(1,2)--(3,4)--|
    [  starmap(+)   ]
    --3------7------|
    """
    function: Callable[[Any], Any] = _identity if mapper is None else lambda values: mapper(*values)
    return native("starmap", lambda: machines.Map(function), arguments={"mapper": mapper})


def starmap_indexed(
    mapper: Callable[[Unpack[Ts], int], B],
) -> Callable[[Observable[tuple[*Ts, int]]], Stream[B]]:
    """The result of a function for each element, a tuple of its arguments whose last is an index.

        --(a,b,0)--(c,d,1)--|
        [  starmap_indexed  ]
        --ab0------cd1------|

    As in reactivex the index is part of the element; `map_indexed` makes such tuples.
    """
    call = cast(Callable[..., Any], mapper)

    def function(values: Any) -> Any:
        return call(*values)

    return native("starmap_indexed", lambda: machines.Map(function), arguments={"mapper": mapper})


def pluck(key: K) -> Callable[[Observable[dict[K, V]]], Stream[V]]:
    """The value under a key of each element.

        --{a:1}--{a:2}--|
        [  pluck("a")   ]
        --1------2------|

    An element without the key is an error (KeyError).
    """

    def function(item: Any) -> Any:
        return item[key]

    return native("pluck", lambda: machines.Map(function), arguments={"key": key})


def pluck_attr(prop: str) -> Callable[[Observable[Any]], Stream[Any]]:
    """An attribute of each element.

    --p(x=1)--p(x=2)--|
    [ pluck_attr("x") ]
    --1-------2-------|
    """

    def function(item: Any) -> Any:
        return getattr(item, prop)

    return native("pluck_attr", lambda: machines.Map(function), arguments={"prop": prop})


@overload
def scan(accumulator: Callable[[A, A], A]) -> Callable[[Observable[A]], Stream[A]]: ...


@overload
def scan(accumulator: Callable[[S, A], S], seed: S) -> Callable[[Observable[A]], Stream[S]]: ...


def scan(
    accumulator: Callable[[Any, Any], Any], seed: Any = NotSet
) -> Callable[[Observable[Any]], Stream[Any]]:
    """The accumulation after each element; without a seed the first element begins it.

        --1--2--3--4--|
        [   scan(+)   ]
        --1--3--6--10-|

    Give a new value each time rather than changing the old one: elements are immutable.
    """
    first = machines.MISSING if seed is NotSet else seed
    given = {"accumulator": accumulator} | ({} if seed is NotSet else {"seed": seed})
    return native("scan", lambda: machines.Scan(accumulator, first), arguments=given)


def pairwise() -> Callable[[Observable[A]], Stream[tuple[A, A]]]:
    """Each element with the one before it; a single element gives nothing.

    --1--2--3------|
    [  pairwise()  ]
    -----12-23-----|
    """
    return native("pairwise", machines.Pairwise)


def do_action(
    on_next: Callable[[A], Any] | None = None,
    on_error: Callable[[Exception], Any] | None = None,
    on_completed: Callable[[], Any] | None = None,
) -> Callable[[Observable[A]], Stream[A]]:
    """Call functions with what passes, and pass it on.

        --1--2--3--|
        [do_action()]
        --1--2--3--|

    What they raise is an error of this node; in reactivex too, but there the end is still told after it.
    """
    return _observing("do_action", on_next, on_error, on_completed)


def tap(
    on_next: Callable[[A], Any] | None = None,
    on_error: Callable[[Exception], Any] | None = None,
    on_completed: Callable[[], Any] | None = None,
) -> Callable[[Observable[A]], Stream[A]]:
    """The same as `do_action`.

    --1--2--3--|
    [   tap()  ]
    --1--2--3--|
    """
    return _observing("tap", on_next, on_error, on_completed)


def do(observer: abc.ObserverBase[A]) -> Callable[[Observable[A]], Stream[A]]:
    """Tell an observer what passes, and pass it on.

    --1--2--3--|
    [   do()   ]
    --1--2--3--|
    """
    return native(
        "do",
        lambda: machines.Do(observer.on_next, observer.on_error, observer.on_completed),
        arguments={"observer": observer},
    )


def _observing(name: str, *functions: Callable[..., Any] | None) -> Operator:
    names = ("on_next", "on_error", "on_completed")
    return native(
        name,
        lambda: machines.Do(*functions),
        arguments=dict(zip(names, functions, strict=True)),
    )


def finally_action(action: Callable[[], Any]) -> Callable[[Observable[A]], Stream[A]]:
    """Call a function once when the stream has ended, failed or is no longer wanted.

        --1--2--3--|
        [finally_action()]
        --1--2--3--|

    It runs before the end goes on (in reactivex after), so that what it raises is an error of this node. When
    nobody wants more, what it raises is logged. A process that dies does not call it; the one that goes on
    does, at the end.
    """

    def report(error: Exception) -> None:
        _log.warning("finally_action raised", error=repr(error))

    return native(
        "finally_action",
        lambda: machines.Finally(action, report),
        arguments={"action": action},
    )


def materialize() -> Callable[[Observable[A]], Stream[Notification[A]]]:
    """Notifications of elements, of the end and of an error, instead of those.

    --1--2--X
    [ materialize() ]
    --n1-n2-eX|
    """
    return native("materialize", machines.Materialize)


def dematerialize() -> Callable[[Observable[Notification[A]]], Stream[A]]:
    """What notifications say: the inverse of `materialize`.

    --n1-n2-c---|
    [ dematerialize() ]
    --1--2--|
    """
    return native("dematerialize", machines.Dematerialize)


def timestamp(
    scheduler: abc.SchedulerBase | None = None,
) -> Callable[[Observable[A]], Stream[Timestamp[A]]]:
    """Each element with the time of day in UTC.

        --1--2--3--|
        [timestamp()]
        --1@-2@-3@-|

    Elements of one batch have the same time. With a scheduler its time is used, by reactivex's operator.
    """
    if scheduler is not None:
        return foreign("timestamp", arguments={"scheduler": scheduler})
    return native("timestamp", machines.Stamp)


def time_interval(
    scheduler: abc.SchedulerBase | None = None,
) -> Callable[[Observable[A]], Stream[TimeInterval[A]]]:
    """Each element with the time since the one before, the first with that since the start.

        --1-----2--|
        [time_interval()]
        --1+----2+-|

    With a scheduler its time is used, by reactivex's operator.
    """
    if scheduler is not None:
        return foreign("time_interval", arguments={"scheduler": scheduler})
    return native("time_interval", machines.Interval)


def as_observable() -> Callable[[Observable[A]], Stream[A]]:
    """The same elements.

    --1--2--3--|
    [as_observable()]
    --1--2--3--|
    """
    return same("as_observable", rx.as_observable)


def zip_with_iterable(second: Iterable[B]) -> Callable[[Observable[A]], Stream[tuple[A, B]]]:
    """Each element with the next of an iterable; ends with the shorter.

        --a--b--c--|
        [zip_with_iterable([1,2])]
        --a1-b2-|

    The iterable is advanced on the event loop. An iterator, unlike a list, serves one execution only. Only
    what has an order and a length, as a list or a range has, can be gone on with after a restart.
    """
    return _zipping("zip_with_iterable", second)


def zip_with_list(second: Iterable[B]) -> Callable[[Observable[A]], Stream[tuple[A, B]]]:
    """The same as `zip_with_iterable`.

    --a--b--c--|
    [zip_with_list([1,2])]
    --a1-b2-|
    """
    return _zipping("zip_with_list", second)


def _zipping(name: str, second: Iterable[Any]) -> Operator:
    return native(
        name,
        lambda: machines.ZipIterable(second),
        arguments={"second": second},
        resumable=isinstance(second, Sequence),
    )

"""Operators that make one value of a whole stream, or decide something about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from operator import add
from typing import Any, overload

from reactivex import Observable, abc
from reactivex import operators as rx
from reactivex.internal.utils import NotSet
from reactivex.typing import RelativeTime

from rxstream.operators import _folding as machines
from rxstream.operators._mapping import MISSING
from rxstream.operators._spec import foreign, native, sourced
from rxstream.operators._types import A, B, K, S, V
from rxstream.stream import Stream

__all__ = [
    "all",
    "average",
    "contains",
    "count",
    "default_if_empty",
    "find",
    "find_index",
    "is_empty",
    "max",
    "max_by",
    "min",
    "min_by",
    "reduce",
    "some",
    "sum",
    "to_dict",
    "to_future",
    "to_iterable",
    "to_list",
    "to_marbles",
    "to_set",
]


@overload
def reduce(accumulator: Callable[[A, A], A]) -> Callable[[Observable[A]], Stream[A]]: ...


@overload
def reduce(accumulator: Callable[[S, A], S], seed: S) -> Callable[[Observable[A]], Stream[S]]: ...


def reduce(
    accumulator: Callable[[Any, Any], Any], seed: Any = NotSet
) -> Callable[[Observable[Any]], Stream[Any]]:
    """The last accumulation, when the stream has ended.

        --1--2--3--|
        [ reduce(+) ]
        -----------6|

    Of no elements it is the seed; without a seed that is an error (SequenceContainsNoElementsError).
    """
    first = MISSING if seed is NotSet else seed
    given = {"accumulator": accumulator} | ({} if seed is NotSet else {"seed": seed})
    return native("reduce", lambda: machines.Reduce(accumulator, first), arguments=given)


def count(predicate: Callable[[A], bool] | None = None) -> Callable[[Observable[A]], Stream[int]]:
    """How many elements there were (for which a predicate holds).

    --1--2--3--|
    [ count()  ]
    -----------3|
    """
    return native("count", lambda: machines.Count(predicate), arguments={"predicate": predicate})


@overload
def sum() -> Callable[[Observable[float]], Stream[float]]: ...


@overload
def sum(key_mapper: Callable[[A], float]) -> Callable[[Observable[A]], Stream[float]]: ...


def sum(
    key_mapper: Callable[[Any], float] | None = None,
) -> Callable[[Observable[Any]], Stream[float]]:
    """The sum of the elements, or of what a function gives for them; 0 of none.

    --1--2--3--|
    [  sum()   ]
    -----------6|
    """
    key = key_mapper
    adding = add if key is None else lambda total, item: total + key(item)
    return native("sum", lambda: machines.Reduce(adding, 0), arguments={"key_mapper": key_mapper})


def average(
    key_mapper: Callable[[A], float] | None = None,
) -> Callable[[Observable[A]], Stream[float]]:
    """The mean of the elements, or of what a function gives for them; of none it is an error.

    --1--2--3--|
    [ average() ]
    -----------2.0|
    """
    key: Callable[[Any], float] = key_mapper or float
    return native("average", lambda: machines.Average(key), arguments={"key_mapper": key_mapper})


def min(comparer: Callable[[A, A], Any] | None = None) -> Callable[[Observable[A]], Stream[A]]:
    """The first of the least elements; of none it is an error.

        --2--1--3--|
        [  min()   ]
        -----------1|

    A comparer gives a number below, at or above 0. Without one elements need `<` (in reactivex `-`, which
    strings and datetimes lack).
    """
    return native(
        "min", lambda: machines.Extreme(None, comparer, -1), arguments={"comparer": comparer}
    )


def max(comparer: Callable[[A, A], Any] | None = None) -> Callable[[Observable[A]], Stream[A]]:
    """The first of the greatest elements; of none it is an error. See `min`.

    --2--1--3--|
    [  max()   ]
    -----------3|
    """
    return native(
        "max", lambda: machines.Extreme(None, comparer, 1), arguments={"comparer": comparer}
    )


def min_by(
    key_mapper: Callable[[A], K], comparer: Callable[[K, K], Any] | None = None
) -> Callable[[Observable[A]], Stream[list[A]]]:
    """All elements with the least key, as a list. See `min`.

    --a2--b1--c1--|
    [   min_by()  ]
    --------------[b1,c1]|
    """
    return native(
        "min_by",
        lambda: machines.Extremes(key_mapper, comparer, -1),
        arguments={"key_mapper": key_mapper, "comparer": comparer},
        grows="the elements with the least key",
    )


def max_by(
    key_mapper: Callable[[A], K], comparer: Callable[[K, K], Any] | None = None
) -> Callable[[Observable[A]], Stream[list[A]]]:
    """All elements with the greatest key, as a list. See `min`.

    --a2--b1--c2--|
    [   max_by()  ]
    --------------[a2,c2]|
    """
    return native(
        "max_by",
        lambda: machines.Extremes(key_mapper, comparer, 1),
        arguments={"key_mapper": key_mapper, "comparer": comparer},
        grows="the elements with the greatest key",
    )


def to_list() -> Callable[[Observable[A]], Stream[list[A]]]:
    """All elements as one list.

    --1--2--3--|
    [ to_list() ]
    -----------[1,2,3]|
    """
    return native("to_list", lambda: machines.Collect(list, list.append), grows="every element")


def to_iterable() -> Callable[[Observable[A]], Stream[list[A]]]:
    """The same as `to_list`.

    --1--2--3--|
    [to_iterable()]
    -----------[1,2,3]|
    """
    return native("to_iterable", lambda: machines.Collect(list, list.append), grows="every element")


def to_set() -> Callable[[Observable[A]], Stream[set[A]]]:
    """All elements as one set.

    --1--2--1--|
    [ to_set() ]
    -----------{1,2}|
    """
    return native("to_set", lambda: machines.Collect(set, set.add), grows="every distinct element")


@overload
def to_dict(key_mapper: Callable[[A], K]) -> Callable[[Observable[A]], Stream[dict[K, A]]]: ...


@overload
def to_dict(
    key_mapper: Callable[[A], K], element_mapper: Callable[[A], V]
) -> Callable[[Observable[A]], Stream[dict[K, V]]]: ...


def to_dict(
    key_mapper: Callable[[Any], Any], element_mapper: Callable[[Any], Any] | None = None
) -> Callable[[Observable[Any]], Stream[dict[Any, Any]]]:
    """All elements (or what a function gives for them) by key; a later one replaces an earlier.

    --a1--b2--a3--|
    [  to_dict()  ]
    --------------{a:a3,b:b2}|
    """
    value = element_mapper or (lambda item: item)

    def put(found: dict[Any, Any], item: Any) -> None:
        key = key_mapper(item)
        found[key] = value(item)

    return native(
        "to_dict",
        lambda: machines.Collect(dict, put),
        arguments={"key_mapper": key_mapper, "element_mapper": element_mapper},
        grows="one element for each key",
    )


def to_future(
    future_ctor: Callable[[], asyncio.Future[A]] | None = None,
) -> Callable[[Observable[A]], asyncio.Future[A]]:
    """A future of the last element: subscribes at once, outside any graph; `await stream` does the same.

        --1--2--3--|
        [to_future()]
        3

    No element is an error (SequenceContainsNoElementsError).
    """

    def subscribe(source: Observable[A]) -> asyncio.Future[A]:
        return rx.to_future(future_ctor)(source)

    return subscribe


def to_marbles(
    timespan: RelativeTime = 0.1, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[Any]], Stream[str]]:
    """The stream drawn as a marble diagram, when it has ended; reactivex's.

    --1--2--3--|
    [to_marbles()]
    -----------"--1--2--3--|"|
    """
    return foreign(
        "to_marbles",
        arguments={"timespan": timespan, "scheduler": scheduler},
        grows="the diagram",
    )


def all(predicate: Callable[[A], bool]) -> Callable[[Observable[A]], Stream[bool]]:
    """Whether a predicate holds for every element; ends at the first for which it does not.

    --1--2--3--|
    [ all(x < 3) ]
    --------F|
    """
    return native(
        "all",
        lambda: machines.Decide(lambda item: not predicate(item), found=False, missing=True),
        arguments={"predicate": predicate},
    )


def some(predicate: Callable[[A], bool] | None = None) -> Callable[[Observable[A]], Stream[bool]]:
    """Whether there is an element (for which a predicate holds); ends at the first.

    --1--2--3--|
    [ some(x > 1) ]
    -----T|
    """
    return native(
        "some",
        lambda: machines.Decide(predicate, found=True, missing=False),
        arguments={"predicate": predicate},
    )


def is_empty() -> Callable[[Observable[Any]], Stream[bool]]:
    """Whether there is no element; ends at the first.

    --1--2--3--|
    [ is_empty() ]
    --F|
    """
    return native("is_empty", lambda: machines.Decide(None, found=False, missing=True))


def contains(
    value: Any, comparer: Callable[[A, A], bool] | None = None
) -> Callable[[Observable[A]], Stream[bool]]:
    """Whether a value is among the elements; ends at the first.

    --1--2--3--|
    [contains(2)]
    -----T|
    """
    equal = comparer

    def found(item: Any) -> bool:
        return bool(item == value) if equal is None else equal(item, value)

    return native(
        "contains",
        lambda: machines.Decide(found, found=True, missing=False),
        arguments={"value": value, "comparer": comparer},
    )


def find(
    predicate: Callable[[A, int, Observable[A]], bool],
) -> Callable[[Observable[A]], Stream[A | None]]:
    """The first element for which a predicate of element, index and stream holds, else None.

    --1--2--3--|
    [find(x > 1)]
    -----2|
    """
    return sourced(
        native("find", lambda: _no_source(), arguments={"predicate": predicate}),
        make=lambda stream: machines.Find(predicate, stream, by_index=False),
    )


def find_index(
    predicate: Callable[[A, int, Observable[A]], bool],
) -> Callable[[Observable[A]], Stream[int | None]]:
    """The index of the first element for which a predicate holds, else -1.

    --1--2--3--|
    [find_index(x > 1)]
    -----1|
    """
    return sourced(
        native("find_index", lambda: _no_source(), arguments={"predicate": predicate}),
        make=lambda stream: machines.Find(predicate, stream, by_index=True),
    )


def _no_source() -> machines.Find:
    return machines.Find(lambda item, index, source: False, None, by_index=False)


@overload
def default_if_empty(default_value: B) -> Callable[[Observable[A]], Stream[A | B]]: ...


@overload
def default_if_empty() -> Callable[[Observable[A]], Stream[A | None]]: ...


def default_if_empty(default_value: Any = None) -> Callable[[Observable[Any]], Stream[Any]]:
    """What comes, or a default if nothing came.

    -----------|
    [default_if_empty(9)]
    -----------9|
    """
    return native(
        "default_if_empty",
        lambda: machines.DefaultIfEmpty(default_value),
        arguments={"default_value": default_value},
    )

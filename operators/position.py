"""Operators that let elements pass by where they stand: first, last, at an index, in a slice."""

from __future__ import annotations

from collections.abc import Callable
from sys import maxsize
from typing import Any

from reactivex import Observable
from reactivex.internal.exceptions import ArgumentOutOfRangeException

from rxstream.operators import _folding, _selecting
from rxstream.operators._passing import Nothing, TakeLast
from rxstream.operators._spec import native, waiting
from rxstream.operators._types import A, B
from rxstream.stream import Stream

__all__ = [
    "element_at",
    "element_at_or_default",
    "first",
    "first_or_default",
    "last",
    "last_or_default",
    "single",
    "single_or_default",
    "single_or_default_async",
    "skip",
    "skip_last",
    "slice",
    "take",
    "take_last",
    "take_last_buffer",
]


def take(count: int) -> Callable[[Observable[A]], Stream[A]]:
    """The first `count` elements. Raises ArgumentOutOfRangeException for a negative count.

        --1--2--3--4--|
        [  take(2)    ]
        --1--2|

    A pulled source is advanced exactly so often and not once more; `take(0)` reads nothing.
    """
    _not_negative(count)
    if count == 0:
        return waiting("take", Nothing, arguments={"count": count}, resumable=True)
    return native("take", lambda: _selecting.Take(count), arguments={"count": count})


def skip(count: int) -> Callable[[Observable[A]], Stream[A]]:
    """All but the first `count` elements. Raises ArgumentOutOfRangeException for a negative count.

    --1--2--3--4--|
    [  skip(2)    ]
    --------3--4--|
    """
    _not_negative(count)
    return native("skip", lambda: _selecting.Skip(count), arguments={"count": count})


def take_last(count: int) -> Callable[[Observable[A]], Stream[A]]:
    """The last `count` elements, when the stream has ended.

        --1--2--3--4--|
        [ take_last(2) ]
        --------------34|

    Holds that many.
    """
    return waiting(
        "take_last",
        lambda: TakeLast(max(0, count), lambda items, _: items),
        arguments={"count": count},
        resumable=True,
    )


def skip_last(count: int) -> Callable[[Observable[A]], Stream[A]]:
    """All but the last `count` elements, each that many elements late.

        --1--2--3--4--|
        [ skip_last(2) ]
        --------1--2--|

    Holds that many.
    """
    return native("skip_last", lambda: _selecting.SkipLast(count), arguments={"count": count})


def take_last_buffer(count: int) -> Callable[[Observable[A]], Stream[list[A]]]:
    """The last `count` elements as one list, when the stream has ended.

    --1--2--3--4--|
    [take_last_buffer(2)]
    --------------[3,4]|
    """
    return native(
        "take_last_buffer", lambda: _folding.LastOf(max(0, count)), arguments={"count": count}
    )


def slice(
    start: int | None = None, stop: int | None = None, step: int | None = None
) -> Callable[[Observable[A]], Stream[A]]:
    """The elements Python's slice of these numbers would have; also written `stream[1:10:2]`.

        --a--b--c--d--|
        [slice(1, 3)  ]
        -----b--c|

    Negative numbers count from the end and hold that many elements; with a negative start nothing comes
    before the end. A negative step raises TypeError.
    """
    given = {"start": start, "stop": stop, "step": step}
    if step is not None and step < 0:
        raise TypeError("Negative step not supported.")
    every = step or 1
    begin = start or 0
    if stop == 0:
        return waiting("slice", Nothing, arguments=given, resumable=True)
    if begin < 0:
        return waiting(
            "slice",
            lambda: TakeLast(-begin, lambda items, before: _tail(items, before, stop, every)),
            arguments=given,
            resumable=True,
        )
    return native("slice", lambda: _selecting.Slice(begin, stop, every), arguments=given)


def _tail(items: list[Any], before: int, stop: int | None, step: int) -> list[Any]:
    if stop is not None and stop >= 0:
        stop = max(0, stop - before)
    return items[0 : maxsize if stop is None else stop : step]


def element_at(index: int) -> Callable[[Observable[A]], Stream[A]]:
    """The element at an index. Raises, and fails with, ArgumentOutOfRangeException.

    --a--b--c--|
    [element_at(1)]
    -----b|
    """
    _not_negative(index)
    return native(
        "element_at",
        lambda: _selecting.ElementAt(index, has_default=False, default=None),
        arguments={"index": index},
    )


def element_at_or_default(
    index: int, default_value: B | None = None
) -> Callable[[Observable[A]], Stream[A | B | None]]:
    """The element at an index, or a default if there are not so many.

    --a--b--|
    [element_at_or_default(2, z)]
    --------z|
    """
    _not_negative(index)
    return native(
        "element_at_or_default",
        lambda: _selecting.ElementAt(index, has_default=True, default=default_value),
        arguments={"index": index, "default_value": default_value},
    )


def first(predicate: Callable[[A], bool] | None = None) -> Callable[[Observable[A]], Stream[A]]:
    """The first element, or the first for which a predicate holds; none is an error.

        --1--2--3--|
        [ first()  ]
        --1|

    The error is reactivex's SequenceContainsNoElementsError.
    """
    return native(
        "first",
        lambda: _selecting.First(predicate, has_default=False, default=None),
        arguments={"predicate": predicate},
    )


def first_or_default(
    predicate: Callable[[A], bool] | None = None, default_value: B | None = None
) -> Callable[[Observable[A]], Stream[A | B | None]]:
    """The first element (for which a predicate holds), or a default.

    -----------|
    [first_or_default(None, 9)]
    -----------9|
    """
    return native(
        "first_or_default",
        lambda: _selecting.First(predicate, has_default=True, default=default_value),
        arguments={"predicate": predicate, "default_value": default_value},
    )


def last(predicate: Callable[[A], bool] | None = None) -> Callable[[Observable[A]], Stream[A]]:
    """The last element, or the last for which a predicate holds; none is an error.

    --1--2--3--|
    [  last()  ]
    -----------3|
    """
    return native(
        "last",
        lambda: _folding.Last(predicate, has_default=False, default=None),
        arguments={"predicate": predicate},
    )


def last_or_default(
    default_value: Any = None, predicate: Callable[[A], bool] | None = None
) -> Callable[[Observable[A]], Stream[Any]]:
    """The last element (for which a predicate holds), or a default.

        -----------|
        [last_or_default(9)]
        -----------9|

    The arguments are the other way round than those of `first_or_default`, as in reactivex.
    """
    return native(
        "last_or_default",
        lambda: _folding.Last(predicate, has_default=True, default=default_value),
        arguments={"default_value": default_value, "predicate": predicate},
    )


def single(predicate: Callable[[A], bool] | None = None) -> Callable[[Observable[A]], Stream[A]]:
    """The only element (for which a predicate holds); none and a second are errors.

        --1--|
        [single()]
        -----1|

    The second is a ValueError (in reactivex a bare Exception with the same text).
    """
    return native(
        "single",
        lambda: _folding.Single(predicate, has_default=False, default=None),
        arguments={"predicate": predicate},
    )


def single_or_default(
    predicate: Callable[[A], bool] | None = None, default_value: Any = None
) -> Callable[[Observable[A]], Stream[A]]:
    """The only element (for which a predicate holds), or a default; a second is an error.

    -----|
    [single_or_default(None, 9)]
    -----9|
    """
    return native(
        "single_or_default",
        lambda: _folding.Single(predicate, has_default=True, default=default_value),
        arguments={"predicate": predicate, "default_value": default_value},
    )


def single_or_default_async(
    has_default: bool = False, default_value: Any = None
) -> Callable[[Observable[A]], Stream[A]]:
    """The only element, or a default if `has_default`; a second is an error.

    --1--|
    [single_or_default_async()]
    -----1|
    """
    return native(
        "single_or_default_async",
        lambda: _folding.Single(None, has_default=has_default, default=default_value),
        arguments={"has_default": has_default, "default_value": default_value},
    )


def _not_negative(number: int) -> None:
    if number < 0:
        raise ArgumentOutOfRangeException()

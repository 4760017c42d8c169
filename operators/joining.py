"""Pipeable operators of several streams; `combine` has the functions that take them all at once.

Each input has a bounded queue of its own. An operator that waits for one input holds the others back, so
branches of one source that meet again with unequal numbers of elements need a larger `block(n)` or a lossy
policy on the longer one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from reactivex import Observable
from reactivex import operators as rx
from reactivex.typing import AnyFuture

from rxstream.operators import _combining as units
from rxstream.operators import _remembering as remembering
from rxstream.operators._passing import StartWith
from rxstream.operators._spec import foreign, waiting
from rxstream.operators._types import A, B
from rxstream.stream import Stream, make_source

__all__ = [
    "amb",
    "combine_latest",
    "concat",
    "fork_join",
    "merge",
    "sequence_equal",
    "skip_until",
    "start_with",
    "take_until",
    "with_latest_from",
    "zip",
    "zip_latest",
]


def merge(
    *sources: Observable[Any], max_concurrent: int | None = None
) -> Callable[[Observable[Any]], Stream[Any]]:
    """Elements of all streams as they come; one that has much waiting gets its turn, and no more.

        --1-----2--|
        ----a-b----|
        [ merge()  ]
        --1-a-b-2--|

    Ends with the last, fails with the first that fails. With `max_concurrent` the elements are themselves
    Observables, of which so many are read at a time (reactivex's; those that wait are not bounded).
    """
    if max_concurrent is not None:
        return foreign(
            "merge",
            others=sources,
            rx=lambda *others: rx.merge(*others, max_concurrent=max_concurrent),
            arguments={"max_concurrent": max_concurrent},
            flattens=True,
            grows="Observables that wait for their turn",
        )
    return waiting("merge", units.Merge, others=sources, rx=rx.merge, resumable=True)


def zip(*args: Observable[Any]) -> Callable[[Observable[Any]], Stream[Any]]:
    """Tuples of the first elements of all streams, then of the second ones, …

        --1--2-----3--|
        -----a--b-----|
        [    zip()    ]
        -----1a-2b----|

    Ends with the shortest. What waits for a partner is bounded, and holds its stream back.
    """
    return waiting("zip", units.Zip, others=args, rx=rx.zip, resumable=True)


def zip_latest(*others: Observable[Any]) -> Callable[[Observable[Any]], Stream[tuple[Any, ...]]]:
    """Tuples of the latest elements, whenever all streams have had a new one.

    --1--2-----3--|
    --------a----b|
    [ zip_latest() ]
    --------2a---3b|
    """
    return waiting(
        "zip_latest", remembering.ZipLatest, others=others, rx=rx.zip_latest, resumable=True
    )


def combine_latest(*others: Observable[Any]) -> Callable[[Observable[Any]], Stream[Any]]:
    """A tuple of the latest elements of all streams whenever one of them has a new one.

        --1-----2-----|
        ----a-----b---|
        [combine_latest()]
        ----1a--2a2b--|

    Begins when all have had one; ends when all have ended, or as soon as one ends without any.
    """
    return waiting(
        "combine_latest",
        remembering.CombineLatest,
        others=others,
        rx=rx.combine_latest,
        resumable=True,
    )


def with_latest_from(*sources: Observable[Any]) -> Callable[[Observable[Any]], Stream[Any]]:
    """Each element together with the latest of the other streams; none before they have had one.

        --1-----2--3--|
        ----a-----b---|
        [with_latest_from()]
        --------2a-3b-|

    Ends with the first stream. The others are read as fast as they come and never held back for long.
    """
    return waiting(
        "with_latest_from",
        remembering.WithLatest,
        others=sources,
        rx=rx.with_latest_from,
        resumable=True,
    )


def concat(*sources: Observable[A]) -> Callable[[Observable[A]], Stream[A]]:
    """All of this stream, then all of the next, …

        --1--2|
        --a--b|
        [ concat() ]
        --1--2--a--b|

    A later stream is not started before its turn, so it must not share its source with an earlier one.
    """
    return waiting("concat", units.Concat, others=sources, rx=rx.concat, late=True, resumable=True)


def amb(right_source: Observable[A] | AnyFuture[A]) -> Callable[[Observable[A]], Stream[A]]:
    """The one of two streams that is the first to say anything.

    -----1--2--|
    --a--b-----|
    [  amb()   ]
    --a--b-----|
    """
    return waiting("amb", units.Amb, others=(right_source,), rx=rx.amb, resumable=True)


def fork_join(*others: Observable[Any]) -> Callable[[Observable[Any]], Stream[tuple[Any, ...]]]:
    """A tuple of the last elements of all streams when all have ended.

        --1--2--|
        --a-----b--|
        [fork_join()]
        -----------2b|

    If one ends without an element it ends at once, with nothing.
    """
    return waiting(
        "fork_join", remembering.ForkJoin, others=others, rx=rx.fork_join, resumable=True
    )


def start_with(*args: B) -> Callable[[Observable[A]], Stream[A | B]]:
    """Some values before the elements.

    -----1--2--|
    [start_with(8,9)]
    89---1--2--|
    """
    return waiting(
        "start_with",
        lambda: StartWith(args),
        rx=lambda: rx.start_with(*args),
        arguments={"args": list(args)},
        resumable=True,
    )


def take_until(other: Observable[Any] | AnyFuture[Any]) -> Callable[[Observable[A]], Stream[A]]:
    """Elements until another stream has one; what had arrived by then still goes on.

    --1--2--3--4--|
    ---------x----|
    [ take_until() ]
    --1--2--3|
    """
    return waiting("take_until", units.TakeUntil, others=(other,), rx=rx.take_until, resumable=True)


def skip_until(other: Observable[Any] | AnyFuture[Any]) -> Callable[[Observable[A]], Stream[A]]:
    """Elements from when another stream has had one.

        --1--2--3--4--|
        ------x-------|
        [ skip_until() ]
        --------3--4--|

    If either stream ends before that it ends, with nothing (reactivex never ends then).
    """
    return waiting("skip_until", units.SkipUntil, others=(other,), rx=rx.skip_until, resumable=True)


def sequence_equal(
    second: Observable[A] | Iterable[A], comparer: Callable[[A, A], bool] | None = None
) -> Callable[[Observable[A]], Stream[bool]]:
    """Whether two streams give equal elements in the same order; ends at the first difference.

    --1--2--3--|
    --1--2--4--|
    [sequence_equal()]
    --------F|
    """
    equal = comparer or _equal
    other = second if isinstance(second, Observable) else make_source(second)
    return waiting(
        "sequence_equal",
        lambda: units.SequenceEqual(equal),
        others=(other,),
        rx=lambda other: rx.sequence_equal(other, comparer),
        arguments={"comparer": comparer},
        resumable=True,
    )


def _equal(one: Any, other: Any) -> bool:
    return bool(one == other)

"""Operators that let elements pass by what they are."""

from __future__ import annotations

from collections.abc import Callable

from reactivex import Observable

from rxstream.operators import _selecting as machines
from rxstream.operators._spec import native
from rxstream.operators._types import A, K
from rxstream.stream import Stream

__all__ = [
    "distinct",
    "distinct_until_changed",
    "filter",
    "filter_indexed",
    "ignore_elements",
    "skip_while",
    "skip_while_indexed",
    "take_while",
    "take_while_indexed",
]


def filter(predicate: Callable[[A], bool]) -> Callable[[Observable[A]], Stream[A]]:
    """Elements for which a predicate holds.

    --1--2--3--4--|
    [ filter(even) ]
    -----2-----4--|
    """
    return native("filter", lambda: machines.Filter(predicate), arguments={"predicate": predicate})


def filter_indexed(
    predicate_indexed: Callable[[A, int], bool] | None = None,
) -> Callable[[Observable[A]], Stream[A]]:
    """Elements for which a predicate of element and index holds; all without a predicate.

    --a--b--c--d--|
    [filter_indexed(i % 2)]
    -----b-----d--|
    """
    predicate = predicate_indexed or (lambda item, index: True)
    return native(
        "filter_indexed",
        lambda: machines.FilterIndexed(predicate),
        arguments={"predicate_indexed": predicate_indexed},
    )


def distinct(
    key_mapper: Callable[[A], K] | None = None,
    comparer: Callable[[K, K], bool] | None = None,
) -> Callable[[Observable[A]], Stream[A]]:
    """Elements whose key has not been seen before.

        --1--2--1--3--|
        [ distinct()  ]
        --1--2-----3--|

    Every key is kept, so it grows with the number of keys. Hashable keys are looked up by hash (reactivex
    compares each with each); with a comparer, or keys that cannot be hashed, each with each here too.
    """
    return native(
        "distinct",
        lambda: machines.Distinct(key_mapper, comparer),
        arguments={"key_mapper": key_mapper, "comparer": comparer},
        grows="one key for each distinct element",
    )


def distinct_until_changed(
    key_mapper: Callable[[A], K] | None = None,
    comparer: Callable[[K, K], bool] | None = None,
) -> Callable[[Observable[A]], Stream[A]]:
    """Elements whose key differs from that of the last one that passed.

    --1--1--2--1--|
    [distinct_until_changed()]
    --1-----2--1--|
    """
    return native(
        "distinct_until_changed",
        lambda: machines.DistinctUntilChanged(key_mapper, comparer),
        arguments={"key_mapper": key_mapper, "comparer": comparer},
    )


def ignore_elements() -> Callable[[Observable[A]], Stream[A]]:
    """No element; only the end or the error.

    --1--2--3--|
    [ignore_elements()]
    -----------|
    """
    return native("ignore_elements", machines.Ignore)


def take_while(
    predicate: Callable[[A], bool], inclusive: bool = False
) -> Callable[[Observable[A]], Stream[A]]:
    """Elements as long as a predicate holds; with `inclusive` also the first for which it does not.

    --1--2--3--1--|
    [take_while(x < 3)]
    --1--2--|
    """
    return native(
        "take_while",
        lambda: machines.TakeWhile(lambda item, _: predicate(item), inclusive),
        arguments={"predicate": predicate, "inclusive": inclusive},
    )


def take_while_indexed(
    predicate: Callable[[A, int], bool], inclusive: bool = False
) -> Callable[[Observable[A]], Stream[A]]:
    """Elements as long as a predicate of element and index holds.

    --a--b--c--d--|
    [take_while_indexed(i < 2)]
    --a--b--|
    """
    return native(
        "take_while_indexed",
        lambda: machines.TakeWhile(predicate, inclusive),
        arguments={"predicate": predicate, "inclusive": inclusive},
    )


def skip_while(predicate: Callable[[A], bool]) -> Callable[[Observable[A]], Stream[A]]:
    """Elements from the first for which a predicate does not hold.

    --1--2--3--1--|
    [skip_while(x < 3)]
    --------3--1--|
    """
    return native(
        "skip_while",
        lambda: machines.SkipWhile(lambda item, _: predicate(item)),
        arguments={"predicate": predicate},
    )


def skip_while_indexed(
    predicate: Callable[[A, int], bool],
) -> Callable[[Observable[A]], Stream[A]]:
    """Elements from the first for which a predicate of element and index does not hold.

    --a--b--c--d--|
    [skip_while_indexed(i < 2)]
    --------c--d--|
    """
    return native(
        "skip_while_indexed",
        lambda: machines.SkipWhile(predicate),
        arguments={"predicate": predicate},
    )

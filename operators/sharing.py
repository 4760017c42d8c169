"""Operators that concern how many read a stream: `share` and its kin, `partition`.

In a graph a node runs once however many branches read it, and every branch begins with the first element. So
what reactivex needs `publish`, `replay` and `ref_count` for is so already, and they only pass elements on.
With a mapper they are reactivex's, and the mapper's own branches are inside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

from reactivex import Observable, abc
from reactivex import operators as rx
from reactivex.typing import RelativeTime

from rxstream.operator import Operator
from rxstream.operators._mapping import Do, MapIndexed
from rxstream.operators._passing import StartWith
from rxstream.operators._selecting import Half
from rxstream.operators._spec import foreign, native, same, waiting
from rxstream.operators._types import A, B
from rxstream.stream import Stream

__all__ = [
    "multicast",
    "partition",
    "partition_indexed",
    "publish",
    "publish_value",
    "ref_count",
    "replay",
    "share",
]


def share() -> Callable[[Observable[A]], Stream[A]]:
    """The same elements: a node runs once however many read it.

    --1--2--3--|
    [ share()  ]
    --1--2--3--|
    """
    return same("share", rx.share)


def ref_count() -> Callable[[Observable[A]], Stream[A]]:
    """The same elements; see `share`.

    --1--2--3--|
    [ref_count()]
    --1--2--3--|
    """
    return same("ref_count", rx.as_observable)


@overload
def publish() -> Callable[[Observable[A]], Stream[A]]: ...


@overload
def publish(
    mapper: Callable[[Observable[A]], Observable[B]],
) -> Callable[[Observable[A]], Stream[B]]: ...


def publish(
    mapper: Callable[[Observable[Any]], Observable[Any]] | None = None,
) -> Callable[[Observable[Any]], Stream[Any]]:
    """The same elements; with a mapper what it makes of them, reading them as often as it likes.

        --1--2--3--|
        [publish() ]
        --1--2--3--|

    There is nothing to connect: a graph starts as a whole.
    """
    if mapper is None:
        return same("publish", rx.as_observable)
    return foreign("publish", arguments={"mapper": mapper})


@overload
def publish_value(initial_value: B) -> Callable[[Observable[A]], Stream[A | B]]: ...


@overload
def publish_value(
    initial_value: Any, mapper: Callable[[Observable[A]], Observable[B]]
) -> Callable[[Observable[A]], Stream[B]]: ...


def publish_value(
    initial_value: Any, mapper: Callable[[Observable[Any]], Observable[Any]] | None = None
) -> Callable[[Observable[Any]], Stream[Any]]:
    """A value, then the elements; with a mapper what it makes of those.

    --1--2--3--|
    [publish_value(0)]
    0-1--2--3--|
    """
    given = {"initial_value": initial_value, "mapper": mapper}
    if mapper is not None:
        return foreign("publish_value", arguments=given)
    return waiting(
        "publish_value",
        lambda: StartWith((initial_value,)),
        rx=lambda: rx.start_with(initial_value),
        arguments=given,
        resumable=True,
    )


@overload
def replay(
    buffer_size: int | None = None,
    window: RelativeTime | None = None,
    *,
    scheduler: abc.SchedulerBase | None = None,
) -> Callable[[Observable[A]], Stream[A]]: ...


@overload
def replay(
    buffer_size: int | None = None,
    window: RelativeTime | None = None,
    *,
    mapper: Callable[[Observable[A]], Observable[B]] | None,
    scheduler: abc.SchedulerBase | None = None,
) -> Callable[[Observable[A]], Stream[B]]: ...


def replay(
    buffer_size: int | None = None,
    window: RelativeTime | None = None,
    *,
    mapper: Callable[[Observable[Any]], Observable[Any]] | None = None,
    scheduler: abc.SchedulerBase | None = None,
) -> Callable[[Observable[Any]], Stream[Any]]:
    """The same elements: whoever reads them begins with the first, so nothing has to be kept for it.

        --1--2--3--|
        [ replay() ]
        --1--2--3--|

    With a mapper it is reactivex's, which keeps elements without a bound unless `buffer_size` gives one.
    """
    given = {"buffer_size": buffer_size, "window": window}
    if mapper is None:
        return same("replay", rx.as_observable, given)
    return foreign(
        "replay",
        arguments={**given, "mapper": mapper, "scheduler": scheduler},
        grows=None if buffer_size is not None else "every element",
    )


@overload
def multicast(subject: abc.SubjectBase[A]) -> Callable[[Observable[A]], Stream[A]]: ...


@overload
def multicast(
    *,
    subject_factory: Callable[[abc.SchedulerBase | None], abc.SubjectBase[A]],
    mapper: Callable[[Observable[A]], Observable[B]] | None = None,
) -> Callable[[Observable[A]], Stream[B]]: ...


def multicast(
    subject: abc.SubjectBase[Any] | None = None,
    *,
    subject_factory: Callable[[abc.SchedulerBase | None], abc.SubjectBase[Any]] | None = None,
    mapper: Callable[[Observable[Any]], Observable[Any]] | None = None,
) -> Callable[[Observable[Any]], Stream[Any]]:
    """The same elements, also told to a subject; with a factory and a mapper, what that makes of them.

        --1--2--3--|
        [multicast(subject)]
        --1--2--3--|

    There is nothing to connect. Raises ValueError without a subject.
    """
    if subject_factory is not None:
        return foreign(
            "multicast",
            rx=lambda: rx.multicast(
                subject_factory=subject_factory, mapper=mapper or (lambda source: source)
            ),
            arguments={"subject_factory": subject_factory, "mapper": mapper},
        )
    if subject is None:
        raise ValueError("multicast: Subject cannot be None")
    told = subject
    return native(
        "multicast",
        lambda: Do(told.on_next, told.on_error, told.on_completed),
        rx=lambda: rx.do(told),
        arguments={"subject": told},
        resumable=False,
    )


def partition(predicate: Callable[[A], bool]) -> Callable[[Observable[A]], list[Stream[A]]]:
    """Two streams: the elements for which a predicate holds, and the others.

        --1--2--3--4--|
        [partition(even)]
        -----2-----4--|
        --1-----3-----|

    The predicate is called once for each element (in reactivex twice). One of the two may stay unread.
    """

    def decide(item: Any, _: int) -> bool:
        return bool(predicate(item))

    return _parted("partition", decide, {"predicate": predicate})


def partition_indexed(
    predicate_indexed: Callable[[A, int], bool],
) -> Callable[[Observable[A]], list[Stream[A]]]:
    """As `partition`, the predicate called with the element and its index.

    --a--b--c--d--|
    [partition_indexed(i % 2)]
    -----b-----d--|
    --a-----c-----|
    """
    return _parted("partition_indexed", predicate_indexed, {"predicate_indexed": predicate_indexed})


def _parted(
    name: str, decide: Callable[[Any, int], bool], given: dict[str, Any]
) -> Callable[[Observable[Any]], list[Stream[Any]]]:
    def decided(item: Any, index: int) -> tuple[bool, Any]:
        return bool(decide(item, index)), item

    def part(source: Observable[Any]) -> list[Stream[Any]]:
        pairs = native(
            name,
            lambda: MapIndexed(decided),
            rx=lambda: rx.map_indexed(decided),
            arguments=given,
        )(source)
        halves = [_half(True)(pairs), _half(False)(pairs)]
        for stream in (pairs, *halves):
            stream.optional = True
        return halves

    return part


def _half(wanted: bool) -> Operator:
    return native(
        "half",
        lambda: Half(wanted),
        rx=lambda: rx.flat_map(lambda pair: (pair[1],) if pair[0] is wanted else ()),
        arguments={"wanted": wanted},
    )

"""Operators whose elements are Observables, and those that make one stream of them again.

Between one that opens and the one that flattens, every operator runs as reactivex's, in one unit on the
engine's clock, because an inner Observable must be subscribed at the moment it appears. Those here are all
reactivex's; what flattens what a function gives is in `flattening`. None can be resumed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, overload

from reactivex import GroupedObservable, Observable, abc
from reactivex import operators as rx
from reactivex.subject import Subject
from reactivex.typing import RelativeTime

from rxstream.operators._spec import foreign
from rxstream.operators._types import A, B, K, V
from rxstream.stream import Stream

__all__ = [
    "concat_all",
    "exclusive",
    "expand",
    "group_by",
    "group_by_until",
    "group_join",
    "join",
    "merge_all",
    "switch_latest",
    "window",
    "window_toggle",
    "window_when",
    "window_with_count",
    "window_with_time",
    "window_with_time_or_count",
]

# -- making one stream of many -----------------------------------------------------------------


def merge_all() -> Callable[[Observable[Observable[A]]], Stream[A]]:
    """The elements of all elements, which are Observables, as they come.

        --(1-2)--(a-b)--|
        [  merge_all()  ]
        --1-2----a-b----|

    All run at once and are not bounded.
    """
    return foreign("merge_all", flattens=True, grows=_MANY)


def concat_all() -> Callable[[Observable[Observable[A]]], Stream[A]]:
    """The elements of all elements, which are Observables, one after the other.

    --(1-2)--(a-b)--|
    [ concat_all() ]
    --1-2----a-b----|
    """
    return foreign("concat_all", flattens=True, grows="Observables that wait for their turn")


def switch_latest() -> Callable[[Observable[Observable[A]]], Stream[A]]:
    """The elements of the latest element, which is an Observable.

    --(1-2-3)--|
    ----(a-b)--|
    [switch_latest()]
    --1-a-b----|
    """
    return foreign("switch_latest", flattens=True)


def exclusive() -> Callable[[Observable[Observable[A]]], Stream[A]]:
    """The elements of an element, which is an Observable; those that come meanwhile are passed over.

    --(1-2-3)--|
    ----(a-b)--|
    [ exclusive() ]
    --1-2-3----|
    """
    return foreign("exclusive", flattens=True)


def expand(mapper: Callable[[A], Observable[A]]) -> Callable[[Observable[A]], Stream[A]]:
    """Each element, those of the Observable a function gives for it, those it gives for these, and so on.

        --1--------|
        [expand(x*2)]
        --1-2-4-8--

    Ends only if the function gives empty Observables at last.
    """
    return foreign("expand", arguments={"mapper": mapper}, grows="Observables under way")


_MANY: Final = "Observables under way"

# -- making many of one stream -----------------------------------------------------------------


@overload
def group_by(
    key_mapper: Callable[[A], K],
    element_mapper: None = None,
    subject_mapper: Callable[[], Subject[A]] | None = None,
) -> Callable[[Observable[A]], Stream[GroupedObservable[K, A]]]: ...


@overload
def group_by(
    key_mapper: Callable[[A], K],
    element_mapper: Callable[[A], V],
    subject_mapper: Callable[[], Subject[V]] | None = None,
) -> Callable[[Observable[A]], Stream[GroupedObservable[K, V]]]: ...


def group_by(
    key_mapper: Callable[[Any], Any],
    element_mapper: Callable[[Any], Any] | None = None,
    subject_mapper: Callable[[], Any] | None = None,
) -> Callable[[Observable[Any]], Stream[Any]]:
    """An Observable for each key, with `.key`, of the elements that have it.

        --a1--b2--a3--|
        [ group_by(letter) ]
        --(a1-----3)--
        ------(b2)----|

    Follow it with `flat_map`. Groups are kept until the stream ends.
    """
    return foreign(
        "group_by",
        arguments={
            "key_mapper": key_mapper,
            "element_mapper": element_mapper,
            "subject_mapper": subject_mapper,
        },
        opens=True,
        grows="one group for each key",
    )


def group_by_until(
    key_mapper: Callable[[A], K],
    element_mapper: Callable[[A], V] | None,
    duration_mapper: Callable[[GroupedObservable[K, V]], Observable[Any]],
    subject_mapper: Callable[[], Subject[V]] | None = None,
) -> Callable[[Observable[A]], Stream[GroupedObservable[K, V]]]:
    """As `group_by`, each group until an Observable given for it speaks.

    --a1--b2--a3--|
    [group_by_until()]
    --(a1)----(a3)-
    ------(b2)----|
    """
    return foreign(
        "group_by_until",
        arguments={
            "key_mapper": key_mapper,
            "element_mapper": element_mapper,
            "duration_mapper": duration_mapper,
            "subject_mapper": subject_mapper,
        },
        opens=True,
        grows="groups until their durations end",
    )


def window(boundaries: Observable[Any]) -> Callable[[Observable[A]], Stream[Observable[A]]]:
    """Observables of what comes between the elements of another stream.

    --1-2---3--4--|
    -----x----x---|
    [  window()   ]
    (-1-2)(-3)(4--)
    """
    return foreign("window", others=(boundaries,), rx=rx.window, opens=True)


def window_when(
    closing_mapper: Callable[[], Observable[Any]],
) -> Callable[[Observable[A]], Stream[Observable[A]]]:
    """Observables of what comes until another, given for each, speaks.

    --1-2---3--4--|
    [window_when(f)]
    (-1-2)(-3)(4--)
    """
    return foreign("window_when", arguments={"closing_mapper": closing_mapper}, opens=True)


def window_toggle(
    openings: Observable[Any], closing_mapper: Callable[[Any], Observable[Any]]
) -> Callable[[Observable[A]], Stream[Observable[A]]]:
    """Observables begun by another stream, each until an Observable given for it speaks.

    --1-2---3--4--|
    ---x------x---
    [window_toggle()]
    ---(2-)---(4--)
    """
    return foreign(
        "window_toggle",
        others=(openings,),
        rx=lambda opening: rx.window_toggle(opening, closing_mapper),
        arguments={"closing_mapper": closing_mapper},
        opens=True,
    )


def window_with_count(
    count: int, skip: int | None = None
) -> Callable[[Observable[A]], Stream[Observable[A]]]:
    """Observables of `count` elements, a new one begun every `skip`.

    --1--2--3--4--|
    [window_with_count(2)]
    (-1--2)(3--4)-|
    """
    return foreign("window_with_count", arguments={"count": count, "skip": skip}, opens=True)


def window_with_time(
    timespan: RelativeTime,
    timeshift: RelativeTime | None = None,
    scheduler: abc.SchedulerBase | None = None,
) -> Callable[[Observable[A]], Stream[Observable[A]]]:
    """Observables of what comes in each span of time, a new one begun every shift.

    --1-2---3-----|
    [window_with_time(0.5)]
    (-1-2)(-3--)(-)|
    """
    return foreign(
        "window_with_time",
        arguments={"timespan": timespan, "timeshift": timeshift, "scheduler": scheduler},
        opens=True,
    )


def window_with_time_or_count(
    timespan: RelativeTime, count: int, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[A]], Stream[Observable[A]]]:
    """Observables of `count` elements, or of what comes in a span of time if that is over sooner.

    --1-2-3-4-----|
    [window_with_time_or_count(0.5, 3)]
    (-1-2-3)(4--)(|
    """
    return foreign(
        "window_with_time_or_count",
        arguments={"timespan": timespan, "count": count, "scheduler": scheduler},
        opens=True,
    )


# -- pairs of what overlaps in time ------------------------------------------------------------


def join(
    right: Observable[B],
    left_duration_mapper: Callable[[Any], Observable[Any]],
    right_duration_mapper: Callable[[Any], Observable[Any]],
) -> Callable[[Observable[A]], Stream[tuple[A, B]]]:
    """Tuples of elements of two streams whose durations, Observables given for each, overlap.

    --1-----2--|
    ----a------|
    [  join()  ]
    ----1a--2a-|
    """
    return foreign(
        "join",
        others=(right,),
        rx=lambda other: rx.join(other, left_duration_mapper, right_duration_mapper),
        arguments={
            "left_duration_mapper": left_duration_mapper,
            "right_duration_mapper": right_duration_mapper,
        },
        grows="elements until their durations end",
    )


def group_join(
    right: Observable[B],
    left_duration_mapper: Callable[[A], Observable[Any]],
    right_duration_mapper: Callable[[B], Observable[Any]],
) -> Callable[[Observable[A]], Stream[tuple[A, Observable[B]]]]:
    """Each element with an Observable of the other stream's elements whose durations overlap with its own.

    --1--------|
    ----a--b---|
    [group_join()]
    --(1,-a--b)|
    """
    return foreign(
        "group_join",
        others=(right,),
        rx=lambda other: rx.group_join(other, left_duration_mapper, right_duration_mapper),
        arguments={
            "left_duration_mapper": left_duration_mapper,
            "right_duration_mapper": right_duration_mapper,
        },
        opens=True,
        grows="elements until their durations end",
    )

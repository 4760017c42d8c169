"""Operators that cut a stream into lists: by count, by time, by what another stream says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reactivex import Observable, abc
from reactivex import operators as rx
from reactivex.internal.exceptions import ArgumentOutOfRangeException
from reactivex.typing import RelativeTime

from rxstream.operators import _timed_lists as units
from rxstream.operators._folding import Buffer
from rxstream.operators._passing import Overlapping
from rxstream.operators._spec import foreign, native, waiting
from rxstream.operators._types import A
from rxstream.stream import Stream

__all__ = [
    "buffer",
    "buffer_toggle",
    "buffer_when",
    "buffer_with_count",
    "buffer_with_time",
    "buffer_with_time_or_count",
]


def buffer_with_count(
    count: int, skip: int | None = None
) -> Callable[[Observable[A]], Stream[list[A]]]:
    """Lists of `count` elements, a new one begun every `skip` elements (by default every `count`).

        --1--2--3--4--5--|
        [buffer_with_count(2)]
        -----12----34----5|

    What is unfinished when the stream ends comes then. Zero or less raises ArgumentOutOfRangeException.
    """
    every = count if skip is None else skip
    if count <= 0 or every <= 0:
        raise ArgumentOutOfRangeException()
    given = {"count": count, "skip": skip}
    if every < count:
        return waiting(
            "buffer_with_count", lambda: Overlapping(count, every), arguments=given, resumable=True
        )
    return native("buffer_with_count", lambda: Buffer(count, every), arguments=given)


def buffer_with_time(
    timespan: RelativeTime,
    timeshift: RelativeTime | None = None,
    scheduler: abc.SchedulerBase | None = None,
) -> Callable[[Observable[A]], Stream[list[A]]]:
    """Lists of what came in each span of time, a new one begun every shift (by default every span).

        --1-2---3-----------|
        [buffer_with_time(0.5)]
        -----12---3----[]---[]|

    Empty lists come too. The elements of one span are not bounded: see `buffer_with_time_or_count`. A list
    that a slow reader does not take stays open until it does. With a scheduler reactivex's runs on it.
    """
    given = {"timespan": timespan, "timeshift": timeshift}
    if scheduler is not None:
        return foreign("buffer_with_time", arguments={**given, "scheduler": scheduler})
    return waiting(
        "buffer_with_time",
        lambda: units.Windows(timespan, timeshift),
        arguments=given,
        grows="the elements of one span of time",
        resumable=True,
    )


def buffer_with_time_or_count(
    timespan: RelativeTime, count: int, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[A]], Stream[list[A]]]:
    """Lists of `count` elements, or of what came in a span of time if that is over sooner.

        --1-2-3-4-----5-----|
        [buffer_with_time_or_count(0.5, 3)]
        ------123--4----5---[]|

    Empty lists come too. The time begins anew with each list. With a scheduler reactivex's runs on it.
    """
    if count <= 0:
        raise ArgumentOutOfRangeException()
    given = {"timespan": timespan, "count": count}
    if scheduler is not None:
        return foreign("buffer_with_time_or_count", arguments={**given, "scheduler": scheduler})
    return waiting(
        "buffer_with_time_or_count",
        lambda: units.CountedWindows(timespan, count),
        arguments=given,
        resumable=True,
    )


def buffer(boundaries: Observable[Any]) -> Callable[[Observable[A]], Stream[list[A]]]:
    """Lists of what came between the elements of another stream; reactivex's.

    --1-2---3--4--|
    -----x----x---|
    [  buffer()   ]
    -----12---3---4|
    """
    return foreign(
        "buffer", others=(boundaries,), rx=rx.buffer, grows="elements until the next boundary"
    )


def buffer_when(
    closing_mapper: Callable[[], Observable[Any]],
) -> Callable[[Observable[A]], Stream[list[A]]]:
    """Lists of what came until an Observable, given for each list, speaks; reactivex's.

    --1-2---3--4--|
    [buffer_when(f)]
    -----12---3---4|
    """
    return foreign(
        "buffer_when",
        arguments={"closing_mapper": closing_mapper},
        grows="elements until the list closes",
    )


def buffer_toggle(
    openings: Observable[Any], closing_mapper: Callable[[Any], Observable[Any]]
) -> Callable[[Observable[A]], Stream[list[A]]]:
    """Lists begun by another stream and ended by an Observable given for each; reactivex's.

    --1-2---3--4--|
    ---x------x---
    [buffer_toggle()]
    ------2-------4|
    """
    return foreign(
        "buffer_toggle",
        others=(openings,),
        rx=lambda opening: rx.buffer_toggle(opening, closing_mapper),
        arguments={"closing_mapper": closing_mapper},
        grows="elements until each list closes",
    )

"""Operators that wait for time, on the engine's one clock, which tests can make virtual.

With a `scheduler` argument reactivex's operator runs on that scheduler instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reactivex import Observable, abc
from reactivex import operators as rx
from reactivex.typing import AbsoluteOrRelativeTime, RelativeTime

from rxstream.operator import Operator
from rxstream.operators import _timing as units
from rxstream.operators._clock import seconds
from rxstream.operators._combining import Sample
from rxstream.operators._spec import foreign, native, waiting
from rxstream.operators._types import A
from rxstream.stream import Stream

__all__ = [
    "debounce",
    "delay",
    "delay_subscription",
    "delay_with_mapper",
    "sample",
    "skip_last_with_time",
    "skip_until_with_time",
    "skip_with_time",
    "take_last_with_time",
    "take_until_with_time",
    "take_with_time",
    "throttle_first",
    "throttle_with_mapper",
    "throttle_with_timeout",
]


def _timed(
    name: str,
    make: Callable[[], Any],
    scheduler: abc.SchedulerBase | None,
    arguments: dict[str, Any],
) -> Operator:
    if scheduler is not None:
        return foreign(name, arguments={**arguments, "scheduler": scheduler})
    return waiting(name, make, arguments=arguments, resumable=True)


def debounce(
    duetime: RelativeTime, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[A]], Stream[A]]:
    """An element when none has followed it for a while; the last one at once when the stream ends.

    --1-2-3---------4--|
    [  debounce(0.4)   ]
    ----------3-------4|
    """
    return _timed("debounce", lambda: units.Debounce(duetime), scheduler, {"duetime": duetime})


def throttle_with_timeout(
    duetime: RelativeTime, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[A]], Stream[A]]:
    """The same as `debounce`.

    --1-2-3---------4--|
    [throttle_with_timeout(0.4)]
    ----------3-------4|
    """
    return _timed(
        "throttle_with_timeout", lambda: units.Debounce(duetime), scheduler, {"duetime": duetime}
    )


def throttle_first(
    window_duration: RelativeTime, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[A]], Stream[A]]:
    """An element, and none of those that follow it within a while.

        --1-2-3------4-5--|
        [throttle_first(0.5)]
        --1----------4----|

    A duration of zero or less raises ValueError (in reactivex only when subscribed).
    """
    span = seconds(window_duration)
    if span <= 0:
        raise ValueError("window_duration cannot be less or equal zero.")
    given = {"window_duration": window_duration}
    if scheduler is not None:
        return foreign("throttle_first", arguments={**given, "scheduler": scheduler})
    return native("throttle_first", lambda: units.ThrottleFirst(span), arguments=given)


def sample(
    sampler: RelativeTime | Observable[Any], scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[A]], Stream[A]]:
    """The latest element once a period, or whenever another stream speaks, if there is a new one.

        --1-2-3-------4-----|
        ------x----x-----x--
        [     sample()      ]
        ------2----3-----4--|

    Ends at the first sample after the end, or when the sampler ends (reactivex never ends then).
    """
    if isinstance(sampler, Observable):
        return waiting("sample", Sample, others=(sampler,), rx=rx.sample, resumable=True)
    return _timed("sample", lambda: units.Every(sampler), scheduler, {"sampler": sampler})


def delay(
    duetime: AbsoluteOrRelativeTime, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[A]], Stream[A]]:
    """Each element, and the end, a while later; an error at once, ahead of what is still delayed.

        --1--2--3--|
        [ delay(0.3) ]
        -----1--2--3--|

    Holds at most 1,024 elements; a stream that has more within that time is held back.
    """
    return _timed("delay", lambda: units.Delay(duetime), scheduler, {"duetime": duetime})


def delay_subscription(
    duetime: AbsoluteOrRelativeTime, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[A]], Stream[A]]:
    """The stream, started only after a while or at a time.

    --1--2--|
    [delay_subscription(0.3)]
    -----1--2--|
    """
    return _timed(
        "delay_subscription", lambda: units.LateStart(duetime), scheduler, {"duetime": duetime}
    )


def take_with_time(
    duration: RelativeTime, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[A]], Stream[A]]:
    """Elements until a while has passed.

    --1--2--3--4--|
    [take_with_time(0.7)]
    --1--2-|
    """
    return _timed(
        "take_with_time", lambda: units.Until(duration), scheduler, {"duration": duration}
    )


def take_until_with_time(
    end_time: AbsoluteOrRelativeTime, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[A]], Stream[A]]:
    """Elements until a while has passed, or a time has come.

    --1--2--3--4--|
    [take_until_with_time(0.7)]
    --1--2-|
    """
    return _timed(
        "take_until_with_time", lambda: units.Until(end_time), scheduler, {"end_time": end_time}
    )


def skip_with_time(
    duration: RelativeTime, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[A]], Stream[A]]:
    """Elements after a while has passed.

    --1--2--3--4--|
    [skip_with_time(0.7)]
    --------3--4--|
    """
    return _timed("skip_with_time", lambda: units.From(duration), scheduler, {"duration": duration})


def skip_until_with_time(
    start_time: AbsoluteOrRelativeTime, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[A]], Stream[A]]:
    """Elements after a while has passed, or a time has come.

    --1--2--3--4--|
    [skip_until_with_time(0.7)]
    --------3--4--|
    """
    return _timed(
        "skip_until_with_time",
        lambda: units.From(start_time),
        scheduler,
        {"start_time": start_time},
    )


def take_last_with_time(
    duration: RelativeTime, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[A]], Stream[A]]:
    """What came within the last while before the end; reactivex's.

    --1--2--3--4--|
    [take_last_with_time(0.5)]
    --------------4|
    """
    return foreign(
        "take_last_with_time",
        arguments={"duration": duration, "scheduler": scheduler},
        grows="the elements of the duration",
    )


def skip_last_with_time(
    duration: RelativeTime, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[A]], Stream[A]]:
    """All but what came within the last while before the end; reactivex's.

    --1--2--3--4--|
    [skip_last_with_time(0.5)]
    --------1--2--3|
    """
    return foreign(
        "skip_last_with_time",
        arguments={"duration": duration, "scheduler": scheduler},
        grows="the elements of the duration",
    )


def delay_with_mapper(
    subscription_delay: Observable[Any] | Callable[[Any], Observable[Any]] | None = None,
    delay_duration_mapper: Callable[[A], Observable[Any]] | None = None,
) -> Callable[[Observable[A]], Stream[A]]:
    """Each element when an Observable given for it has spoken; reactivex's.

        --1--2--|
        [delay_with_mapper(f)]
        ---1---2|

    A stream as first argument delays the start; a function there is the mapper, as in reactivex.
    """
    if isinstance(subscription_delay, Observable):
        return foreign(
            "delay_with_mapper",
            others=(subscription_delay,),
            rx=lambda start: rx.delay_with_mapper(start, delay_duration_mapper),
            arguments={"delay_duration_mapper": delay_duration_mapper},
            grows="delayed elements",
        )
    return foreign(
        "delay_with_mapper",
        arguments={
            "subscription_delay": subscription_delay,
            "delay_duration_mapper": delay_duration_mapper,
        },
        grows="delayed elements",
    )


def throttle_with_mapper(
    throttle_duration_mapper: Callable[[Any], Observable[Any]],
) -> Callable[[Observable[A]], Stream[A]]:
    """An element when an Observable given for it has spoken before the next came; reactivex's.

    --1-2-3---------4--|
    [throttle_with_mapper(f)]
    ----------3-------4|
    """
    return foreign(
        "throttle_with_mapper", arguments={"throttle_duration_mapper": throttle_duration_mapper}
    )

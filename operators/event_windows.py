"""Operators that cut a stream into closed windows, by key: by the clock, or by the time that elements say.

Unlike reactivex's windows, which are Observables, each is one frozen `panes.Window`, given when it closes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from datetime import datetime
from typing import Any, Literal, overload

from reactivex import Observable
from reactivex.typing import RelativeTime

from rxstream.errors import GraphError
from rxstream.operators._clocked import Clocked
from rxstream.operators._draining import Expanding
from rxstream.operators._mapping import MISSING
from rxstream.operators._refusing import no_twin, positive
from rxstream.operators._selecting import Half
from rxstream.operators._spans import span
from rxstream.operators._spec import native, waiting
from rxstream.operators._types import A, S
from rxstream.operators._windowing import ClockWindows, EventWindows
from rxstream.operators.panes import (
    AlignedPanes,
    Panes,
    SessionPanes,
    Window,
    collecting,
    reducing,
)
from rxstream.stream import Stream

__all__ = ["window_by_event_time", "window_by_time"]


@overload
def window_by_time(
    size: RelativeTime | None = None,
    every: RelativeTime | None = None,
    *,
    gap: RelativeTime | None = None,
    key: Callable[[A], Hashable] | None = None,
    max_windows: int = ...,
    max_items: int = ...,
    on_full: Literal["fail", "close"] = ...,
) -> Callable[[Observable[A]], Stream[Window[tuple[A, ...]]]]: ...


@overload
def window_by_time(
    size: RelativeTime | None = None,
    every: RelativeTime | None = None,
    *,
    gap: RelativeTime | None = None,
    key: Callable[[A], Hashable] | None = None,
    reduce: Callable[[S, A], S],
    init: S,
    max_windows: int = ...,
    on_full: Literal["fail", "close"] = ...,
) -> Callable[[Observable[A]], Stream[Window[S]]]: ...


@overload
def window_by_time(
    size: RelativeTime | None = None,
    every: RelativeTime | None = None,
    *,
    gap: RelativeTime | None = None,
    key: Callable[[A], Hashable] | None = None,
    reduce: Callable[[A, A], A],
    max_windows: int = ...,
    on_full: Literal["fail", "close"] = ...,
) -> Callable[[Observable[A]], Stream[Window[A]]]: ...


def window_by_time(
    size: RelativeTime | None = None,
    every: RelativeTime | None = None,
    *,
    gap: RelativeTime | None = None,
    key: Callable[[Any], Hashable] | None = None,
    reduce: Callable[[Any, Any], Any] | None = None,
    init: Any = MISSING,
    max_windows: int = 10_000,
    max_items: int = 10_000,
    on_full: Literal["fail", "close"] = "fail",
) -> Callable[[Observable[Any]], Stream[Any]]:
    """What came in each span of time, as closed windows.

        --1-2---3---------|
        [window_by_time(0.5)]
        -----(12)-(3)-----|

    `size` alone makes windows that follow each other (tumbling); with `every` one begins so often (sliding);
    `gap` makes one of all that follow each other sooner than that (session). Times are seconds since 1970 on
    the engine's clock, and windows begin at multiples of `every`, or of `size`. An element belongs to the
    time at which it is taken here, so one that waited for a slow reader belongs to a later window. Windows
    of different keys are apart; one in which nothing came is never given. What closes at one time comes by
    its end, its start, and which was opened first. The end gives all that is open, an error nothing.

    The value of a window is a tuple of its elements; with `reduce` it is what `reduce(value, element)` made
    of them, beginning with `init`, which must not be changed in place, or with the first element. At most
    `max_windows` are open, each with at most `max_items` elements if it holds them: one more is a
    BufferOverflow. With `on_full="close"` the window that ends first, or the full one, is given early
    instead, and what follows for it is given as another window. Raises GraphError.
    """
    given = _arguments(size, every, gap, key, reduce, init, max_windows, max_items, on_full)
    make = _panes(given, 0.0, init)
    return waiting(
        "window_by_time",
        lambda: Clocked(ClockWindows(make(), key)),
        rx=no_twin("window_by_time"),
        arguments=given,
        resumable=True,
    )


@overload
def window_by_event_time(
    timestamp: Callable[[A], float | datetime],
    size: RelativeTime | None = None,
    every: RelativeTime | None = None,
    *,
    gap: RelativeTime | None = None,
    out_of_orderness: RelativeTime = ...,
    allowed_lateness: RelativeTime = ...,
    with_late: Literal[False] = ...,
    key: Callable[[A], Hashable] | None = None,
    max_windows: int = ...,
    max_items: int = ...,
    on_full: Literal["fail", "close"] = ...,
) -> Callable[[Observable[A]], Stream[Window[tuple[A, ...]]]]: ...


@overload
def window_by_event_time(
    timestamp: Callable[[A], float | datetime],
    size: RelativeTime | None = None,
    every: RelativeTime | None = None,
    *,
    gap: RelativeTime | None = None,
    out_of_orderness: RelativeTime = ...,
    allowed_lateness: RelativeTime = ...,
    with_late: Literal[False] = ...,
    key: Callable[[A], Hashable] | None = None,
    reduce: Callable[[S, A], S],
    init: S,
    merge: Callable[[S, S], S] | None = None,
    max_windows: int = ...,
    on_full: Literal["fail", "close"] = ...,
) -> Callable[[Observable[A]], Stream[Window[S]]]: ...


@overload
def window_by_event_time(
    timestamp: Callable[[A], float | datetime],
    size: RelativeTime | None = None,
    every: RelativeTime | None = None,
    *,
    gap: RelativeTime | None = None,
    out_of_orderness: RelativeTime = ...,
    allowed_lateness: RelativeTime = ...,
    with_late: Literal[False] = ...,
    key: Callable[[A], Hashable] | None = None,
    reduce: Callable[[A, A], A],
    max_windows: int = ...,
    on_full: Literal["fail", "close"] = ...,
) -> Callable[[Observable[A]], Stream[Window[A]]]: ...


@overload
def window_by_event_time(
    timestamp: Callable[[A], float | datetime],
    size: RelativeTime | None = None,
    every: RelativeTime | None = None,
    *,
    gap: RelativeTime | None = None,
    out_of_orderness: RelativeTime = ...,
    allowed_lateness: RelativeTime = ...,
    with_late: Literal[True],
    key: Callable[[A], Hashable] | None = None,
    max_windows: int = ...,
    max_items: int = ...,
    on_full: Literal["fail", "close"] = ...,
) -> Callable[[Observable[A]], tuple[Stream[Window[tuple[A, ...]]], Stream[A]]]: ...


@overload
def window_by_event_time(
    timestamp: Callable[[A], float | datetime],
    size: RelativeTime | None = None,
    every: RelativeTime | None = None,
    *,
    gap: RelativeTime | None = None,
    out_of_orderness: RelativeTime = ...,
    allowed_lateness: RelativeTime = ...,
    with_late: Literal[True],
    key: Callable[[A], Hashable] | None = None,
    reduce: Callable[[S, A], S],
    init: S,
    merge: Callable[[S, S], S] | None = None,
    max_windows: int = ...,
    on_full: Literal["fail", "close"] = ...,
) -> Callable[[Observable[A]], tuple[Stream[Window[S]], Stream[A]]]: ...


@overload
def window_by_event_time(
    timestamp: Callable[[A], float | datetime],
    size: RelativeTime | None = None,
    every: RelativeTime | None = None,
    *,
    gap: RelativeTime | None = None,
    out_of_orderness: RelativeTime = ...,
    allowed_lateness: RelativeTime = ...,
    with_late: Literal[True],
    key: Callable[[A], Hashable] | None = None,
    reduce: Callable[[A, A], A],
    max_windows: int = ...,
    on_full: Literal["fail", "close"] = ...,
) -> Callable[[Observable[A]], tuple[Stream[Window[A]], Stream[A]]]: ...


def window_by_event_time(
    timestamp: Callable[[Any], float | datetime],
    size: RelativeTime | None = None,
    every: RelativeTime | None = None,
    *,
    gap: RelativeTime | None = None,
    out_of_orderness: RelativeTime = 0.0,
    allowed_lateness: RelativeTime = 0.0,
    with_late: bool = False,
    key: Callable[[Any], Hashable] | None = None,
    reduce: Callable[[Any, Any], Any] | None = None,
    init: Any = MISSING,
    merge: Callable[[Any, Any], Any] | None = None,
    max_windows: int = 10_000,
    max_items: int = 10_000,
    on_full: Literal["fail", "close"] = "fail",
) -> Callable[[Observable[Any]], Any]:
    """What happened in each span of time, by the time that elements say, as closed windows.

        --a1--b4--c3--d6--e2--|
        [window_by_event_time(time, 3)]
        ------(a1)----(b4,c3)-(d6)|

    Windows are those of `window_by_time`, in whatever unit `timestamp` gives: numbers, or datetimes, which
    are seconds since 1970 (without a time zone UTC). The watermark is the latest timestamp of all keys less
    `out_of_orderness`; a window closes when it reaches the window's end. Only elements move it: while none
    come nothing closes, until the end, which gives all that is open.

    An element of which every window has ended for at least `allowed_lateness` is late. It is left out and
    counted; how many there were is told as the node's progress. One that is not that late joins its window,
    which is given again with a higher `revision`. Sessions it brings together become one, which replaces
    those of its key that it overlaps; what they were reduced to is combined by `merge` (without `init` by
    `reduce`), elements by the earlier session first. `with_late=True` makes two streams, of which one may
    stay unread:

        windows, late = rows.window_by_event_time(time, 60, with_late=True)

    Raises GraphError.
    """
    given = _arguments(size, every, gap, key, reduce, init, max_windows, max_items, on_full)
    disorder = span("out_of_orderness", out_of_orderness, zero=True)
    lateness = span("allowed_lateness", allowed_lateness, zero=True)
    if gap is not None and init is not MISSING and merge is None:
        raise GraphError(
            "a session may become one with another, so window_by_event_time with gap, reduce and init "
            "needs merge, a function of two values"
        )
    if merge is not None and (gap is None or reduce is None):
        raise GraphError(
            "merge is for sessions that are reduced: give gap and reduce, or leave it out"
        )
    given |= {"timestamp": timestamp, "merge": merge}
    given |= {"out_of_orderness": disorder or None, "allowed_lateness": lateness or None}
    make = _panes(given, lateness, init, merge)
    operator = waiting(
        "window_by_event_time",
        lambda: Expanding(EventWindows(make(), timestamp, key, disorder, with_late)),
        rx=no_twin("window_by_event_time"),
        arguments=given,
        resumable=True,
    )
    if not with_late:
        return operator

    def part(source: Observable[Any]) -> tuple[Stream[Any], Stream[Any]]:
        both = operator(source)
        windows = native("windows", lambda: Half(True), rx=no_twin("windows"))(both)
        late = native("late", lambda: Half(False), rx=no_twin("late"))(both)
        for stream in (both, windows, late):
            stream.optional = True
        return windows, late

    return part


def _arguments(
    size: RelativeTime | None,
    every: RelativeTime | None,
    gap: RelativeTime | None,
    key: Any,
    reduce: Any,
    init: Any,
    max_windows: int,
    max_items: int,
    on_full: Any,
) -> dict[str, Any]:
    """What was given, with spans as numbers. Raises `GraphError` for what makes no sense."""
    if (size is None) == (gap is None) or (every is not None and size is None):
        raise GraphError(
            "say how long windows last: size (one after the other), size and every (overlapping), or "
            "gap (until nothing came for so long)"
        )
    spans = {"size": size, "every": every, "gap": gap}
    found = {name: None if time is None else span(name, time) for name, time in spans.items()}
    if reduce is None and init is not MISSING:
        raise GraphError("init is what reduce begins with: give reduce too")
    if on_full not in ("fail", "close"):
        raise GraphError(f"on_full is 'fail' or 'close', not {on_full!r}")
    positive("max_windows", max_windows)
    positive("max_items", max_items)
    return {
        **found,
        "key": key,
        "reduce": reduce,
        "init": None if init is MISSING else init,
        "max_windows": max_windows,
        "max_items": max_items if reduce is None else None,
        "on_full": on_full,
    }


def _panes(
    given: dict[str, Any],
    lateness: float,
    init: Any,
    merge: Callable[[Any, Any], Any] | None = None,
) -> Callable[[], Panes]:
    """What makes the windows of one run."""
    reduce = given["reduce"]
    rest = (
        collecting() if reduce is None else reducing(reduce, init, merge),
        lateness,
        given["max_windows"],
        given["max_items"] or 0,
        given["on_full"],
    )
    size, every, gap = given["size"], given["every"], given["gap"]
    if gap is not None:
        return lambda: SessionPanes(gap, *rest)
    return lambda: AlignedPanes(size, size if every is None else every, *rest)

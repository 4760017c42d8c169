"""Operators that supervise what is before them: start it again, bound its silence, go on past its failures.

What may be done about an error is what `rxstream.failures.classify_failure` says of it. `retry` and `catch`
(in `resilience`) are reactivex's and take every error alike; these are their supervised forms, by the same
machines. Every policy is a node of its own, so the graph shows it.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Collection
from random import Random
from typing import Any, Literal

import reactivex
from reactivex import Observable
from reactivex import operators as rx

from rxstream.errors import GraphError
from rxstream.failures import Budget, Failure, checked
from rxstream.operator import Operator
from rxstream.operators._backoff import JITTERS, Backoff, RetryWithBackoff
from rxstream.operators._lettering import DeadLetter, Lettered, LetteredAsync, MapOrSkip
from rxstream.operators._refusing import no_twin, positive
from rxstream.operators._selecting import Half
from rxstream.operators._spec import native, waiting
from rxstream.operators._supervising import DefaultOnError, Fallback, Watched, takes
from rxstream.operators._types import A, B
from rxstream.stream import Stream

__all__ = [
    "default_on_error",
    "fallback",
    "idle_timeout",
    "map_async_with_dead_letters",
    "map_or_skip",
    "map_with_dead_letters",
    "retry_with_backoff",
    "total_timeout",
]


def retry_with_backoff(
    attempts: int | None = 5,
    *,
    first: float = 0.1,
    factor: float = 2.0,
    maximum: float = 30.0,
    jitter: Literal["full", "none"] = "full",
    budget: Budget | None = None,
    only: Failure | Collection[Failure] | None = ("transient", "timeout"),
    reset_after: float | None = None,
    random: Random | None = None,
) -> Callable[[Observable[A]], Stream[A]]:
    """Start everything before it anew when it fails, after pauses that grow, within limits.

        --1--X
                ---1--X
                             ------1--2--|
        [retry_with_backoff(3, first=0.3, jitter="none")]
        --1--------1---------------1--2--|

    The pause is at most `first` seconds, then `factor` times as long each time, never above `maximum`; with
    full jitter it is anything between nothing and that, by `random` if it is given. An error with a number
    `retry_after` is waited for as long as it says, up to `maximum`. Errors that are not among `only` go on
    at once; None is any. What came before the error has gone on and comes again.

    There are `attempts` in a row at most, and no more retries than the `budget` has in its time; with
    `attempts=None` a budget must be given. An attempt that ran well for `reset_after` seconds before it
    failed begins a new row. When a limit is reached it fails with the code `retries_exhausted`, its cause
    the last error; the message says how often it was tried and in how long.

    A node before it that somebody else reads too is refused when the graph is built.
    """
    if attempts is not None:
        positive("attempts", attempts)
    elif budget is None:
        raise GraphError("retry_with_backoff needs a number of attempts or a budget")
    _least("first", first, 0)
    _least("factor", factor, 1)
    _least("maximum", maximum, 0)
    if reset_after is not None:
        _least("reset_after", reset_after, 0)
    if jitter not in JITTERS:
        raise GraphError(f"jitter is 'full' or 'none', not {jitter!r}")
    chosen = checked("retry_with_backoff", "only", only)
    chance = (random or Random()).random

    def make() -> RetryWithBackoff:
        backoff = Backoff(attempts, first, factor, maximum, jitter, budget, reset_after, chance)
        return RetryWithBackoff(backoff, chosen)

    return waiting(
        "retry_with_backoff",
        make,
        rx=no_twin("retry_with_backoff"),
        arguments={
            "attempts": attempts,
            "first": first,
            "factor": factor,
            "maximum": maximum,
            "jitter": jitter,
            "budget": None
            if budget is None
            else f"{budget.retries} retries in {budget.per_seconds:g} s",
            "only": _shown(chosen),
            "reset_after": reset_after,
        },
        wraps=True,
        told=True,
        resumable=True,
    )


def idle_timeout(seconds: float) -> Callable[[Observable[A]], Stream[A]]:
    """The elements; fails when none comes for so many seconds.

        --1--2----------
        [idle_timeout(0.5)]
        --1--2-----X

    The error is an `ExecutionTimeout` that names the silent node; it is classified `timeout`. Time in which
    elements wait for a slow reader does not count. Within `retry_with_backoff` each attempt has its own time.
    """
    return _watched("idle_timeout", seconds, total=False)


def total_timeout(seconds: float) -> Callable[[Observable[A]], Stream[A]]:
    """The elements; fails when the end has not come within so many seconds of the start.

        --1--2--3--4--5-
        [total_timeout(0.7)]
        --1--2-X

    The error is an `ExecutionTimeout` that names the node. A slow reader's time counts; what still waits
    when the time is over is lost. Within `retry_with_backoff` each attempt has its own time.
    """
    return _watched("total_timeout", seconds, total=True)


def _watched(name: str, seconds: float, *, total: bool) -> Operator:
    if not (isinstance(seconds, int | float) and 0 < seconds < math.inf):
        raise GraphError(f"seconds of {name} must be above 0, not {seconds!r}")
    return waiting(
        name,
        lambda: Watched(seconds, total=total),
        rx=no_twin(name),
        arguments={"seconds": seconds},
        told=True,
        resumable=True,
    )


def fallback(
    other: Observable[B], only: Failure | Collection[Failure] | None = None
) -> Callable[[Observable[A]], Stream[A | B]]:
    """Go on with another stream, started only then, when this one fails in one of certain ways.

        --1--2--X
        -a--b--|
        [ fallback() ]
        --1--2---a--b--|

    `catch` for errors of certain kinds; None is any. The node counts it as an error. An error of the other
    stream goes on.
    """
    chosen = checked("fallback", "only", only)

    def twin(second: Observable[Any]) -> Callable[[Observable[Any]], Observable[Any]]:
        return rx.catch(lambda error, _: second if takes(chosen, error) else reactivex.throw(error))

    return waiting(
        "fallback",
        lambda: Fallback(chosen),
        others=(other,),
        rx=twin,
        arguments={"only": _shown(chosen)},
        late=True,
        told=True,
        resumable=True,
    )


def default_on_error(
    value: B, only: Failure | Collection[Failure] | None = None
) -> Callable[[Observable[A]], Stream[A | B]]:
    """The elements; when it fails in one of certain ways, a value and a good end instead.

        --1--2--X
        [default_on_error(0)]
        --1--2--0|

    `only` names the failures; None is any.
    """
    chosen = checked("default_on_error", "only", only)
    return native(
        "default_on_error",
        lambda: DefaultOnError(value, chosen),
        rx=lambda: rx.catch(
            lambda error, _: (
                reactivex.return_value(value) if takes(chosen, error) else reactivex.throw(error)
            )
        ),
        arguments={"value": value, "only": _shown(chosen)},
    )


def map_or_skip(
    fn: Callable[[A], B], skip: Failure | Collection[Failure] | None = "malformed"
) -> Callable[[Observable[A]], Stream[B]]:
    """The result of a function for each element, without those it fails for in one of certain ways.

        --"1"--"x"--"3"--|
        [map_or_skip(json.loads)]
        --1---------3----|

    `skip` names the failures, None is any; another error ends it as in `map`. What is skipped is counted as
    an error of the node; `map_with_dead_letters` keeps it.
    """
    chosen = checked("map_or_skip", "skip", skip)

    def tried(item: Any) -> tuple[Any, ...]:
        try:
            return (fn(item),)
        except Exception as error:
            if takes(chosen, error):
                return ()
            raise

    return waiting(
        "map_or_skip",
        lambda: MapOrSkip(fn, chosen),
        rx=lambda: rx.flat_map(tried),
        arguments={"fn": fn, "skip": _shown(chosen)},
        resumable=True,
    )


def map_with_dead_letters(
    fn: Callable[[A], B],
    only: Failure | Collection[Failure] | None = None,
    *,
    name: str | None = None,
) -> Callable[[Observable[A]], tuple[Stream[B], Stream[DeadLetter]]]:
    """Two streams: the results of a function, and the elements it failed for as dead letters.

        --1--0--2--|
        [map_with_dead_letters(1 / x)]
        --1-----.5-|
        -----{input: 0, node, error, failure}-|

    A dead letter has the element, the node's id (`name` gives it), the error as kind, code and message, and
    what it is classified as. `only` names the failures that become letters, None is any; another error ends
    both. Each letter is counted as an error of the node. One of the two streams may stay unread.
    """
    chosen = checked("map_with_dead_letters", "only", only)
    operator = waiting(
        "map_with_dead_letters",
        lambda: Lettered(fn, chosen),
        rx=no_twin("map_with_dead_letters"),
        arguments={"fn": fn, "only": _shown(chosen)},
        resumable=True,
    )
    return _parted(operator, name)


def map_async_with_dead_letters(
    fn: Callable[[A], Awaitable[B]],
    concurrency: int = 1,
    ordered: bool = True,
    only: Failure | Collection[Failure] | None = None,
    *,
    name: str | None = None,
) -> Callable[[Observable[A]], tuple[Stream[B], Stream[DeadLetter]]]:
    """As `map_with_dead_letters`, the function asynchronous, `concurrency` at a time; see `map_async`.

    --1--0--2-----|
    [map_async_with_dead_letters(f)]
    ----f1----f2--|
    -------{input: 0, node, error, failure}-|
    """
    positive("concurrency", concurrency)
    chosen = checked("map_async_with_dead_letters", "only", only)
    operator = waiting(
        "map_async_with_dead_letters",
        lambda: LetteredAsync(fn, concurrency, ordered, chosen),
        rx=no_twin("map_async_with_dead_letters"),
        arguments={
            "fn": fn,
            "concurrency": concurrency,
            "ordered": ordered,
            "only": _shown(chosen),
        },
        told=True,
        resumable=True,
    )
    return _parted(operator, name)


def _parted(
    operator: Operator, name: str | None
) -> Callable[[Observable[Any]], tuple[Stream[Any], Stream[Any]]]:
    def part(source: Observable[Any]) -> tuple[Stream[Any], Stream[Any]]:
        pairs = operator(source)
        if name is not None:
            pairs.named(name)
        good, dead = _half("good", True)(pairs), _half("dead_letters", False)(pairs)
        for stream in (pairs, good, dead):
            stream.optional = True
        return good, dead

    return part


def _half(name: str, wanted: bool) -> Operator:
    return native(name, lambda: Half(wanted), rx=no_twin(name))


def _shown(failures: frozenset[Failure] | None) -> str | None:
    """As the graph shows it, in a fixed order."""
    return None if failures is None else ", ".join(sorted(failures))


def _least(name: str, number: float, least: float) -> None:
    if not least <= number < math.inf:
        raise GraphError(f"{name} must be a number of at least {least:g}, not {number}")

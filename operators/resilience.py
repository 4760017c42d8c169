"""Operators that go on after an end or an error: another attempt, another round, another stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import reactivex
from reactivex import Observable, abc
from reactivex import operators as rx
from reactivex.typing import AbsoluteOrRelativeTime, AnyFuture

from rxstream.operator import Operator
from rxstream.operators._combining import Concat
from rxstream.operators._regions import Repeat, Retry
from rxstream.operators._spec import foreign, sourced, waiting
from rxstream.operators._timing import Timeout
from rxstream.operators._types import A, B
from rxstream.stream import Stream

__all__ = [
    "catch",
    "do_while",
    "on_error_resume_next",
    "repeat",
    "retry",
    "timeout",
    "timeout_with_mapper",
    "while_do",
]


def retry(retry_count: int | None = None) -> Callable[[Observable[A]], Stream[A]]:
    """Start everything before it anew when it fails, `retry_count` attempts in all or without an end.

        --1--2--X
                 --1--2--3--|
        [      retry(2)     ]
        --1--2-----1--2--3--|

    What came before the error has gone on and comes again. A node before it that somebody else reads too is
    refused when the graph is built. Without a count a source that always fails is started for ever.
    """
    return waiting(
        "retry",
        lambda: Retry(retry_count),
        arguments={"retry_count": retry_count},
        wraps=True,
        told=True,
        resumable=True,
    )


def repeat(repeat_count: int | None = None) -> Callable[[Observable[A]], Stream[A]]:
    """Start everything before it anew when it has ended, `repeat_count` rounds in all or without an end.

        --1--2--|
        [    repeat(2)   ]
        --1--2----1--2--|

    A node before it that somebody else reads too is refused when the graph is built.
    """
    return waiting(
        "repeat",
        lambda: Repeat(lambda rounds: repeat_count is None or rounds < repeat_count),
        arguments={"repeat_count": repeat_count},
        wraps=True,
        told=True,
        resumable=True,
    )


def while_do(
    condition: Callable[[Observable[A]], bool],
) -> Callable[[Observable[A]], Stream[A]]:
    """Start everything before it anew as long as a condition holds, which is asked before each round.

    --1--2--|
    [ while_do(f) ]
    --1--2----1--2--|
    """
    return sourced(
        _rounds("while_do", condition),
        make=lambda stream: Repeat(lambda rounds: condition(stream)),
    )


def do_while(
    condition: Callable[[Observable[A]], bool],
) -> Callable[[Observable[A]], Stream[A]]:
    """As `while_do`, but the first round is begun without asking.

    --1--2--|
    [ do_while(f) ]
    --1--2----1--2--|
    """
    return sourced(
        _rounds("do_while", condition),
        make=lambda stream: Repeat(lambda rounds: rounds == 0 or condition(stream)),
    )


def _rounds(name: str, condition: Callable[[Any], object]) -> Operator:
    return waiting(
        name,
        lambda: Repeat(lambda rounds: False),
        arguments={"condition": condition},
        wraps=True,
        told=True,
        resumable=True,
    )


def catch(
    handler: Observable[B] | Callable[[Exception, Observable[A]], Observable[B]],
) -> Callable[[Observable[A]], Stream[A | B]]:
    """Go on with another stream when this one fails.

        --1--2--X
        -a--b--|
        [ catch() ]
        --1--2---a--b--|

    A stream given here is drawn in the graph and started only when its turn comes. A function is called with
    the error and the stream before; what it returns is subscribed then, pushes, and cannot be shown.
    """
    if isinstance(handler, Observable):
        return falling_back((handler,))
    recover = handler

    def twin(stream: Stream[Any]) -> Any:
        return lambda: rx.catch(lambda error, _: recover(error, stream))

    return sourced(
        foreign("catch", rx=lambda: rx.catch(handler), arguments={"handler": handler}), rx=twin
    )


def falling_back(others: tuple[Any, ...]) -> Operator:
    """Each stream when the one before has failed; ends with the first that ends well."""
    return waiting(
        "catch",
        lambda: Concat(on_error=True, on_end=False),
        others=others,
        rx=lambda *rest: lambda first: reactivex.catch(first, *rest),
        late=True,
        told=True,
        resumable=True,
    )


def on_error_resume_next(
    second: Observable[B],
) -> Callable[[Observable[A]], Stream[A | B]]:
    """Go on with another stream when this one has ended or failed; errors are not told.

        --1--2--X
        -a--b--|
        [on_error_resume_next()]
        --1--2---a--b--|

    An error of the second stream is a good end too, as in reactivex.
    """
    return resuming((second,))


def resuming(others: tuple[Any, ...]) -> Operator:
    """Each stream when the one before has ended or failed."""
    return waiting(
        "on_error_resume_next",
        lambda: Concat(on_error=True, quiet=True),
        others=others,
        rx=lambda *rest: lambda first: reactivex.on_error_resume_next(first, *rest),
        late=True,
        told=True,
        resumable=True,
    )


def timeout(
    duetime: AbsoluteOrRelativeTime,
    other: Observable[A] | AnyFuture[A] | None = None,
    scheduler: abc.SchedulerBase | None = None,
) -> Callable[[Observable[A]], Stream[A]]:
    """Go on with another stream, or fail, when no element comes for a while (or nothing ended by a time).

        --1--2----------
        [ timeout(0.5) ]
        --1--2-----X

    The error is a TimeoutError (in reactivex a bare Exception). Time in which elements wait for a slow reader
    does not count. With a scheduler reactivex's operator runs on it.
    """
    others = () if other is None else (other,)
    if scheduler is not None:
        return foreign(
            "timeout",
            others=others,
            rx=lambda other=None: rx.timeout(duetime, other, scheduler),
            arguments={"duetime": duetime, "scheduler": scheduler},
        )
    once = _is_date(duetime)

    def silent() -> Exception:
        return TimeoutError(f"no end by {duetime}" if once else f"no element for {duetime} s")

    return waiting(
        "timeout",
        lambda: Timeout(duetime, once, silent),
        others=others,
        rx=lambda *rest: rx.timeout(duetime, *rest),
        arguments={"duetime": duetime},
        late=True,
        told=True,
        resumable=True,
    )


def timeout_with_mapper(
    first_timeout: Observable[Any] | None = None,
    timeout_duration_mapper: Callable[[A], Observable[Any]] | None = None,
    other: Observable[A] | None = None,
) -> Callable[[Observable[A]], Stream[A]]:
    """Go on with another stream, or fail, when an Observable given for each element speaks first.

        --1--2----------
        [timeout_with_mapper(f)]
        --1--2-----X

    reactivex's: `first_timeout` and `other` are subscribed by it, and what they emit at one blow is held.
    """
    given = {"first_timeout": first_timeout, "other": other}
    names = [name for name, stream in given.items() if stream is not None]
    return foreign(
        "timeout_with_mapper",
        others=tuple(given[name] for name in names),
        rx=lambda *streams: rx.timeout_with_mapper(
            timeout_duration_mapper=timeout_duration_mapper,
            **dict(zip(names, streams, strict=True)),
        ),
        arguments={"timeout_duration_mapper": timeout_duration_mapper},
    )


def _is_date(duetime: AbsoluteOrRelativeTime) -> bool:
    return hasattr(duetime, "tzinfo")

"""One stream of what a function gives for each element: many read at a time, one, or the latest.

What it gives is read within credit (`_flattening`): Streams and other Observables, coroutines, iterables and
asynchronous ones. Where the elements are Observables themselves, between an operator that opens them and this
one, its reactivex twin runs. Only one whose function is a coroutine function can be resumed.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from typing import Any, Final, TypeAlias, overload

import reactivex
from reactivex import Observable
from reactivex import operators as rx
from reactivex.typing import AnyFuture

from rxstream.errors import GraphError
from rxstream.operator import DEFAULT_CAPACITY, Operator
from rxstream.operators._flattening import Flatten
from rxstream.operators._inner import observable_of
from rxstream.operators._spec import Twin, waiting
from rxstream.operators._types import A, B
from rxstream.stream import Stream

__all__ = [
    "concat_map",
    "flat_map",
    "flat_map_indexed",
    "flat_map_latest",
    "merge_map",
    "switch_map",
    "switch_map_indexed",
]

Readable: TypeAlias = Observable[B] | AnyFuture[B] | AsyncIterable[B] | Awaitable[B] | Iterable[B]
"""What a function may give to be read."""

_MANY: Final = "Observables under way"


@overload
def merge_map(
    fn: Callable[[A], Observable[B]],
    max_concurrent: int = 16,
    max_waiting: int = DEFAULT_CAPACITY,
) -> Callable[[Observable[A]], Stream[B]]: ...


@overload
def merge_map(
    fn: Callable[[A], AsyncIterable[B]],
    max_concurrent: int = 16,
    max_waiting: int = DEFAULT_CAPACITY,
) -> Callable[[Observable[A]], Stream[B]]: ...


@overload
def merge_map(
    fn: Callable[[A], Awaitable[B]],
    max_concurrent: int = 16,
    max_waiting: int = DEFAULT_CAPACITY,
) -> Callable[[Observable[A]], Stream[B]]: ...


@overload
def merge_map(
    fn: Callable[[A], Iterable[B]],
    max_concurrent: int = 16,
    max_waiting: int = DEFAULT_CAPACITY,
) -> Callable[[Observable[A]], Stream[B]]: ...


def merge_map(
    fn: Callable[[Any], Any], max_concurrent: int = 16, max_waiting: int = DEFAULT_CAPACITY
) -> Callable[[Observable[Any]], Stream[Any]]:
    """The elements of what a function gives for each element, `max_concurrent` of them read at a time.

        --1-----2--|
        [merge_map(x, x*10)]
        --1-10--2-20|

    It may give a Stream or any Observable, a coroutine or future (one element), an iterable or an
    asynchronous one: generator functions of both kinds do. All are read only as far as there is room behind;
    what pushes, an Observable of others, is subscribed at once. While `max_concurrent` are read,
    `max_waiting` elements wait, then what feeds this does, unless a policy before it says otherwise. One that
    fails ends the others. They come as they are ready: `concat_map` keeps the order.
    """
    for name, number in (("max_concurrent", max_concurrent), ("max_waiting", max_waiting)):
        if number < 1:
            raise GraphError(f"{name} must be at least 1, not {number}")
    return waiting(
        "merge_map",
        lambda: Flatten(lambda item, _: fn(item), max_concurrent, max_waiting=max_waiting),
        rx=lambda: reactivex.compose(
            rx.map(lambda item: observable_of(fn(item))), rx.merge(max_concurrent=max_concurrent)
        ),
        arguments={"fn": fn, "max_concurrent": max_concurrent, "max_waiting": max_waiting},
        flattens=True,
        told=True,
        resumable=_asks_again(fn),
    )


# -- by reactivex's names ----------------------------------------------------------------------


@overload
def flat_map(mapper: Callable[[A], Observable[B]]) -> Callable[[Observable[A]], Stream[B]]: ...


@overload
def flat_map(mapper: Callable[[A], AnyFuture[B]]) -> Callable[[Observable[A]], Stream[B]]: ...


@overload
def flat_map(mapper: Callable[[A], AsyncIterable[B]]) -> Callable[[Observable[A]], Stream[B]]: ...


@overload
def flat_map(mapper: Callable[[A], Awaitable[B]]) -> Callable[[Observable[A]], Stream[B]]: ...


@overload
def flat_map(mapper: Callable[[A], Iterable[B]]) -> Callable[[Observable[A]], Stream[B]]: ...


@overload
def flat_map(
    mapper: Observable[B] | AnyFuture[B] | Iterable[B],
) -> Callable[[Observable[Any]], Stream[B]]: ...


@overload
def flat_map(mapper: None = None) -> Callable[[Observable[Any]], Stream[Any]]: ...


def flat_map(mapper: Any = None) -> Callable[[Observable[Any]], Stream[Any]]:
    """The elements of the Observables (iterables, futures) that a function gives for each element.

        --1-----2--|
        [flat_map(x, x*10)]
        --1-10--2-20|

    Coroutines and asynchronous iterables will do too. All are read at once, as far as there is room behind,
    and how many is not bounded: `merge_map` bounds it.
    """
    function = _function(mapper)
    return _reading(
        "flat_map",
        lambda: Flatten(lambda item, _: _iterable(function(item))),
        lambda: _merging(rx.map(lambda item: observable_of(_iterable(function(item))))),
        _MANY,
        mapper=mapper,
    )


@overload
def flat_map_indexed(
    mapper_indexed: Callable[[A, int], Observable[B]],
) -> Callable[[Observable[A]], Stream[B]]: ...


@overload
def flat_map_indexed(
    mapper_indexed: Callable[[A, int], Awaitable[B]],
) -> Callable[[Observable[A]], Stream[B]]: ...


@overload
def flat_map_indexed(
    mapper_indexed: Callable[[A, int], Iterable[B]],
) -> Callable[[Observable[A]], Stream[B]]: ...


@overload
def flat_map_indexed(
    mapper_indexed: Observable[B] | AnyFuture[B] | Iterable[B],
) -> Callable[[Observable[Any]], Stream[B]]: ...


@overload
def flat_map_indexed(mapper_indexed: None = None) -> Callable[[Observable[Any]], Stream[Any]]: ...


def flat_map_indexed(mapper_indexed: Any = None) -> Callable[[Observable[Any]], Stream[Any]]:
    """As `flat_map`, the function called with the element and its index.

    --a-----b--|
    [flat_map_indexed(xi, xi)]
    --a0-a0-b1-b1|
    """
    function = mapper_indexed if callable(mapper_indexed) else _indexed(_function(mapper_indexed))
    return _reading(
        "flat_map_indexed",
        lambda: Flatten(lambda item, index: _iterable(function(item, index))),
        lambda: _merging(
            rx.map_indexed(lambda item, index: observable_of(_iterable(function(item, index))))
        ),
        _MANY,
        mapper_indexed=mapper_indexed,
    )


def flat_map_latest(
    mapper: Callable[[A], Readable[B]],
) -> Callable[[Observable[A]], Stream[B]]:
    """As `flat_map`, but an element ends the Observable of the one before.

    --1-----2--|
    [flat_map_latest(x-x-x)]
    --1-1-1-2-2-2|
    """
    return _latest("flat_map_latest", _indexed(mapper), mapper=mapper)


def switch_map(
    project: Callable[[A], Readable[B]] | None = None,
) -> Callable[[Observable[A]], Stream[B]]:
    """The same as `flat_map_latest`.

    --1-----2--|
    [switch_map(x-x-x)]
    --1-1-1-2-2-2|
    """
    return _latest("switch_map", _indexed(_function(project)), project=project)


def switch_map_indexed(
    project: Callable[[A, int], Readable[B]] | None = None,
) -> Callable[[Observable[A]], Stream[B]]:
    """As `switch_map`, the function called with the element and its index.

    --a-----b--|
    [switch_map_indexed()]
    --a0-a0-b1-b1|
    """
    function = _indexed(_function(None)) if project is None else project
    return _latest("switch_map_indexed", function, project=project)


def concat_map(project: Callable[[A], Readable[B]]) -> Callable[[Observable[A]], Stream[B]]:
    """As `flat_map`, but one Observable after the other.

        --1--2-----|
        [concat_map(x--x)]
        --1--12--2--|

    Elements wait for their turn in the queue before it, which holds back what feeds it.
    """
    return _reading(
        "concat_map",
        lambda: Flatten(lambda item, _: project(item), 1),
        lambda: _merging(rx.map(lambda item: observable_of(project(item))), 1),
        None,
        project=project,
    )


def _reading(
    name: str, make: Callable[[], Flatten], twin: Twin, grows: str | None, /, **arguments: Any
) -> Operator:
    again = any(map(_asks_again, arguments.values()))
    return waiting(
        name, make, rx=twin, arguments=arguments, grows=grows, flattens=True, resumable=again
    )


def _asks_again(function: Any) -> bool:
    """Whether all that a function gives can be had by calling it again for the same element."""
    return inspect.iscoroutinefunction(function)


def _latest(name: str, function: Callable[[Any, int], Any], /, **arguments: Any) -> Operator:
    def twin() -> Callable[[Observable[Any]], Observable[Any]]:
        return reactivex.compose(
            rx.map_indexed(lambda item, index: observable_of(function(item, index))),
            rx.switch_latest(),
        )

    return _reading(name, lambda: Flatten(function, latest=True), twin, None, **arguments)


def _merging(
    projected: Callable[[Observable[Any]], Observable[Any]], max_concurrent: int | None = None
) -> Callable[[Observable[Any]], Observable[Any]]:
    merged = rx.merge_all() if max_concurrent is None else rx.merge(max_concurrent=max_concurrent)
    return reactivex.compose(projected, merged)


def _function(given: Any) -> Callable[[Any], Any]:
    """The function itself; without one the element, and of anything else that, for every element."""
    if callable(given):
        function: Callable[[Any], Any] = given
        return function
    return (lambda item: item) if given is None else (lambda _: given)


def _indexed(function: Callable[[Any], Any]) -> Callable[[Any, int], Any]:
    return lambda item, _: function(item)


def _iterable(found: Any) -> Any:
    """What a function gave; as in reactivex the letters of a text."""
    return tuple(found) if isinstance(found, str | bytes | bytearray) else found

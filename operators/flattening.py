"""One stream of what a function gives for each element, with a bound to how much runs and how much waits."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from typing import Any, overload

import reactivex
from reactivex import Observable
from reactivex import operators as rx

from rxstream.errors import GraphError
from rxstream.operator import DEFAULT_CAPACITY
from rxstream.operators._flattening import Flatten
from rxstream.operators._inner import observable_of
from rxstream.operators._spec import waiting
from rxstream.operators._types import A, B
from rxstream.stream import Stream

__all__ = ["merge_map"]


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
    )

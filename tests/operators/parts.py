"""Shared parts of the operators' tests: what a stream tells, ours and reactivex's side by side."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any
from zlib import crc32

import reactivex
from reactivex import Observable

import rxstream
from rxstream import operators as ops
from rxstream.stream import Stream, source
from rxstream.testing import run

Told = list[tuple[Any, ...]]
"""Elements as `("next", x)`, then `("end",)` or `("error", text)`."""


class Bad(Exception):
    """What a function of a test raises."""


def told(observable: Observable[Any]) -> Told:
    """What an Observable tells at once, without an event loop."""
    found: Told = []
    observable.subscribe(
        lambda item: found.append(("next", item)),
        lambda error: found.append(("error", str(error))),
        lambda: found.append(("end",)),
    )
    return found


async def heard(stream: Stream[Any]) -> Told:
    """What a stream tells on the running loop."""
    found: Told = []
    try:
        async for item in stream:
            found.append(("next", item))
    except Exception as error:
        found.append(("error", str(error)))
    else:
        found.append(("end",))
    return found


async def items(stream: Stream[Any]) -> list[Any]:
    """All elements of a stream."""
    return [item async for item in stream]


async def until(condition: Callable[[], Any]) -> None:
    """Wait for something that happens elsewhere."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)  # a thread or a process does not tell


def in_virtual_time(make: Callable[[], Stream[Any]]) -> Told:
    """What a stream tells, on a clock that jumps."""

    async def main() -> Told:
        return await heard(make())

    return run(main())


def virtually(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine on a clock that jumps."""
    return run(coroutine)


def numbers(values: list[int], broken: bool) -> Callable[[], Iterator[int]]:
    """A generator function of these values that may raise after the last."""

    def each() -> Iterator[int]:
        yield from values
        if broken:
            raise Bad("the source broke")

    return each


def ours(values: list[int], broken: bool) -> Stream[Any]:
    """Those values as one of our streams."""
    return source(numbers(values, broken))


def theirs(values: list[int], broken: bool) -> Observable[Any]:
    """Those values as reactivex has them."""
    first = reactivex.from_iterable(values)
    if not broken:
        return first
    return first.pipe(reactivex.operators.concat(reactivex.throw(Bad("the source broke"))))


def digest(*values: Any) -> int:
    """A number for anything that has a `repr`, the same in each run."""
    return crc32(repr(values).encode()) % 97


def nexts(*elements: Any) -> Told:
    """Those elements and a good end."""
    return [*(("next", item) for item in elements), ("end",)]


def at(*times: tuple[float, Any]) -> Stream[Any]:
    """Elements at virtual times, in seconds from the start."""

    async def each() -> Any:
        import asyncio

        clock = asyncio.get_running_loop().time
        begun = clock()
        for due, item in times:
            await asyncio.sleep(begun + due - clock())
            if isinstance(item, Exception):
                raise item
            yield item

    return source(each, name="at")


__all__ = [
    "Bad",
    "Told",
    "at",
    "digest",
    "heard",
    "in_virtual_time",
    "items",
    "nexts",
    "numbers",
    "ops",
    "ours",
    "rxstream",
    "theirs",
    "told",
    "virtually",
]

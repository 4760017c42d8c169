"""What tests of flattening read: functions that give one or many elements for each, in every kind."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import reactivex

import rxstream
from rxstream.source import Emitter, Port, PushSource, Source, SourcePort


class Inner:
    """Asynchronous generators of three elements a second apart, that count themselves."""

    def __init__(self, count: int = 3) -> None:
        self.count = count
        self.opened: list[Any] = []
        self.closed: list[Any] = []
        self.most = 0

    async def __call__(self, item: Any) -> AsyncIterator[Any]:
        self.opened.append(item)
        self.most = max(self.most, len(self.opened) - len(self.closed))
        try:
            for number in range(self.count):
                await asyncio.sleep(1)
                yield item, number
        finally:
            await asyncio.sleep(0)
            self.closed.append(item)


class Pulled(Source[int]):
    def __init__(self, item: int) -> None:
        self.item = item

    async def open(self, port: SourcePort) -> AsyncIterator[list[int]]:
        yield [self.item, -self.item]


class Pushed(PushSource[int]):
    def __init__(self, item: int) -> None:
        self.item = item

    def connect(self, emitter: Emitter[int], port: Port) -> Callable[[], None]:
        emitter.next(self.item)
        emitter.next(-self.item)
        emitter.complete()
        return lambda: None


async def soon(item: int) -> tuple[int, ...]:
    await asyncio.sleep(1)
    return item, -item


def two(item: int) -> Iterator[int]:
    yield item
    yield -item


async def two_asynchronously(item: int) -> AsyncIterator[int]:
    for each in two(item):
        yield each


def future(item: int) -> asyncio.Future[int]:
    made: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    made.set_result(item)
    return made


def foreign_future(item: int) -> concurrent.futures.Future[int]:
    made: concurrent.futures.Future[int] = concurrent.futures.Future()
    made.set_result(item)
    return made


async def same(item: int) -> int:
    return item


MANY: dict[str, Callable[[Any], Any]] = {
    "list": lambda x: [x, -x],
    "tuple": lambda x: (x, -x),
    "iterable": lambda x: {x: 0, -x: 0} if x else range(1),
    "generator": two,
    "asynchronous generator": two_asynchronously,
    "stream": lambda x: rxstream.of(x, -x),
    "stream that waits": lambda x: rxstream.of(x, -x).map_async(same),
    "observable": lambda x: reactivex.of(x, -x),
    "source": Pulled,
    "push source": Pushed,
}
ONE: dict[str, Callable[[int], Any]] = {
    "coroutine": same,
    "future": future,
    "foreign future": foreign_future,
}

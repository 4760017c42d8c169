"""Sources that find out only when they run which Observables they read: `defer`, `using`, `for_in`.

Those are read with backpressure, one after the other, as `async for` reads any stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from typing import Any

from reactivex import Observable, abc
from reactivex.internal.utils import is_future

from rxstream.source import Source, SourcePort
from rxstream.stream import Stream

Found = Callable[[], Iterator[Any]]


class Nested(Source[Any]):
    """All elements of the Observables (or futures) that an iterator gives, one after the other."""

    def __init__(self, found: Found) -> None:
        self._found = found

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[Any]]:
        """Read them in turn."""
        for found in self._found():
            async with aclosing(elements(found)) as each:
                async for item in each:
                    yield [item]


class Using(Source[Any]):
    """The elements of an Observable made with a resource, which is disposed at the end."""

    def __init__(
        self,
        resource_factory: Callable[[], abc.DisposableBase | None],
        observable_factory: Callable[[Any], Observable[Any]],
    ) -> None:
        self._resource_factory = resource_factory
        self._observable_factory = observable_factory

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[Any]]:
        """Make the resource, read, dispose it."""
        resource = self._resource_factory()
        try:
            async with aclosing(elements(self._observable_factory(resource))) as each:
                async for item in each:
                    yield [item]
        finally:
            if resource is not None:
                resource.dispose()


class Resuming(Source[Any]):
    """All elements of Observables in turn, whether the one before has failed or not.

    A function in their place is called with the error of the one before, or None.
    """

    def __init__(self, sources: Sequence[Any]) -> None:
        self._sources = sources

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[Any]]:
        """Read them in turn."""
        error: Exception | None = None
        for source in self._sources:
            found = source(error) if callable(source) else source
            error = None
            each = elements(found)
            try:
                while True:
                    try:
                        item = await anext(each)
                    except StopAsyncIteration:
                        break
                    except Exception as raised:
                        error = raised
                        break
                    yield [item]
            finally:
                await each.aclose()


class Catching(Source[Any]):
    """The elements of the first Observable, and of the next when it fails."""

    def __init__(self, found: Found) -> None:
        self._found = found

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[Any]]:
        """Read them in turn until one ends well."""
        last: Exception | None = None
        for found in self._found():
            each = elements(found)
            try:
                while True:
                    try:
                        item = await anext(each)
                    except StopAsyncIteration:
                        return
                    except Exception as raised:
                        last = raised
                        break
                    yield [item]
            finally:
                await each.aclose()
        if last is not None:
            raise last


async def elements(found: Any) -> AsyncGenerator[Any, None]:
    """The elements of an Observable, or the result of a future."""
    if is_future(found):
        yield await (found if asyncio.isfuture(found) else asyncio.wrap_future(found))
        return
    async with aclosing(aiter(Stream.of(found))) as each:  # type: ignore[type-var]  # it is a generator
        async for item in each:
            yield item

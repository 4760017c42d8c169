"""What a plain source is made of when it can go on from the index of an element.

Two kinds: a sequence, which is asked for the element of that index, and something of which somebody said
that it gives the same again, of which as many elements as were emitted are left out. What is pulled on the
loop satisfies `Indexed`, and whoever runs it counts.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, ClassVar, Final, Generic, TypeVar, cast

from reactivex import Observable

from rxstream.errors import AuthorError, GraphError
from rxstream.source import Source, SourcePort

T = TypeVar("T")

_PLAIN: Final = (list, tuple, str, bytes, bytearray, memoryview, deque)
"""Sequences whose elements cost nothing to pass by."""


class Sequenced(Generic[T]):
    """The elements of a sequence; it goes on by index."""

    __slots__ = ("_items",)

    def __init__(self, items: Sequence[T]) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def __call__(self) -> Iterable[T]:
        """All of it."""
        return self._items

    def from_offset(self, offset: int) -> Iterable[T]:
        """What follows that many elements."""
        if isinstance(self._items, range):
            return cast("Iterable[T]", self._items[offset:])
        if isinstance(self._items, _PLAIN):
            return cast("Iterable[T]", islice(self._items, offset, None))
        return self._asked(offset)

    def _asked(self, index: int) -> Iterator[T]:
        # a sequence of the author's may make each element when it is asked for it
        while True:
            try:
                item = self._items[index]
            except IndexError:
                return
            yield item
            index += 1


class Repeated(Generic[T]):
    """What gives the same elements in the same order each time it is called."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[], Iterable[T]]) -> None:
        self._make = make

    def __call__(self) -> Iterable[T]:
        """All of it."""
        return self._make()

    def from_offset(self, offset: int) -> Iterator[T]:
        """Run through as many elements as were emitted, and give the rest.

        Raises `AuthorError` when it ends before that, so that what is no repetition does not pass for an end.
        """
        iterator = iter(self._make())
        passed = sum(1 for _ in islice(iterator, offset))
        if passed < offset:
            raise not_the_same(passed, offset)
        return iterator


class RepeatedAsync(Source[T]):
    """What is asynchronous and gives the same elements in the same order each time it is called."""

    name: ClassVar[str] = "repeated"
    seekable = True

    def __init__(self, make: Callable[[], AsyncIterable[T]]) -> None:
        self._make = make

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[T]]:
        """Run through as many elements as were emitted, and give the rest."""
        emitted = 0 if port.start is None else int(port.start)
        passed = 0
        iterator = aiter(self._make())
        try:
            async for item in iterator:
                passed += 1
                if passed > emitted:
                    port.seek_point(passed)
                    yield [item]
        finally:
            close = getattr(iterator, "aclose", None)
            if close is not None:
                await close()
        if passed < emitted:
            raise not_the_same(passed, emitted)


def not_the_same(passed: int, emitted: int) -> AuthorError:
    """The error of a source that was said to give the same again, and does not."""
    return AuthorError(
        f"it gave only {passed} elements when it was run again after {emitted} had been emitted: "
        "it is not repeatable",
        code="not_repeatable",
    )


def indexed(origin: Any, repeatable: bool) -> tuple[Any, bool]:
    """What is run in place of a source's origin, and whether it can go on after a crash.

    Raises `GraphError` for what is said to be repeatable and can be read only once.
    """
    if isinstance(origin, Source):
        return origin, origin.seekable
    if isinstance(origin, Sequence):
        return Sequenced(origin), True
    if not repeatable:
        return origin, False
    bare = origin
    while isinstance(bare, partial):
        bare = bare.func
    if callable(bare) and not inspect.isroutine(bare) and not inspect.isclass(bare):
        bare = type(bare).__call__
    if inspect.isgeneratorfunction(bare):
        return Repeated(origin), True
    if inspect.isasyncgenfunction(bare):
        return RepeatedAsync(origin), True
    if not isinstance(origin, Iterator | AsyncIterator | Observable):
        if isinstance(origin, AsyncIterable):
            return RepeatedAsync(lambda: origin), True
        if isinstance(origin, Iterable):
            return Repeated(lambda: origin), True
    raise GraphError(
        f"{getattr(origin, '__name__', type(origin).__name__)} cannot be repeatable: only a generator "
        "function can, or an iterable that can be read again"
    )

"""A function called for every element, plain or asynchronous."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar, TypeVar

from rxstream.errors import AuthorError
from rxstream.sink import Sink, Write
from rxstream.source import Port

T = TypeVar("T")


class CallbackSink(Sink[T]):
    """Calls a function; see `callback`."""

    name: ClassVar[str] = "callback"

    def __init__(self, function: Callable[[T], object]) -> None:
        self._function = function

    @property
    def arguments(self) -> Mapping[str, Any]:
        return {"function": self._function}

    @asynccontextmanager
    async def open(self, port: Port) -> AsyncIterator[Write[T]]:
        async def write(batch: Sequence[T]) -> None:
            for element in batch:
                result = self._function(element)
                if inspect.isawaitable(result):
                    await result

        yield write


def callback(function: Callable[[T], object]) -> Sink[T]:
    """Call `function(element)` for every element in order, and wait for what it returns if it can be awaited.

    A plain function runs on the event loop and must not block it. What it raises fails the node. Delivery is
    at least once: when an execution goes on after its process was killed, what was under way is given again.
    """
    if not callable(function):
        raise AuthorError(f"callback needs a function, not {type(function).__name__}")
    return CallbackSink(function)

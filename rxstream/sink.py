"""Where elements leave: the contract of what a stream is written to.

The same sink serves two places. As a node (`stream.to(sink)`) it is given elements and exerts
backpressure; as a reader of the log (`execution.subscribe(sink)`) it is given `StreamEvent`s and never
does. This module knows neither graphs nor the engine.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Generic, TypeVar

from rxstream.source import Port

T = TypeVar("T")

Write = Callable[[Sequence[T]], Awaitable[None]]
"""Takes a batch; done when the batch is written. Not called again before that."""


class Sink(ABC, Generic[T]):
    """A description of where elements go, opened once in each execution.

    `name` is its operator in the graph and `arguments` what the graph shows of it.
    """

    name: ClassVar[str] = "sink"

    @property
    def arguments(self) -> Mapping[str, Any]:
        """What the graph shows: plain values and functions, no secrets."""
        return {}

    @abstractmethod
    def open(self, port: Port) -> AbstractAsyncContextManager[Write[T]]:
        """Enter to get the function that writes batches; leaving flushes and releases."""

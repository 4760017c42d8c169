"""Where elements leave: the contract of what a stream is written to.

The same sink serves two places. As a node (`stream.to(sink)`) it is given elements and exerts
backpressure; as a reader of the log (`execution.subscribe(sink)`) it is given `StreamEvent`s and never
does. This module knows neither graphs nor the engine.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from rxstream.source import Port

T = TypeVar("T")

Write = Callable[[Sequence[T]], Awaitable[None]]
"""Takes a batch; done when the batch is written. Not called again before that."""


class SinkPort(Port, Protocol):
    """What a running sink may see and say: a source's words, for the place it writes to."""

    @property
    def start(self) -> Any:
        """The last seek point that was stored, when an execution goes on after a restart, else None.

        What was written behind it is given again: a sink that can goes back to this place, and each element
        is written exactly once; one that cannot writes again what was under way (at least once).
        """

    def seek_point(self, offset: Any) -> None:
        """Say, before the write of a batch returns, where the sink stands behind that batch: plain data.

        It is stored together with the batches that were not written yet; a reader of the log stores nothing.
        """


class Sink(ABC, Generic[T]):
    """A description of where elements go, opened once in each execution.

    `name` is its operator in the graph and `arguments` what the graph shows of it. Delivery is at least once
    after a restart, unless the sink honours `port.start`.
    """

    name: ClassVar[str] = "sink"

    @property
    def arguments(self) -> Mapping[str, Any]:
        """What the graph shows: plain values and functions, no secrets."""
        return {}

    @abstractmethod
    def open(self, port: SinkPort) -> AbstractAsyncContextManager[Write[T]]:
        """Enter to get the function that writes batches; leaving flushes and releases."""

"""Where elements enter: the contract between whoever produces and the engine that asks.

A source is a description, made when the graph is drawn and opened once in each execution, so one graph can
run many times side by side. Two kinds, because they differ in who decides the pace:

* a `Source` is pulled: its iterator is advanced only while everything behind it has room;
* a `PushSource` pushes: what produces cannot be paused, so its buffer has a bound and a policy.

This module knows neither graphs nor the engine.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeAlias, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)

Policy = Literal["block", "latest", "drop_oldest", "drop_newest", "coalesce", "spill", "fail"]
"""What a full buffer does: wait, or which element it gives up, or put it into a file, or fail."""


Changes: TypeAlias = tuple[bool, dict[str, Any], list[str]]
"""Whether all that was told before is void, values by name, and names that are no more."""


class Growing(Protocol):
    """From where a restart would go on, where that grows with each batch: rows of plain data, by name."""

    def changes(self) -> Changes | None:
        """The rows that changed since the last call, None if none did. Called whenever they are stored.

        What a batch adds belongs here right before that batch is yielded, with no `await` between the two.
        """
        ...


class Port(Protocol):
    """What a node at the edge of a graph may see and say while it runs."""

    @property
    def execution_id(self) -> str:
        """The execution it runs in; empty when explored without an engine."""
        ...

    @property
    def node_id(self) -> str:
        """The node it is."""
        ...

    def progress(
        self, percentage: float | None, message: str | None = None, status: str | None = "running"
    ) -> None:
        """Say how far it is: 0 to 100, or None when nobody knows. Ten a second reach the log."""


class SourcePort(Port, Protocol):
    """What a pulled source may see and say."""

    @property
    def wanted(self) -> int:
        """How many elements can be taken now, at least 1; a longer batch waits and is not lost."""
        ...

    @property
    def start(self) -> Any:
        """The offset to go on from, or None for the beginning."""

    def seek_point(self, offset: Any) -> None:
        """Say, before yielding a batch, where a restart after that batch would go on.

        Plain data that `rxstream.statecodec` can store, or a function without arguments that gives it,
        called whenever it is stored: for what changes while nothing is emitted, as the seconds until a
        tick. An empty batch says only where a restart goes on. An `incremental` source gives a `Growing`
        before its first batch, and never another.
        """


class Indexed(Protocol[T_co]):
    """A plain source that goes on by index: what is called gives an iterable, or the rest of one.

    Whoever runs it counts the elements that were emitted and asks for what follows them.
    """

    def __call__(self) -> Iterable[T_co]:
        """All elements."""
        ...

    def from_offset(self, offset: int) -> Iterable[T_co]:
        """What follows the first `offset` elements."""
        ...


class Source(ABC, Generic[T_co]):
    """A pulled source: a description that can be opened any number of times.

    `name` is its operator in the graph and `arguments` what the graph shows of it. A `seekable` one
    calls `port.seek_point` and honours `port.start`, so its graph can be resumed.
    """

    name: ClassVar[str] = "source"
    seekable: bool = False
    incremental: ClassVar[bool] = False
    """Whether its offset is a `Growing`; then `port.start` is the rows that were stored, by name."""
    endless: bool | None = None
    """Whether it never ends by itself; None where nobody knows before it has run."""

    @property
    def arguments(self) -> Mapping[str, Any]:
        """What the graph shows: plain values and functions, no secrets."""
        return {}

    @abstractmethod
    def open(self, port: SourcePort) -> AsyncIterator[Sequence[T_co]]:
        """Start one run: an async generator of batches.

        It is advanced only when there is room, and closed (`aclose`) when nobody wants more, so
        whatever it opened belongs in `try … finally` or `async with`. It may raise anything;
        `OSError` counts as the world's fault.
        """


class Emitter(Protocol[T_contra]):
    """The door for a producer that decides its own pace. Any thread may call it."""

    def next(self, item: T_contra, timeout: float | None = None) -> bool:
        """Hand over one element; False when nobody takes any more.

        With policy `block` a thread waits while the buffer is full, `timeout` seconds at most
        (then TimeoutError); on the event loop's own thread a full `block` buffer raises
        `BufferOverflow`, because waiting there would wait for itself.
        """
        ...

    def error(self, error: BaseException) -> None:
        """End with an error."""

    def complete(self) -> None:
        """End well."""


class PushSource(ABC, Generic[T]):
    """A source that pushes: a callback API, a foreign Observable, hardware."""

    name: ClassVar[str] = "callback"
    policy: Policy = "fail"
    capacity: int = 1_024
    endless: bool | None = None
    """As for a `Source`."""

    @property
    def arguments(self) -> Mapping[str, Any]:
        """What the graph shows."""
        return {"policy": self.policy, "capacity": self.capacity}

    @abstractmethod
    def connect(self, emitter: Emitter[T], port: Port) -> Callable[[], None]:
        """Start producing into `emitter`; the result stops it. Called on the event loop."""

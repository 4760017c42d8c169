"""What an operator is before it runs: a name, its arguments, and how to make its running part.

An `Operator` is pipeable: called with an Observable it gives a `Stream` that remembers it. The running part
is made afresh for each execution by `make`; what it must be depends on `kind`:

    op        an `Op`: a synchronous state machine of one input, run inside an island
    unit      a `Unit`: something waits in it, so it has a bounded queue for each input
    foreign   reactivex's own operator, run on the engine's scheduler by a unit
    same      nothing: elements pass
    sink      a `Sink`
    source    a `Source`, `PushSource`, Observable, or something iterable

This module must not know how any of them run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from reactivex import Observable

from rxstream.source import Policy

if TYPE_CHECKING:
    from rxstream.stream import Stream

Kind = Literal["op", "unit", "foreign", "same", "sink", "source"]

DEFAULT_CAPACITY = 64
"""Elements that wait in the queue before a unit, unless the graph says otherwise."""


@dataclass(frozen=True)
class Buffer:
    """How much may wait on an edge and what happens to more.

    With `spill` more goes to a file of at most `max_bytes` in `folder`, or where temporary files go.
    """

    policy: Policy = "block"
    capacity: int = DEFAULT_CAPACITY
    reducer: Callable[[Any, Any], Any] | None = None
    max_bytes: int = 0
    folder: str | None = None


@dataclass(frozen=True, eq=False)
class OperatorSpec:
    """An operator with its arguments.

    `rx` makes reactivex's operator of the same meaning; it is called with the Observables that stand for
    `others`. `opens` says that the elements are themselves Observables, `flattens` that they are no
    longer: between the two, operators run as reactivex's, because inner Observables must be subscribed
    at the moment they appear. `wraps` says that the sub-graph before it is started anew (`retry`).
    `late` says that inputs after the first are subscribed only when the one before has ended. `told`
    says that its lifecycle is recorded even when unnamed. `grows` names what it holds without a limit.
    `quiet` says that it is an end of a pipeline: what it gives is not shown element by element.
    `resources` are what it needs of the engine: an execution holds them as long as it runs, or each call of
    it with `by_call`.
    """

    name: str
    kind: Kind
    make: Callable[[], Any] | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    others: tuple[Stream[Any], ...] = ()
    rx: Callable[..., Callable[[Observable[Any]], Observable[Any]]] | None = None
    buffer: Buffer | None = None
    opens: bool = False
    flattens: bool = False
    wraps: bool = False
    late: bool = False
    told: bool = False
    resumable: bool = False
    grows: str | None = None
    quiet: bool = False
    resources: Mapping[str, int] = field(default_factory=dict)
    by_call: bool = False


class Operator:
    """A pipeable operator: calling it with an Observable gives the Stream it makes of it."""

    __slots__ = ("spec",)

    def __init__(self, spec: OperatorSpec) -> None:
        self.spec = spec

    def __call__(self, source: Observable[Any]) -> Stream[Any]:
        from rxstream.stream import Stream

        return Stream.of(source).then(self.spec)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.spec.arguments.items())
        return f"{self.spec.name}({shown})"

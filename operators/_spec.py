"""How an operator's name, arguments and running part become an `Operator`.

Every operator also names its reactivex twin (`rx`): between an operator that opens inner Observables and the
one that flattens them, the twin is what runs. Must not know what any operator does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import reactivex
from reactivex import Observable
from reactivex import operators as rx
from reactivex.internal.utils import is_future

from rxstream.engine.op import Op
from rxstream.engine.unit import Unit
from rxstream.operator import Kind, Operator, OperatorSpec
from rxstream.stream import Stream

Twin = Callable[..., Callable[[Observable[Any]], Observable[Any]]]


def native(
    name: str,
    make: Callable[[], Op],
    /,
    *,
    resumable: bool = True,
    grows: str | None = None,
    rx: Twin | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Operator:
    """Our own state machine, run inside an island."""
    return _specified("op", name, make, (), rx, arguments, resumable=resumable, grows=grows)


def waiting(
    name: str,
    make: Callable[[], Unit],
    /,
    *,
    others: tuple[Any, ...] = (),
    rx: Twin | None = None,
    arguments: Mapping[str, Any] | None = None,
    **flags: Any,
) -> Operator:
    """Our own unit: something waits in it."""
    return _specified("unit", name, make, others, rx, arguments, **flags)


def foreign(
    name: str,
    /,
    *,
    others: tuple[Any, ...] = (),
    rx: Twin | None = None,
    arguments: Mapping[str, Any] | None = None,
    **flags: Any,
) -> Operator:
    """reactivex's operator, run on the engine's clock; it cannot be resumed."""
    return _specified("foreign", name, None, others, rx, arguments, **flags)


def _specified(
    kind: Kind,
    name: str,
    make: Callable[[], Any] | None,
    others: tuple[Any, ...],
    rx: Twin | None,
    arguments: Mapping[str, Any] | None,
    **flags: Any,
) -> Operator:
    given = arguments or {}
    return Operator(
        OperatorSpec(
            name,
            kind,
            make=make,
            arguments=said(given),
            others=streams(others),
            rx=rx or twin(name, given),
            **flags,
        )
    )


def same(name: str, rx: Twin, arguments: Mapping[str, Any] | None = None) -> Operator:
    """Nothing happens to the elements."""
    return Operator(OperatorSpec(name, "same", arguments=said(arguments or {}), rx=rx))


def sourcing(name: str, origin: Any, /, **arguments: Any) -> Stream[Any]:
    """A stream that begins here, under a name of its own."""
    return Stream(
        OperatorSpec(name, "source", make=lambda: origin, arguments=said(arguments), told=True)
    )


class Sourced(Operator):
    """An operator whose running part needs the stream it was applied to."""

    __slots__ = ("_specify",)

    def __init__(self, spec: OperatorSpec, specify: Callable[[Stream[Any]], OperatorSpec]) -> None:
        super().__init__(spec)
        self._specify = specify

    def __call__(self, source: Observable[Any]) -> Stream[Any]:
        stream = Stream.of(source)
        return stream.then(self._specify(stream))


def sourced(
    operator: Operator,
    *,
    make: Callable[[Stream[Any]], Any] | None = None,
    rx: Callable[[Stream[Any]], Twin] | None = None,
) -> Operator:
    """The operator, its running part or its twin made for the stream it is applied to."""

    def specify(stream: Stream[Any]) -> OperatorSpec:
        spec = operator.spec
        if make is not None:
            make_for = make
            spec = replace(spec, make=lambda: make_for(stream))
        if rx is not None:
            spec = replace(spec, rx=rx(stream))
        return spec

    return Sourced(operator.spec, specify)


def twin(name: str, arguments: Mapping[str, Any]) -> Twin:
    """reactivex's operator of that name with these arguments, then those that stand for streams."""

    def make(*others: Observable[Any]) -> Callable[[Observable[Any]], Observable[Any]]:
        operator: Callable[[Observable[Any]], Observable[Any]] = getattr(rx, name)(
            *others, **arguments
        )
        return operator

    return make


def said(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What the graph shows: what was given, not what was left out."""
    return {name: value for name, value in arguments.items() if value is not None}


def stream_of(source: Any) -> Stream[Any]:
    """A Stream of an Observable or a future."""
    return Stream.of(reactivex.from_future(source) if is_future(source) else source)


def streams(sources: tuple[Any, ...]) -> tuple[Stream[Any], ...]:
    """Streams of Observables or futures."""
    return tuple(stream_of(source) for source in sources)

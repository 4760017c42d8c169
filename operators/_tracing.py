"""Traces a function of streams once, so that its operators can be made again for each key.

Only what is synchronous and has one input can: everything else waits, has a queue, or reads what is not the
key's. What is refused is named, with its line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rxstream.errors import GraphError
from rxstream.operator import OperatorSpec
from rxstream.operators._keyed import Step
from rxstream.stream import SCOPE, Scope, Stream


def trace(
    operator: str, template: Callable[[Any], Any]
) -> tuple[tuple[Step, ...], list[OperatorSpec]]:
    """The template's operators in order, and their specs. Raises `GraphError`."""
    scope = Scope()
    token = SCOPE.set(scope)
    try:
        inlet: Stream[Any] = Stream(OperatorSpec("elements", "source"))
        outlet = template(inlet)
    finally:
        SCOPE.reset(token)
    if not isinstance(outlet, Stream):
        raise GraphError(
            f"the template of {operator} gave a {type(outlet).__name__}: it must give the stream it "
            "makes of the one it is given"
        )
    chain = _chain(operator, inlet, outlet)
    members = {inlet.serial, *(stream.serial for stream in chain)}
    for stream in scope.created:
        if stream.serial not in members and not stream.optional:
            raise GraphError(
                f"{stream.spec.name!r} at {stream.where} is not part of what the template of {operator} "
                "gives: there is no copy of it for each key; use it after the keyed operator",
                where=stream.where,
            )
    specs = [stream.spec for stream in chain if stream.spec.kind == "op"]
    return _named(operator, [stream for stream in chain if stream.spec.kind == "op"]), specs


def _chain(operator: str, inlet: Stream[Any], outlet: Stream[Any]) -> list[Stream[Any]]:
    found: list[Stream[Any]] = []
    stream = outlet
    while stream is not inlet:
        reason = _refused(stream)
        if reason is not None:
            raise GraphError(
                f"the template of {operator} uses {stream.spec.name!r} at {stream.where}, which {reason}: "
                "only synchronous operators of one stream can have a copy for each key",
                where=stream.where,
            )
        found.insert(0, stream)
        stream = stream.inputs[0]
    return found


def _refused(stream: Stream[Any]) -> str | None:
    """Why a copy of it cannot be made, or None."""
    if len(stream.inputs) > 1:
        return "reads another stream"
    match stream.spec.kind:
        case "op" | "same":
            return None
        case "source":
            return "is a stream of its own and not the one that was given"
        case "foreign":
            return "is reactivex's own operator"
    return "waits for something"


def _named(operator: str, chain: list[Stream[Any]]) -> tuple[Step, ...]:
    """The operators by the names under which their states are kept."""
    steps: list[Step] = []
    for index, stream in enumerate(chain):
        make = stream.spec.make
        assert make is not None, "an operator of our own can be made"
        name = stream.name or f"{stream.spec.name}_{index + 1}"
        if name in {step.name for step in steps}:
            raise GraphError(
                f"two operators of the template of {operator} are named {name!r}",
                where=stream.where,
            )
        steps.append(Step(name, stream.where, make))
    return tuple(steps)

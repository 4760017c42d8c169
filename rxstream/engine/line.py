"""Lines: a plain source, operators that can be fused, one observer, and nothing else.

What such a stream does needs no graph to be wired: one generated function takes an element from the source
through all operators to the observer before the next one is taken, as reactivex does (`straight`). What is
known of a line is found once and kept with its stream. Must not know how it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from rxstream.engine.fusion import Compiled, Frame, Loop, compiled
from rxstream.engine.op import Op
from rxstream.engine.sources import PullUnit, TaskUnit, unit_for
from rxstream.stream import Stream

_LONGEST: Final = 64
"""Operators of a line; a longer one is wired."""

STRAIGHT: Final = Frame(
    "items, on_next, run",
    "pass",
    "continue",
    ("if run.closed: return", "on_next(x)", "if run.closed: return"),
)
"""Hands each element to the observer before the next is taken."""


class Line:
    """What is known of a line before anybody subscribes."""

    __slots__ = ("_loop", "_makers", "asynchronous", "compiled", "origin", "positions", "pull")

    def __init__(
        self,
        origin: Any,
        ops: Sequence[Op],
        makers: Sequence[Callable[[], Op]],
        positions: list[int],
    ) -> None:
        self.origin = origin
        unit = unit_for(origin)  # what would run it in a graph; never started
        self.pull = unit._make if isinstance(unit, PullUnit) else None
        """Opens the source, where it is a plain iterable or generator function."""
        self.asynchronous = isinstance(unit, TaskUnit)
        """Whether the source needs a task, so that nothing can come at once."""
        self.positions = positions
        """Which nodes of the plan the operators are; the first node is the source."""
        self.compiled: Compiled = compiled(tuple(map(type, ops)), STRAIGHT)
        self._makers = makers
        stateless = all(_stateless(type(op)) for op in ops)
        self._loop: Loop | None = self.compiled.make(ops) if stateless else None

    def loop(self) -> Loop:
        """The function for one run; operators with a state are made for it."""
        return self._loop or self.compiled.make([make() for make in self._makers])


def line_of(stream: Stream[Any]) -> Line | None:
    """The line a stream is, or None where it is another graph."""
    streams = [stream]
    while inputs := streams[-1].inputs:
        before, *others = inputs
        if others or len(streams) > _LONGEST:
            return None
        streams.append(before)
    streams.reverse()
    source, rest = streams[0], streams[1:]
    names = [each.prefix + each.name for each in streams if each.name is not None]
    if len(set(names)) < len(names) or source.spec.kind != "source" or source.spec.make is None:
        return None
    ops: list[Op] = []
    makers: list[Callable[[], Op]] = []
    positions: list[int] = []
    for position, each in enumerate(rest, 1):
        spec = each.spec
        if each.depth or spec.buffer is not None or spec.kind not in ("op", "same"):
            return None
        if spec.make is not None:
            op = spec.make()
            if not _plain(type(op)):
                return None
            ops.append(op)
            makers.append(spec.make)
            positions.append(position)
    return Line(source.spec.make(), ops, makers, positions)


def _plain(kind: type[Op]) -> bool:
    """Whether its lines of code are all it does."""
    hooks = ("finish", "fail", "close", "demand")
    return bool(kind.code) and all(getattr(kind, hook) is getattr(Op, hook) for hook in hooks)


def _stateless(kind: type[Op]) -> bool:
    return not any("{op}" in line for line in kind.code)

"""Fuses neighbouring operators of an island into one function, generated once for each shape.

An `Op` that gives lines of Python for one element (`code`) can be fused with its neighbours: the lines of all
follow each other in one loop, so an element costs the calls of the user's functions and little more. The
operators stay what they are: their state lives in their own attributes and is stored before the element
goes on, ends and errors travel through the stages one by one, and counters are kept at filters. Code is
compiled once for a sequence of operator classes; functions and operators are arguments of it.

Must not change what anybody sees: fused and not, the same elements come out in the same batches, and an error
names the same node. `FUSE` switches it off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from functools import lru_cache
from time import perf_counter
from typing import Any, Final

from rxstream.engine.island import CURRENT, Exit, Stage, ordinary
from rxstream.engine.op import Op

FUSE: ContextVar[bool] = ContextVar("rxstream_fuse", default=True)
"""Whether islands that are wired from now on are fused."""

_MOST: Final = 24
"""Operators in one function; a longer chain becomes several."""

_Loop = Callable[..., list[int]]


def fuse(stage: Stage) -> Stage | Fused:
    """The stage together with the fused stages behind it, or itself where that is not possible."""
    behind = stage.out.receivers
    if not FUSE.get() or len(behind) != 1 or not stage.op.code:
        return stage
    following = behind[0]
    if isinstance(following, Stage) and following.op.code:
        return Fused([stage, following])
    if isinstance(following, Fused) and len(following.stages) < _MOST:
        return Fused([stage, *following.stages])
    return stage


class Fused:
    """Several stages that read one another, run by one function."""

    __slots__ = ("_filters", "_first", "_last", "_lines", "_loop", "stages")

    def __init__(self, stages: list[Stage]) -> None:
        self.stages = stages
        self._first = stages[0]
        self._last = stages[-1]
        loop, self._lines, self._filters = _compiled(tuple(type(stage.op) for stage in stages))
        ops = [stage.op for stage in stages]
        self._loop = loop(ops, [getattr(op, op.function_name, None) for op in ops])

    @property
    def closed(self) -> bool:
        return self._first.closed

    def push(self, items: Sequence[Any]) -> None:
        out: list[Any] = []
        iterator = iter(items)
        error: Exception | None = None
        failed = len(self.stages)
        begun = perf_counter()
        token = CURRENT.set(self._last.port)
        counts = [0] * len(self._filters)
        try:
            self._loop(iterator, out, counts)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as raised:
            error = ordinary(raised)
            failed = self._stage_of(raised)
        finally:
            CURRENT.reset(token)
        taken = len(items) - iterator.__length_hint__()  # type: ignore[attr-defined]  # lists and tuples have it
        self._count(taken, counts, len(out), failed, perf_counter() - begun)
        if error is not None:
            self._raised(error, failed, out)
            return
        last = self._last
        if out:
            last.out.push(out)
        if last.out.closed:
            self._leave(len(self.stages))

    def _stage_of(self, raised: BaseException) -> int:
        """The stage whose line raised: the generated function is the second frame of the traceback."""
        traceback = raised.__traceback__
        assert traceback is not None
        traceback = traceback.tb_next
        assert traceback is not None
        return self._lines[traceback.tb_lineno]

    def _count(
        self, taken: int, dropped: list[int], given: int, failed: int, seconds: float
    ) -> None:
        """Keep the counters of every stage; what the last one gave is counted where it is pushed."""
        at_filter = dict(zip(self._filters, dropped, strict=True))
        passing = taken
        for index, stage in enumerate(self.stages):
            counters = stage.counters
            counters.elements_in += passing
            passing -= at_filter.get(index, 0) + (index == failed)
            if stage is not self._last:
                counters.elements_out += passing
        self._first.counters.busy_s += seconds

    def _raised(self, error: Exception, failed: int, out: list[Any]) -> None:
        last = self._last
        if out:
            last.out.push(out)
        if last.out.closed:  # one at a time, the element that raised would not have been reached
            self._leave(len(self.stages))
            return
        self.stages[failed].raised(error, [])
        self._leave(failed)

    def _leave(self, count: int) -> None:
        for stage in reversed(self.stages[:count]):
            stage.out.look()
            stage.leave()

    def finish(self) -> None:
        self._first.finish()

    def fail(self, error: BaseException) -> None:
        self._first.fail(error)

    def abandon(self) -> None:
        self._first.abandon()

    def demand(self) -> int:
        return self._first.demand()

    def exits(self) -> Iterator[Exit]:
        return self._last.exits()


@lru_cache(maxsize=512)
def _compiled(shape: tuple[type[Op], ...]) -> tuple[Callable[..., _Loop], list[int], list[int]]:
    """For a sequence of operators: a maker of the loop, the stage of each line, and the filters."""
    lines: list[str] = []
    owners: list[int] = []
    filters: list[int] = []

    def add(line: str, owner: int) -> None:
        lines.append(line)
        owners.append(owner)

    operators = ", ".join(f"o{i}" for i in range(len(shape)))
    functions = ", ".join(f"f{i}" for i in range(len(shape)))
    add("def make(operators, functions):", 0)
    add(f"    {operators}, = operators", 0)
    add(f"    {functions}, = functions", 0)
    add("    def loop(items, out, dropped):", 0)
    add("        append = out.append", 0)
    add("        for x in items:", 0)
    for index, kind in enumerate(shape):
        names = {
            "op": f"o{index}",
            "f": f"f{index}",
            "drop": f"dropped[{len(filters)}] += 1; continue",
        }
        if any("{drop}" in line for line in kind.code):
            filters.append(index)
        for line in kind.code:
            add("            " + line.format(**names), index)
    add("            append(x)", len(shape) - 1)
    add("    return loop", 0)
    space: dict[str, Any] = {}
    exec(compile("\n".join(lines), "<fused operators>", "exec"), space)  # our own templates only
    return space["make"], [0, *owners], filters

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
from typing import Any, Final, NamedTuple

from rxstream.engine.island import CURRENT, Exit, Stage, ordinary
from rxstream.engine.op import Op

FUSE: ContextVar[bool] = ContextVar("rxstream_fuse", default=True)
"""Whether islands that are wired from now on are fused."""

_MOST: Final = 24
"""Operators in one function; a longer chain becomes several."""

Loop = Callable[[Any, Any, Any], None]


class Frame(NamedTuple):
    """What is generated around the lines of the operators: a loop over `items`."""

    parameters: str
    """Of the loop, three."""
    first: str
    """A line before it."""
    drop: str
    """What a filter does with an element it leaves out; `{number}` is the filter's."""
    last: tuple[str, ...]
    """Lines that hand on what came out."""


BATCH: Final = Frame(
    "items, out, dropped",
    "append = out.append",
    "dropped[{number}] += 1; continue",
    ("append(x)",),
)
"""Appends what comes out, and counts what each filter drops."""


class Compiled(NamedTuple):
    """A loop for a sequence of operators."""

    make: Callable[[Sequence[Op]], Loop]
    lines: list[int]
    """The stage each line belongs to: -1 is where elements come from, one past the last who takes them."""
    filters: list[int]
    """The stages that drop elements."""

    def stage_of(self, raised: BaseException, depth: int = 1) -> int:
        """The stage whose line raised; the loop was called `depth` frames below where that was caught."""
        traceback = raised.__traceback__
        for _ in range(depth):
            traceback = traceback.tb_next if traceback is not None else None
        if traceback is None or traceback.tb_frame.f_code.co_filename != FILENAME:
            return -1
        return self.lines[traceback.tb_lineno]


FILENAME: Final = "<fused operators>"


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

    __slots__ = ("_compiled", "_counted", "_first", "_last", "_loop", "stages")

    def __init__(self, stages: list[Stage]) -> None:
        self.stages = stages
        self._first = stages[0]
        self._last = stages[-1]
        self._loop: Loop | None = None  # a longer one may take its place before anything comes

    @property
    def closed(self) -> bool:
        return self._first.closed

    def _begin(self) -> Loop:
        ops = [stage.op for stage in self.stages]
        self._compiled = compiled(tuple(map(type, ops)), BATCH)
        numbers = {stage: number for number, stage in enumerate(self._compiled.filters)}
        self._counted = [(s.counters, numbers.get(i)) for i, s in enumerate(self.stages)]
        self._loop = self._compiled.make(ops)
        return self._loop

    def push(self, items: Sequence[Any]) -> None:
        loop = self._loop or self._begin()
        out: list[Any] = []
        iterator = iter(items)
        error: Exception | None = None
        failed = len(self.stages)
        dropped = [0] * len(self._compiled.filters)
        begun = perf_counter()
        token = CURRENT.set(self._last.port)
        try:
            loop(iterator, out, dropped)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as raised:
            error = ordinary(raised)
            failed = min(max(0, self._compiled.stage_of(raised)), failed - 1)
        finally:
            CURRENT.reset(token)
        seconds = perf_counter() - begun
        taken = len(items)
        if error is not None:
            taken -= iterator.__length_hint__()  # type: ignore[attr-defined]  # lists and tuples have it
        self._count(taken, dropped, failed, seconds)
        if error is not None:
            self._raised(error, failed, out)
            return
        last = self._last
        if out:
            last.out.push(out)
        if last.out.closed:
            self._leave(len(self.stages))

    def _count(self, taken: int, dropped: list[int], failed: int, seconds: float) -> None:
        """Keep the counters of every stage; what the last one gave is counted where it is pushed."""
        passing = taken
        last = self._last.counters
        for index, (counters, number) in enumerate(self._counted):
            counters.elements_in += passing
            if number is not None:
                passing -= dropped[number]
            if index == failed:
                passing -= 1
            if counters is not last:
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
def compiled(shape: tuple[type[Op], ...], frame: Frame) -> Compiled:
    """The loop for a sequence of operators, to be made for those that run."""
    lines: list[str] = []
    owners: list[int] = []
    filters: list[int] = []

    def add(line: str, owner: int) -> None:
        lines.append(line)
        owners.append(owner)

    add("def make(operators):", -1)
    for index, kind in enumerate(shape):
        add(f"    o{index} = operators[{index}]", -1)
        add(f"    f{index} = getattr(o{index}, {kind.function_name!r}, None)", -1)
    add(f"    def loop({frame.parameters}):", -1)
    add(f"        {frame.first}", -1)
    add("        for x in items:", -1)
    for index, kind in enumerate(shape):
        drop = frame.drop.format(number=len(filters))
        if any("{drop}" in line for line in kind.code):
            filters.append(index)
        for line in kind.code:
            add("            " + line.format(op=f"o{index}", f=f"f{index}", drop=drop), index)
    for line in frame.last:
        add(f"            {line}", len(shape))
    add("    return loop", -1)
    space: dict[str, Any] = {}
    exec(compile("\n".join(lines), FILENAME, "exec"), space)  # our own templates only
    return Compiled(space["make"], [-1, *owners], filters)

"""`Pipeline`: steps by name and what each comes after; drawn as a Graph, and run as one.

Adding a step checks what can be checked of it alone; that the names are there and go in no circle is checked
when the graph is drawn. Nothing is run here.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from rxstream.errors import GraphError
from rxstream.graph import Graph
from rxstream.numbers import is_count, is_number
from rxstream.pipeline.drawing import NO_FALLBACK, Added, drawn
from rxstream.pipeline.letters import DeadLetters, as_dead_letters
from rxstream.pipeline.objectives import SLO, Objectives
from rxstream.pipeline.policy import ONCE, Retry, Streaming
from rxstream.pipeline.settings import When
from rxstream.pipeline.step import as_step, name_of
from rxstream.stream import Stream, author_line, check_name

if TYPE_CHECKING:
    from rxstream.pipeline.config import Plugins

CONCURRENCY: Final = 8
"""Calls of a step with `each` that run at once, unless it says otherwise."""

_NOTHING: Final[dict[str, Any]] = {}


class Pipeline:
    """A DAG of steps; data goes in as a dict and comes out as a dict.

    A step's data is what the pipeline was given, updated with the results of all steps it comes after; the
    result is that of all steps, or of the one that `result` names. `streaming` shows what the steps show
    and how far they are; without it the result is the same and only the lifecycle is recorded. `slos` are
    promises that are judged over all its executions on an engine; one that is broken is an `slo_breached`
    event of the execution that broke it.
    """

    def __init__(
        self,
        name: str,
        *,
        description: str = "",
        streaming: Streaming | Mapping[str, Any] | bool = False,
        resumable: bool = False,
        resources: Mapping[str, int] | None = None,
        slos: Sequence[SLO] = (),
        result: str | None = None,
    ) -> None:
        _check_name(name, author_line())
        self.name = name
        self.description = description
        self.streaming = Streaming.of(streaming)
        self.resumable = resumable
        self.resources = _resources(f"pipeline {name!r}", resources or {})
        self.slos = _promised(name, slos)
        self.result = result
        """The step whose result is the pipeline's; all that is known if None."""
        self._steps: dict[str, Added] = {}

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], plugins: Plugins | None = None) -> Self:
        """A pipeline from a `.json` or `.toml` file. Raises `GraphError` that says where in the file.

        Actions are of `plugins`: a `PluginManager`, or places as its `load` takes them, beside what is
        installed. The plugins that the file names are loaded too.
        """
        from rxstream.pipeline.config import read

        return read(cls, path, plugins)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], plugins: Plugins | None = None) -> Self:
        """A pipeline from what such a file says, as plain data. Raises `GraphError` that says where in it.

        Paths of plugins are from the working folder; all else is as in `from_file`.
        """
        from rxstream.pipeline.config import made

        return made(cls, config, "config", Path(), plugins)

    @staticmethod
    def schema() -> dict[str, Any]:
        """The JSON Schema of such a file."""
        from rxstream.pipeline.config import schema

        return schema()

    def add(
        self,
        step: Any,
        *,
        name: str | None = None,
        after: str | Sequence[str] | None = None,
        when: When | None = None,
        each: str | None = None,
        concurrency: int = CONCURRENCY,
        retry: int | Retry | None = None,
        timeout: float | None = None,
        fallback: Any = None,
        dead_letters: bool | int | DeadLetters | None = None,
        checkpoint: bool = False,
        where: str | None = None,
    ) -> Self:
        """Add a `Step`, a class of one, or an asynchronous function; returns the pipeline.

        `after` names steps whose results it needs. It is skipped where `when` (a predicate of its data, or
        the key of a value) does not hold. With `each`, the key of a list, it is called for each item, with
        `item` and `index` in its data, at most `concurrency` at once; its result is the list of results under
        its name. A call has `retry` attempts of `timeout` seconds each; when the last fails, `fallback` (a
        dict or a step) gives the result. With `dead_letters` (True, at most how many, or `DeadLetters`) an
        item whose call failed for good is put aside and the others go on. With `checkpoint` its end is stored
        as a checkpoint before another step begins, where the log lasts. Raises `GraphError`.
        """
        place = where or author_line()
        made = as_step(step)
        known = name or name_of(made)
        _check_name(known, place)
        if known in self._steps:
            raise GraphError(
                f"pipeline {self.name!r} has two steps named {known!r}: at {self._steps[known].where} and at "
                f"{place}; give one another name",
                where=place,
            )
        if not is_count(concurrency):
            raise GraphError(f"step {known!r}: concurrency is at least 1, not {concurrency!r}")
        if timeout is not None and not (is_number(timeout) and 0 < timeout < math.inf):
            raise GraphError(
                f"step {known!r}: timeout is a number of seconds above 0, not {timeout!r}"
            )
        if not (when is None or isinstance(when, str) or callable(when)):
            raise GraphError(f"step {known!r}: when is a function or a key, not {when!r}")
        if not (each is None or isinstance(each, str)):
            raise GraphError(f"step {known!r}: each is the key of a list, not {each!r}")
        _resources(f"step {known!r}", made.resources)
        letters = as_dead_letters(known, dead_letters)
        if letters is not None and each is None:
            raise GraphError(f"step {known!r}: dead_letters are for a step with `each`")
        if fallback is None:
            fallback = NO_FALLBACK
        elif not isinstance(fallback, dict):
            fallback = as_step(fallback)
        self._steps[known] = Added(
            made,
            _names(known, after),
            when,
            each,
            concurrency if each is not None else 1,
            _retry(retry),
            timeout,
            fallback,
            letters,
            checkpoint,
            place,
        )
        return self

    @property
    def steps(self) -> list[str]:
        """Names of its steps, in the order they were added."""
        return list(self._steps)

    @property
    def graph(self) -> Graph[..., Any]:
        """The graph it is, with one parameter `data`. Raises `GraphError` for a circle or an unknown name."""
        order = self._order()

        def draw(data: dict[str, Any] = _NOTHING) -> Stream[Any]:
            return drawn(self._steps, order, data, self.streaming, self.result)

        draw.__name__ = self.name
        draw.__doc__ = self.description or None
        return Graph(
            draw,
            self.name,
            resumable=self.resumable,
            resources=self.resources,
            objectives=Objectives(self.slos) if self.slos else None,
        )

    async def start(self, data: dict[str, Any] | None = None) -> Any:
        """Start it on a default engine in memory; returns the Execution."""
        return await self.graph.start(data=data or {})

    async def run(self, data: dict[str, Any] | None = None) -> dict[str, Any]:
        """Start it on a default engine in memory; returns its result."""
        result: dict[str, Any] = await self.graph.run(data=data or {})
        return result

    def check(self) -> None:
        """Raises `GraphError` for a circle or a name that is not there; drawing does so too."""
        self._order()

    def _order(self) -> list[str]:
        """Its steps, each behind those it comes after."""
        if not self._steps:
            raise GraphError(f"pipeline {self.name!r} has no steps: add one")
        for name, added in self._steps.items():
            for other in added.after:
                if other not in self._steps:
                    raise GraphError(
                        f"step {name!r} (at {added.where}) comes after {other!r}, which pipeline "
                        f"{self.name!r} does not have: its steps are {', '.join(self._steps)}",
                        where=added.where,
                    )
        if self.result is not None and self.result not in self._steps:
            raise GraphError(
                f"the result of pipeline {self.name!r} is that of {self.result!r}, which it does not have: "
                f"its steps are {', '.join(self._steps)}"
            )
        sorter = TopologicalSorter({name: added.after for name, added in self._steps.items()})
        try:
            return list(sorter.static_order())
        except CycleError as error:
            circle = " → ".join(reversed(error.args[1]))
            raise GraphError(
                f"steps of pipeline {self.name!r} go in a circle: {circle}; take one `after` away"
            ) from None

    def __repr__(self) -> str:
        return f"<Pipeline {self.name}: {', '.join(self._steps)}>"


def _check_name(name: Any, where: str) -> None:
    if not isinstance(name, str):
        raise GraphError(f"{name!r} is no name: a name is a text", where=where)
    check_name(name, where)


def _names(step: str, after: Any) -> tuple[str, ...]:
    if after is None:
        return ()
    names = (after,) if isinstance(after, str) else after
    if not isinstance(names, Iterable) or not all(isinstance(name, str) for name in names):
        raise GraphError(f"step {step!r}: after is the name of a step, or several, not {after!r}")
    return tuple(names)


def _resources(what: str, given: Any) -> dict[str, int]:
    if not isinstance(given, Mapping) or not all(map(is_count, given.values())):
        raise GraphError(f"resources of {what} are whole numbers from 1 by name, not {given!r}")
    return dict(given)


def _promised(pipeline: str, slos: Sequence[SLO]) -> tuple[SLO, ...]:
    if isinstance(slos, SLO) or not all(isinstance(slo, SLO) for slo in slos):
        raise GraphError(f"slos of pipeline {pipeline!r} are a list of SLO")
    names = [slo.name for slo in slos]
    for name in names:
        if names.count(name) > 1:
            raise GraphError(
                f"pipeline {pipeline!r} has two SLOs named {name!r}: give one a `name` of its own"
            )
    return tuple(slos)


def _retry(given: int | Retry | None) -> Retry:
    if given is None:
        return ONCE
    return given if isinstance(given, Retry) else Retry(given)

"""`Step`: a unit of work with a dict in and a dict out, which may say what it does while it does it.

One Step object may run in many executions at once, so what belongs to one run is found through the task that
runs it and never kept on the step. Must not know how its pipeline is run.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar, overload

from rxstream.asking import ask
from rxstream.engine.asking import CALL
from rxstream.errors import AuthorError, GraphError
from rxstream.pipeline.call import StepCall

T = TypeVar("T")


class Step:
    """One step of a pipeline: override `run`, and `compensate` if it can be undone.

    `async def compensate(self, data, result)` is called when another step fails for good, with what `run` was
    given and what it returned; with `each` for every item that ended well, also when this step fails itself.
    It may be called again after a crash.
    """

    name: ClassVar[str | None] = None
    """What it is called in a pipeline, unless `Pipeline.add` says otherwise; else the class's name."""
    resumable: ClassVar[bool] = True
    """Whether it may be called again after a crash; with a step that may not, a pipeline cannot go on."""
    resources: ClassVar[Mapping[str, int]] = MappingProxyType({})
    """What each call of it holds of the engine, and waits for before its `timeout` begins."""
    _arguments: Mapping[str, Any] | None = None
    """What a graph shows of it; its class if None."""

    def run(self, data: dict[str, Any]) -> Any:
        """Do the work: an `async def` that returns a dict, or an asynchronous generator.

        What a generator yields is shown; it ends with `Result(dict)`, or with a dict that is shown too.
        After a crash, and when it is tried again, it is called with the same data; as many items as it has
        shown before are not shown again.
        """
        raise NotImplementedError(
            f"{type(self).__name__} does not say what it does: give it a `run`"
        )

    @property
    def attempt(self) -> int:
        """Which attempt of its call a run is, from 1, also after a crash. Raises `AuthorError` outside."""
        return _call().backoff.failures + 1

    async def emit_progress(self, fraction: float | None, message: str | None = None) -> None:
        """Say how far this run is: 0 to 1, or None when nobody knows. Raises `AuthorError` outside a run."""
        _call().progress(fraction, message)

    async def emit(self, item: Any) -> None:
        """Show an item of this run; waits where the log has no room. Raises `AuthorError` outside a run."""
        await _call().emit(item)

    @overload
    async def ask(self, kind: type[T], message: str, timeout: float | None = None) -> T: ...

    @overload
    async def ask(self, kind: Any, message: str, timeout: float | None = None) -> Any: ...

    async def ask(self, kind: Any, message: str, timeout: float | None = None) -> Any:
        """Ask a person, as `rxstream.ask` does, and wait for the answer."""
        return await ask(kind, message, timeout=timeout)


class FunctionStep(Step):
    """A step made of an asynchronous function or an asynchronous generator function."""

    def __init__(self, function: Callable[[dict[str, Any]], Any]) -> None:
        self.function = function

    def run(self, data: dict[str, Any]) -> Any:
        return self.function(data)


def as_step(given: Any) -> Step:
    """A step of a `Step`, a class of steps, or an asynchronous function. Raises `GraphError`."""
    if isinstance(given, Step):
        return given
    if inspect.isclass(given) and issubclass(given, Step):
        try:
            return given()
        except TypeError as error:
            raise GraphError(f"step {given.__name__} cannot be made: {error}") from error
    if inspect.iscoroutinefunction(given) or inspect.isasyncgenfunction(given):
        return FunctionStep(given)
    raise GraphError(
        f"{getattr(given, '__name__', type(given).__name__)!r} is not a step: give a Step, or an async "
        "function from a dict to a dict"
    )


def name_of(step: Step) -> str:
    """What a step is called when nobody says: its own name, its function's, or its class's in snake case."""
    if step.name:
        return step.name
    if isinstance(step, FunctionStep):
        return getattr(step.function, "__name__", "step").strip("<>")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(step).__name__).lower()


def _call() -> StepCall:
    call = CALL.get()
    if not isinstance(call, StepCall):
        raise AuthorError(
            "a step can only emit while a pipeline runs it: await this inside its `run`"
        )
    return call

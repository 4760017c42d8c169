"""`Tool`: a typed function a model may call, and `@tool`, which makes one.

Its parameters and their JSON Schema are read from the signature, its description from the docstring. A
generator, plain or asynchronous, streams: what it yields is live output (text, `Output`) until its
`ToolResult`; any other function gives its result when it returns, and a plain one runs in a thread. Must
not know how a call runs.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, overload

from rxstream.errors import AuthorError, GraphError
from rxstream.graph.params import Parameters
from rxstream.models.contract import ToolSpec
from rxstream.tools.running import ToolContext

Approval: TypeAlias = bool | Callable[[Mapping[str, Any]], str | None]
"""Whether a person has to agree: always, never, or what the function says of the arguments (the question,
or None)."""


@dataclass(frozen=True)
class ToolSettings:
    """What the author said of a tool beside its function."""

    parallel: bool = False
    """It may run beside other calls of the same turn."""
    idempotent: bool = False
    """A call that broke off in a crash may be made again; else its outcome is `unknown`."""
    approval: Approval = False
    timeout: float | None = None
    """Seconds a call may take."""
    tags: tuple[str, ...] = ()


class Tool:
    """One function a model may call."""

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        parallel: bool = False,
        idempotent: bool = False,
        approval: Approval = False,
        timeout: float | None = None,
        tags: Iterable[str] = (),
    ) -> None:
        self.function = function
        self.name = name or getattr(function, "__name__", "tool").strip("<>")
        self.settings = ToolSettings(parallel, idempotent, approval, timeout, tuple(tags))
        self.streams = inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function)
        self.context, self.parameters = _read(function, self.name)
        text = description or inspect.getdoc(function) or ""
        self.description = " ".join(text.strip().partition("\n\n")[0].split())

    @property
    def spec(self) -> ToolSpec:
        """What a model is told."""
        return ToolSpec(self.name, self.description, self.parameters.schema)

    def check(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Every argument's value, defaults included. Raises `InvalidParameters`."""
        return self.parameters.check(arguments)

    def start(self, values: Mapping[str, Any], context: ToolContext) -> Any:
        """What the function gives: a generator, a coroutine, or the value itself."""
        extra = {} if self.context is None else {self.context: context}
        return self.function(**values, **extra)


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...


@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    parallel: bool = False,
    idempotent: bool = False,
    approval: Approval = False,
    timeout: float | None = None,
    tags: Iterable[str] = (),
) -> Callable[[Callable[..., Any]], Tool]: ...


def tool(function: Callable[..., Any] | None = None, /, **settings: Any) -> Any:
    """Make a function a `Tool`: `@tool`, or `@tool(parallel=True)`. Raises `AuthorError`."""
    if function is not None:
        return Tool(function)
    return lambda made: Tool(made, **settings)


def _read(function: Callable[..., Any], name: str) -> tuple[str | None, Parameters]:
    hints = typing.get_type_hints(function, include_extras=True)
    found = [key for key, hint in hints.items() if hint is ToolContext and key != "return"]
    context = found[0] if found else None
    signature = inspect.signature(function)
    kept = [each for key, each in signature.parameters.items() if key != context]

    def shape() -> None: ...

    shape.__name__ = shape.__qualname__ = name
    shape.__annotations__ = {key: hint for key, hint in hints.items() if key != context}
    shape.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]  # inspect looks there
    try:
        return context, Parameters(shape, kind="tool")
    except GraphError as error:
        raise AuthorError(error.message) from error

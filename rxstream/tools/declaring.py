"""`Tool`: a typed function a model may call, and `@tool`, which makes one.

Its parameters and their JSON Schema are read from the signature, its description from the docstring. A
generator, plain or asynchronous, streams: what it yields is live output (text, `Output`, any other value as
JSON) until its `ToolResult`; without one its text is its result. Any other function gives its result when it
returns. What is not asynchronous runs in a thread.

A tool that streams may have a plain variant with the same parameters, made by `@its_tool.plain`. That is
called where streaming is off, and where streaming failed before any side effect: the tool raised
`CannotStream`, which is its word that it has done nothing, or it is `idempotent`, so that doing it once more
does no harm. Must not know how a call runs.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, TypeAlias, overload

from rxstream.errors import AuthorError, GraphError
from rxstream.graph.params import Parameters
from rxstream.models.contract import ToolSpec
from rxstream.tools.running import ToolContext

Approval: TypeAlias = bool | Callable[[Mapping[str, Any]], str | None]
"""Whether a person has to agree: always, never, or what the function says of the arguments (the question,
or None)."""

Kind: TypeAlias = Literal["async_generator", "generator", "coroutine", "plain"]

_NAME_LENGTH: Final = 64
"""Characters of a name that every provider takes."""


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


class Way:
    """One function a tool is called by."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self.function = function
        bare = _bare(function)
        if not inspect.isroutine(bare) and not inspect.isclass(bare):
            bare = type(bare).__call__
        self.kind: Kind = _kind(bare)
        self.context, self._by_place, self.parameters = _read(function, name)

    @property
    def streams(self) -> bool:
        """Whether it gives output while it runs."""
        return self.kind in ("async_generator", "generator")

    def start(self, values: Mapping[str, Any], context: ToolContext) -> Any:
        """What the function gives: a generator, a coroutine, or the value itself."""
        given = {**values} if self.context is None else {**values, self.context: context}
        return self.function(*[given.pop(name) for name in self._by_place], **given)


class Tool:
    """One function a model may call; called itself, it is that function."""

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
        if not callable(function):
            raise AuthorError(f"a {type(function).__name__} is no tool: give a function")
        self.function = function
        self.name = check_name(name or _name_of(function))
        if timeout is not None and not timeout > 0:
            raise AuthorError(f"tool {self.name!r}: timeout is seconds above 0, not {timeout}")
        self.settings = ToolSettings(parallel, idempotent, approval, timeout, tuple(tags))
        self.way = Way(function, self.name)
        self.plain_way: Way | None = None
        text = description or inspect.getdoc(function) or ""
        self.description = " ".join(text.strip().partition("\n\n")[0].split())

    @property
    def streams(self) -> bool:
        """Whether it gives output while it runs."""
        return self.way.streams

    @property
    def parameters(self) -> Parameters:
        """What it takes."""
        return self.way.parameters

    @property
    def spec(self) -> ToolSpec:
        """What a model is told."""
        return ToolSpec(self.name, self.description, self.parameters.schema)

    def check(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Every argument's value, defaults included. Raises `InvalidParameters`."""
        return self.parameters.check(arguments)

    def start(self, values: Mapping[str, Any], context: ToolContext) -> Any:
        """What the function gives: a generator, a coroutine, or the value itself."""
        return self.way.start(values, context)

    def plain(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate the function that does the same without streaming. Raises `AuthorError`."""
        way = Way(function, self.name)
        if way.streams or not self.streams:
            raise AuthorError(
                f"tool {self.name!r}: a plain variant is a function that returns its result, of a tool that "
                "yields"
            )
        if way.parameters.schema.get("properties") != self.parameters.schema.get("properties"):
            raise AuthorError(
                f"the plain variant of tool {self.name!r} must take what the tool takes"
            )
        self.plain_way = way
        return function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Tool {self.name}>"


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


def as_tool(given: Any) -> Tool:
    """A tool of a `Tool` or a function. Raises `AuthorError`."""
    if isinstance(given, Tool):
        return given
    if callable(given):
        return Tool(given)
    raise AuthorError(f"a {type(given).__name__} is no tool: give a function, or a rxstream.Tool")


def check_name(name: str) -> str:
    """A name every provider takes. Raises `AuthorError`."""
    plain = name.replace("_", "").replace("-", "")
    if plain.isascii() and plain.isalnum() and len(name) <= _NAME_LENGTH:
        return name
    raise AuthorError(
        f"{name[:80]!r} is no name of a tool: letters, digits, _ and -, at most {_NAME_LENGTH}"
    )


def _kind(function: Any) -> Kind:
    if inspect.isasyncgenfunction(function):
        return "async_generator"
    if inspect.isgeneratorfunction(function):
        return "generator"
    return "coroutine" if inspect.iscoroutinefunction(function) else "plain"


def _bare(function: Any) -> Any:
    """What some of whose arguments are given already."""
    while isinstance(function, partial):
        function = function.func
    return function


def _name_of(function: Callable[..., Any]) -> str:
    bare = _bare(function)
    return str(getattr(bare, "__name__", type(bare).__name__)).strip("<>")


def _is_context(hint: Any) -> bool:
    return hint is ToolContext or ToolContext in typing.get_args(hint)


def _read(
    function: Callable[..., Any], name: str
) -> tuple[str | None, tuple[str, ...], Parameters]:
    """Which parameter is the context, which are given by their place, and those a model is told of."""
    place = _bare(function)
    if not inspect.isroutine(place):
        place = type(place).__call__
    try:
        hints = typing.get_type_hints(place, include_extras=True)
    except NameError as error:
        raise AuthorError(
            f"tool {name!r} is annotated with {error.name!r}, which cannot be found: import it at the top "
            "of the module, not only for type checking"
        ) from error
    found = [key for key, hint in hints.items() if _is_context(hint) and key != "return"]
    context = found[0] if found else None
    try:
        signature = inspect.signature(function)
    except ValueError as error:
        raise AuthorError(
            f"what {name!r} takes cannot be read: write a function around it"
        ) from error
    by_place = tuple(
        key for key, each in signature.parameters.items() if each.kind is each.POSITIONAL_ONLY
    )
    kept = [each for key, each in signature.parameters.items() if key != context]

    def shape() -> None: ...

    shape.__name__ = shape.__qualname__ = name
    shape.__annotations__ = {key: hint for key, hint in hints.items() if key != context}
    shape.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]  # inspect looks there
    try:
        return context, by_place, Parameters(shape, kind="tool")
    except GraphError as error:
        raise AuthorError(error.message) from error

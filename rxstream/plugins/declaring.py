"""`@action`: how an author declares what a plugin can do, and what is read from the declaration.

The decorator only marks a method; everything else is found out once, when the plugin is loaded. What an
action streams is seen from its function: a generator, plain or asynchronous, streams, anything else gives
one value. Must not know how an action runs.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar, overload

from pydantic import TypeAdapter, ValidationError

from rxstream.errors import GraphError
from rxstream.graph.params import Parameters
from rxstream.numbers import is_count
from rxstream.plugins.errors import PluginError
from rxstream.plugins.running import ActionContext

F = TypeVar("F", bound=Callable[..., Any])

Returns = Literal["collect", "last"]
"""What a streaming action gives when it is called for one value: a list of all, or the last."""

_MARK: Final = "__rxstream_action__"


@dataclass(frozen=True)
class Declared:
    """What the author said in `@action(…)`."""

    resumable: bool = False
    idempotent: bool = False
    returns: Returns = "collect"
    tags: tuple[str, ...] = ()
    resources: Mapping[str, int] = field(default_factory=dict)
    description: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class ActionDescription:
    """What anybody may know of an action. `parameters` and `item` are JSON Schemas, `{}` for anything."""

    plugin: str
    name: str
    version: str
    streaming: bool
    description: str
    parameters: Mapping[str, Any]
    item: Mapping[str, Any]
    returns: Returns
    resumable: bool
    idempotent: bool
    tags: tuple[str, ...]
    resources: Mapping[str, int]

    @property
    def id(self) -> str:
        """What it is asked for by: `plugin.action`."""
        return f"{self.plugin}.{self.name}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {
            "id": self.id,
            "plugin": self.plugin,
            "action": self.name,
            "version": self.version,
            "streaming": self.streaming,
            "description": self.description,
            "parameters": dict(self.parameters),
            "item": dict(self.item),
            "returns": self.returns,
            "resumable": self.resumable,
            "idempotent": self.idempotent,
            "tags": list(self.tags),
            "resources": dict(self.resources),
        }


@overload
def action(function: F, /) -> F: ...


@overload
def action(
    *,
    resumable: bool = False,
    idempotent: bool = False,
    returns: Returns = "collect",
    tags: Iterable[str] = (),
    resources: Mapping[str, int] | None = None,
    description: str | None = None,
    name: str | None = None,
) -> Callable[[F], F]: ...


def action(
    function: Callable[..., Any] | None = None,
    /,
    *,
    resumable: bool = False,
    idempotent: bool = False,
    returns: Returns = "collect",
    tags: Iterable[str] = (),
    resources: Mapping[str, int] | None = None,
    description: str | None = None,
    name: str | None = None,
) -> Any:
    """Declare a method of a `Plugin` as an action: `@action`, or `@action(tags=("text",))`.

    A generator streams. It is `resumable` in one of two ways: with a parameter annotated `ActionContext` it
    calls `context.seek_point` before each element and begins at `context.start`; without one it promises to
    give the same elements each time, and is run again. A one-shot action that is `idempotent` is run again
    when a crash came before its value was stored.

    `returns` is what a streaming one gives to a plain call. `resources` are what it needs of the engine: an
    execution with a Stream of it has them before it starts, a call or a step holds them while it runs. The
    description is the docstring's first line unless given.
    """
    if isinstance(tags, str):
        raise PluginError(f"tags of an action are several: give ({tags!r},)")
    declared = Declared(
        resumable, idempotent, returns, tuple(tags), dict(resources or {}), description, name
    )

    def mark(marked: Callable[..., Any]) -> Callable[..., Any]:
        setattr(marked, _MARK, declared)
        return marked

    return mark if function is None else mark(function)


class Action:
    """One action of a loaded plugin: a bound method, what it takes and what it gives."""

    def __init__(
        self,
        plugin: str,
        version: str,
        method: Callable[..., Any],
        declared: Declared,
        tags: Iterable[str] = (),
    ) -> None:
        name = declared.name or method.__name__
        what = f"action {plugin}.{name}"
        hints = _hints(method, what)
        self.function = method
        self.context = _context_parameter(method, hints, what)
        self.streams = inspect.isasyncgenfunction(method) or inspect.isgeneratorfunction(method)
        if declared.resumable and not self.streams:
            raise PluginError(
                f"{what} gives one value, so there is nothing to resume: say idempotent=True if it may "
                "be run again"
            )
        for resource, amount in declared.resources.items():
            if not is_count(amount):
                raise PluginError(
                    f"{what} needs {amount!r} of {resource}: it must be a whole number from 1"
                )
        if declared.returns not in typing.get_args(Returns):
            raise PluginError(f"{what} returns {declared.returns!r}: use 'collect' or 'last'")
        item = _item_type(hints.get("return", Any), self.streams)
        self._item = _adapter(item)
        self.parameters = _parameters(method, hints, self.context, plugin, name)
        text = declared.description or inspect.getdoc(method) or ""
        self.description = ActionDescription(
            plugin=plugin,
            name=name,
            version=version,
            streaming=self.streams,
            description=text.strip().partition("\n")[0],
            parameters=self.parameters.schema,
            item=_schema(self._item),
            returns=declared.returns,
            resumable=declared.resumable,
            idempotent=declared.idempotent,
            tags=tuple(dict.fromkeys((*tags, *declared.tags))),
            resources=declared.resources,
        )

    def check(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Every parameter's value, defaults included. Raises `InvalidParameters`."""
        return self.parameters.check(params)

    def wrong_item(self, item: Any) -> str | None:
        """Why an element is not what the signature says; None when it is, or nobody can tell."""
        if self._item is None:
            return None
        try:
            self._item.validate_python(item, strict=True)
        except ValidationError as error:
            return "; ".join(f"{problem['msg']}" for problem in error.errors())
        return None

    def start(self, values: Mapping[str, Any], context: ActionContext) -> Any:
        """What the function gives: a generator, a coroutine, or the value itself."""
        extra = {} if self.context is None else {self.context: context}
        return self.function(**values, **extra)


def declared_actions(owner: Any) -> dict[str, tuple[Callable[..., Any], Declared]]:
    """The methods of a plugin that are marked, bound, in the order they were written.

    A subclass that overrides one without the mark takes it away.
    """
    found: dict[str, tuple[Callable[..., Any], Declared]] = {}
    for attribute in dict.fromkeys(
        name for kind in reversed(type(owner).__mro__) for name in vars(kind)
    ):
        marked = getattr(inspect.getattr_static(type(owner), attribute, None), _MARK, None)
        if isinstance(marked, Declared):
            name = marked.name or attribute
            if name in found:
                raise PluginError(f"{type(owner).__name__} has two actions named {name!r}")
            found[name] = getattr(owner, attribute), marked
    return found


def _hints(method: Callable[..., Any], what: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(method, include_extras=True)
    except NameError as error:
        raise PluginError(
            f"{what} is annotated with {error.name!r}, which cannot be found: import it at the top of the "
            "module, not only for type checking"
        ) from error


def _context_parameter(
    method: Callable[..., Any], hints: Mapping[str, Any], what: str
) -> str | None:
    found = [name for name, hint in hints.items() if hint is ActionContext and name != "return"]
    if len(found) > 1:
        raise PluginError(f"{what} takes its context twice, as {found[0]} and {found[1]}")
    if found and inspect.signature(method).parameters[found[0]].kind is (
        inspect.Parameter.POSITIONAL_ONLY
    ):
        raise PluginError(f"{what} takes {found[0]} by position only: let it be given by name")
    return found[0] if found else None


def _parameters(
    method: Callable[..., Any],
    hints: Mapping[str, Any],
    context: str | None,
    plugin: str,
    name: str,
) -> Parameters:
    """What clients may give, read by the code that reads a graph's parameters."""
    signature = inspect.signature(method)
    kept = [found for key, found in signature.parameters.items() if key != context]
    for found in kept:
        if found.kind is found.POSITIONAL_ONLY:
            raise PluginError(
                f"action {plugin}.{name} takes {found.name} by position only: let it be given by name"
            )

    def shape() -> None: ...

    shape.__name__ = shape.__qualname__ = f"{plugin}.{name}"
    shape.__annotations__ = {key: hint for key, hint in hints.items() if key != context}
    shape.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]  # inspect looks there
    try:
        parameters = Parameters(shape, kind="action", strict=True)
    except GraphError as error:
        raise PluginError(error.message) from error
    if parameters.streams:
        raise PluginError(
            f"action {plugin}.{name} takes {parameters.streams[0]} as a stream: an action is where elements "
            "begin; give an operator instead"
        )
    return parameters


def _item_type(hint: Any, streams: bool) -> Any:
    """The type of one element: what a generator yields, or what is returned."""
    if not streams:
        return hint
    arguments = typing.get_args(hint)
    return arguments[0] if arguments else Any


def _adapter(hint: Any) -> TypeAdapter[Any] | None:
    try:
        return TypeAdapter(hint)
    except Exception:  # any type may be yielded, also one that cannot be checked
        return None


def _schema(adapter: TypeAdapter[Any] | None) -> dict[str, Any]:
    try:
        return {} if adapter is None else adapter.json_schema()
    except Exception:  # it can be checked and has no JSON Schema
        return {}

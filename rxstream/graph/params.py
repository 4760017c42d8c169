"""Parameters of a graph: read from its function's signature, checked before anything is built.

Types are whatever pydantic validates; the JSON Schema it derives is what clients are shown. A parameter
annotated with a Stream makes the graph a template. Must not know what the graph draws.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, Final, NotRequired, Required

import orjson
from pydantic import ConfigDict, SecretStr, TypeAdapter, ValidationError
from reactivex import Observable
from typing_extensions import TypedDict

from rxstream.codec import Encoder
from rxstream.errors import CodecError, GraphError, InvalidParameters

Secret = SecretStr
"""A parameter of this type is shown as asterisks everywhere; `.get_secret_value()` reads it."""

_MANY: Final = 1_000
"""Elements of which even the shortest take more than the 2,000 bytes of JSON that are shown."""

_FIRST: Final = 80
"""Elements that fill what is shown of something longer."""

_CONFIG: Final = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


class Parameters:
    """The parameters one graph takes, or whatever else `kind` says the function is."""

    def __init__(self, function: Callable[..., Any], kind: str = "graph") -> None:
        self._signature = inspect.signature(function)
        hints = _hints(function)
        fields: dict[str, Any] = {}
        self.streams: list[str] = []
        self.required: list[str] = []
        for name, parameter in self._signature.parameters.items():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise GraphError(
                    f"{kind} {function.__name__!r} takes {parameter}: "
                    "name every parameter, so that clients can be told what to give"
                )
            hint = hints.get(name, Any)
            if parameter.default is parameter.empty:
                self.required.append(name)
            if _is_stream(hint):
                self.streams.append(name)
                continue
            needed = parameter.default is parameter.empty
            fields[name] = Required[hint] if needed else NotRequired[hint]
        shape = TypedDict(function.__name__, fields)  # type: ignore[misc]  # the fields are known only now
        shape.__pydantic_config__ = _CONFIG  # type: ignore[attr-defined]  # where pydantic looks for it
        try:
            self._adapter: TypeAdapter[Any] = TypeAdapter(shape)
        except Exception as error:
            raise GraphError(
                f"{kind} {function.__name__!r} has a parameter of a type that cannot be checked: {error}"
            ) from error
        self.schema = self._make_schema()

    def _make_schema(self) -> dict[str, Any]:
        try:
            schema = self._adapter.json_schema()
        except Exception:  # a type that validates but has no JSON Schema, such as a callable
            schema = {"type": "object", "properties": {name: {} for name in self._names()}}
            schema["required"] = [name for name in self.required if name not in self.streams]
        schema.setdefault("properties", {})
        for name in self._names():
            default = self._signature.parameters[name].default
            if default is not inspect.Parameter.empty:
                schema["properties"].setdefault(name, {})["default"] = shown(default)
        return schema

    def _names(self) -> list[str]:
        return [name for name in self._signature.parameters if name not in self.streams]

    def positional(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments of a call by name. Raises `InvalidParameters`."""
        names = list(self._signature.parameters)
        if len(args) > len(names):
            raise InvalidParameters(f"{len(args)} values were given for {len(names)} parameters")
        given = dict(zip(names, args, strict=False))
        twice = sorted(given.keys() & kwargs.keys())
        if twice:
            raise InvalidParameters(f"parameter {twice[0]!r} was given twice")
        return {**given, **kwargs}

    def check(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Every parameter's value, defaults included. Raises `InvalidParameters`."""
        streams = {name: value for name, value in given.items() if name in self.streams}
        plain = {name: value for name, value in given.items() if name not in self.streams}
        for name in self.streams:
            if name in self.required and not isinstance(streams.get(name), Observable):
                found = type(streams[name]).__name__ if name in streams else "missing"
                message = f"{name} is {found}: expected a stream"
                raise InvalidParameters(
                    message, detail=[{"name": name, "message": message, "expected": "a stream"}]
                )
        try:
            values = dict(self._adapter.validate_python(plain))
        except ValidationError as error:
            raise self._explain(error) from None
        for name, parameter in self._signature.parameters.items():
            if name in streams:
                values[name] = streams[name]
            elif name not in values and parameter.default is not parameter.empty:
                values[name] = parameter.default
        return {name: values[name] for name in self._signature.parameters if name in values}

    def _explain(self, error: ValidationError) -> InvalidParameters:
        properties = self.schema["properties"]
        detail = []
        for problem in error.errors(include_url=False, include_context=False, include_input=False):
            name = str(problem["loc"][0]) if problem["loc"] else "parameters"
            place = ".".join(map(str, problem["loc"])) or name
            expected = _expected(properties.get(name, {}))
            if problem["type"] == "missing" and len(problem["loc"]) == 1:
                message = f"{name} is missing: expected {expected}"
            elif problem["type"] == "extra_forbidden" and len(problem["loc"]) == 1:
                known = ", ".join(properties) or "none"
                message, expected = f"{name} is not a parameter: known are {known}", "nothing"
            else:
                message = f"{place}: {_lower(problem['msg'])}"
            detail.append({"name": name, "message": message, "expected": expected})
        return InvalidParameters("; ".join(entry["message"] for entry in detail), detail=detail)


def shown(value: Any) -> Any:
    """A parameter or argument as plain data: secrets hidden, functions by name, the rest shortened."""
    if isinstance(value, SecretStr):
        return "**********"
    if isinstance(value, Observable):
        return getattr(value, "name", None) or type(value).__name__.lower()
    if callable(value):
        name = getattr(value, "__name__", None) or type(value).__name__
        code = getattr(value, "__code__", None)
        return f"lambda:{code.co_firstlineno}" if name == "<lambda>" and code else name
    if type(value) in (list, tuple) and len(value) > _MANY:
        # its JSON is too long and only its beginning is shown, so no more than that is looked at
        return _shorten(repr(value[:_FIRST]))
    try:
        encoded = Encoder().encode(value)
    except CodecError:
        return _shorten(repr(value))
    return orjson.loads(encoded) if len(encoded) <= 2_000 else _shorten(repr(value))


def _shorten(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}…"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _expected(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " or ".join(_expected(option) for option in schema["anyOf"])
    kind = str(schema.get("format") or schema.get("type") or "a value")
    bounds = [
        f"{word} {schema[key]}"
        for key, word in (
            ("minimum", "at least"),
            ("maximum", "at most"),
            ("exclusiveMinimum", "more than"),
            ("exclusiveMaximum", "less than"),
        )
        if key in schema
    ]
    return " ".join([kind, *bounds])


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise GraphError(
            f"graph {function.__name__!r} is annotated with {error.name!r}, which cannot be found: "
            "import it at the top of the module, not only for type checking"
        ) from error


def _is_stream(hint: Any) -> bool:
    origin = typing.get_origin(hint) or hint
    return isinstance(origin, type) and issubclass(origin, Observable)

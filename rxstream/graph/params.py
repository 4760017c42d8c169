"""Parameters of a graph: read from its function's signature, checked before anything is built.

Types are whatever pydantic validates; the JSON Schema it derives is what clients are shown. A parameter
annotated with a Stream makes the graph a template. Must not know what the graph draws.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NotRequired, Required

import orjson
from pydantic import ConfigDict, SecretStr, TypeAdapter, ValidationError
from pydantic_core import to_json
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
    """The parameters one graph takes, or whatever else `kind` says the function is.

    What is `strict` takes no value of another type that could be made one of its own, such as "3" for a
    number or 1 for a truth; a value may be Python's or what JSON has for it.
    """

    def __init__(
        self, function: Callable[..., Any], kind: str = "graph", *, strict: bool = False
    ) -> None:
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
        self._strict = strict
        self._fields = fields
        self._single: dict[str, TypeAdapter[Any]] = {}
        """Of parameters that were looked at by themselves."""
        try:
            self._adapter = _adapter(function.__name__, fields)
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
        problems = self._strict_problems(plain) if self._strict else []
        try:
            values = dict(self._adapter.validate_python(plain))
        except ValidationError as error:
            known = _problems(error)
            wrong = {problem["loc"][:1] for problem in known}
            problems = [*known, *(other for other in problems if other["loc"][:1] not in wrong)]
        if problems:
            raise self._explain(problems) from None
        for name, parameter in self._signature.parameters.items():
            if name in streams:
                values[name] = streams[name]
            elif name not in values and parameter.default is not parameter.empty:
                values[name] = parameter.default
        return {name: values[name] for name in self._signature.parameters if name in values}

    def _strict_problems(self, given: Mapping[str, Any]) -> list[Any]:
        """What is wrong with values that are of the right type neither here nor in JSON."""
        try:
            self._adapter.validate_python(given, strict=True)
        except ValidationError as error:
            suspect = {str(problem["loc"][0]) for problem in _problems(error)}
            return [
                problem
                for name in self._fields
                if name in suspect and name in given
                for problem in self._strict_problems_of(name, given[name])
            ]
        return []

    def _strict_problems_of(self, name: str, value: Any) -> list[Any]:
        if name not in self._single:
            self._single[name] = _adapter(name, {name: self._fields[name]})
        try:
            if isinstance(value, bytes):  # as JSON it would be a text
                raise TypeError
            encoded = to_json({name: value}, inf_nan_mode="constants")
        except Exception:  # it has no JSON form, so it can only be right as it is
            encoded = None
        try:
            if encoded is None:
                self._single[name].validate_python({name: value}, strict=True)
            else:
                self._single[name].validate_json(encoded, strict=True)
        except ValidationError as error:
            return _problems(error)
        return []

    def _explain(self, problems: Sequence[Any]) -> InvalidParameters:
        properties = self.schema["properties"]
        detail = []
        for problem in problems:
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


def _problems(error: ValidationError) -> list[Any]:
    return list(error.errors(include_url=False, include_context=False, include_input=False))


def _adapter(name: str, fields: dict[str, Any]) -> TypeAdapter[Any]:
    shape = TypedDict(name, fields)  # type: ignore[misc]  # the fields are known only now
    shape.__pydantic_config__ = _CONFIG  # type: ignore[attr-defined]  # where pydantic looks for it
    return TypeAdapter(shape)


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

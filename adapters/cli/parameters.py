"""Reads `-p name=value`: the text becomes JSON where the parameter's schema takes what the JSON says.

So `-p window=2.5` is a number and `-p names='["a"]'` a list, but a parameter that is text stays text even
when it looks like a number. `-p data.file=x` is the value `file` of the parameter `data`. Whether the value
is right is decided by the graph, not here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import click
import orjson

from rxstream.adapters.cli.failure import USAGE, Failure

if TYPE_CHECKING:
    from rxstream.graph import BoundGraph, Graph

_DEPTH: Final = 16

option = click.option(
    "-p",
    "--param",
    "pairs",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter of the graph; data.file=x is a value inside one.",
)


def bind(found: Graph[..., Any] | BoundGraph, pairs: Iterable[str]) -> BoundGraph:
    """The graph with its parameters given; what a bound graph had stays unless given anew.

    Raises `Failure`.
    """
    from rxstream.errors import InvalidParameters
    from rxstream.graph import BoundGraph

    graph = found.graph if isinstance(found, BoundGraph) else found
    given = parse(pairs, graph.parameters)
    if isinstance(found, BoundGraph):
        if not given:
            return found
        given = {**found.params, **given}
    try:
        return graph.bind(**given)
    except InvalidParameters as error:
        missing = [name for name in graph.parameters.get("required", ()) if name not in given]
        hint = f" (give it with -p {missing[0]}=VALUE)" if missing else ""
        raise Failure(f"graph {graph.name!r}: {error.message}{hint}", USAGE) from error


def parse(pairs: Iterable[str], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Values by name. Raises `Failure` for a pair that is none."""
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        name = name.strip()
        if not equals or not all(name.split(".")):
            given = f"{name}=…" if equals else pair  # the value may be a secret
            raise Failure(f"-p {given}: write a parameter as -p name=value", USAGE)
        *outer, key = name.split(".")
        inside: Any = values
        for part in outer:
            inside = inside.setdefault(part, {}) if isinstance(inside, dict) else None
        if not isinstance(inside, dict) or key in inside:
            raise Failure(f"-p {name}=…: parameter {name!r} is given twice: leave one out", USAGE)
        inside[key] = read(text, schema.get("properties", {}).get(name), schema)
    return values


def read(text: str, wanted: Mapping[str, Any] | None, root: Mapping[str, Any]) -> Any:
    """One value, given the schema of its parameter (None when it has none)."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    types = types_of(wanted or {}, root)
    if "string" in types and not types & _json_types(value):
        return text
    # JSON text for a parameter that takes text: -p name='"x"' keeps its quotes
    return text if isinstance(value, str) and "string" in types else value


def _json_types(value: Any) -> set[str]:
    if value is None:
        return {"null"}
    if isinstance(value, bool):
        return {"boolean"}
    if isinstance(value, int):
        return {"integer", "number"}
    if isinstance(value, float):
        return {"number"}
    if isinstance(value, list):
        return {"array"}
    return {"object"} if isinstance(value, dict) else set()


def types_of(schema: Mapping[str, Any], root: Mapping[str, Any] | None = None) -> set[str]:
    """JSON types a schema takes; none when it does not say."""
    return _types(schema, schema if root is None else root, 0)


def _types(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> set[str]:
    if depth > _DEPTH:
        return set()
    found: set[str] = set()
    if "$ref" in schema:
        found |= _types(resolve(schema["$ref"], root), root, depth + 1)
    named = schema.get("type", ())
    found |= {named} if isinstance(named, str) else set(named)
    for keyword in ("anyOf", "oneOf", "allOf"):
        for part in schema.get(keyword, ()):
            found |= _types(part, root, depth + 1)
    for value in [*schema.get("enum", ()), *([schema["const"]] if "const" in schema else [])]:
        found |= {"string"} if isinstance(value, str) else _json_types(value)
    return found


def resolve(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """A `#/$defs/Name` inside the same schema; nothing when it is not there."""
    found: Any = root
    for part in reference.removeprefix("#/").split("/"):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}

"""What a person types becomes the answer a question's JSON Schema asks for, and the schema becomes words.

Yes or no, one of several, text and numbers are typed as they are, anything else as JSON. Whether the answer
fits in every detail is decided by whoever asked. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

import orjson

from rxstream.adapters.cli.parameters import resolve, types_of

_DEPTH: Final = 16
_YES: Final = frozenset({"yes", "y", "true"})
_NO: Final = frozenset({"no", "n", "false"})

_WORDS: Final = {
    "boolean": "yes or no",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "null": "nothing",
    "array": "a list as JSON",
    "object": "an object as JSON",
}


class NotAnAnswer(ValueError):
    """What was typed cannot be the answer; says what can."""


@dataclass(frozen=True)
class Asked:
    """A question as an `input_requested` event and the web API tell it."""

    request_id: str
    message: str
    schema: Mapping[str, Any]
    expires_at: datetime | None = None

    @classmethod
    def told(cls, data: Mapping[str, Any]) -> Self:
        """From plain data; a time is ISO 8601 text."""
        expires = data.get("expires_at")
        at = datetime.fromisoformat(expires) if isinstance(expires, str) else expires
        return cls(str(data["request_id"]), str(data["message"]), data.get("schema") or {}, at)

    @property
    def node(self) -> str:
        """Who asks."""
        return self.request_id.rpartition("-")[0] or self.request_id

    def left(self) -> float | None:
        """Seconds until it expires."""
        if self.expires_at is None:
            return None
        return (self.expires_at - datetime.now(UTC)).total_seconds()


def choices(schema: Mapping[str, Any]) -> list[Any]:
    """The values it can be, where they are listed."""
    found: list[Any] = []
    for leaf in _leaves(schema, schema, 0):
        values = leaf.get("enum", [leaf["const"]] if "const" in leaf else None)
        if leaf.get("type") == "null":
            values = [None]
        if values is None:
            return []
        found += values
    return found


def wanted(schema: Mapping[str, Any]) -> str:
    """What is to be typed, in a few words."""
    listed = choices(schema)
    if listed:
        *first, last = map(_typed, listed)
        return f"{', '.join(first)} or {last}" if first else last
    leaves = list(_leaves(schema, schema, 0))
    words = dict.fromkeys(_word(leaf, schema) for leaf in leaves)
    return " or ".join(words) or "JSON"


def read(text: str, schema: Mapping[str, Any]) -> Any:
    """The answer somebody typed. Raises `NotAnAnswer`."""
    types, listed, typed = types_of(schema), choices(schema), text.strip()
    if listed:
        return _chosen(typed, listed)
    if types == {"string"}:
        return text
    if not typed and "null" in types:
        return None
    if "boolean" in types and typed.lower() in _YES | _NO:
        return typed.lower() in _YES
    try:
        return orjson.loads(typed)
    except orjson.JSONDecodeError:
        if "string" in types:
            return text
        raise NotAnAnswer(f"{wanted(schema)} is wanted") from None


def _chosen(typed: str, listed: list[Any]) -> Any:
    for value in listed:
        if typed == _typed(value):
            return value
    if typed.isdecimal() and 1 <= int(typed) <= len(listed):
        return listed[int(typed) - 1]
    close = [value for value in listed if typed and _typed(value).lower() == typed.lower()]
    if len(close) == 1:
        return close[0]
    raise NotAnAnswer(f"it is one of {', '.join(map(_typed, listed))}, or its number")


def _typed(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _word(leaf: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    types = types_of(leaf, root)
    if types == {"object"} and leaf.get("properties"):
        fields = (f"{name} ({wanted_of(each, root)})" for name, each in leaf["properties"].items())
        return f"an object as JSON with {', '.join(fields)}"
    word = " or ".join(_WORDS[name] for name in _WORDS if name in types) or "JSON"
    least, most = leaf.get("minimum"), leaf.get("maximum")
    if least is not None or most is not None:
        word += f" from {least}" if least is not None else ""
        word += f" to {most}" if most is not None else ""
    return word


def wanted_of(schema: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    """As `wanted`, of a part of a schema."""
    return wanted({**schema, "$defs": root.get("$defs", {})})


def _leaves(
    schema: Mapping[str, Any], root: Mapping[str, Any], depth: int
) -> Iterator[Mapping[str, Any]]:
    """The schemas it may be, each without alternatives of its own."""
    if depth > _DEPTH:
        return
    if "$ref" in schema:
        yield from _leaves(resolve(schema["$ref"], root), root, depth + 1)
        return
    parts = [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]
    if not parts:
        yield schema
    for part in parts:
        yield from _leaves(part, root, depth + 1)

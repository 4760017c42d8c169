"""What actions can be asked for by: a parameter and its type, the type of an element."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rxstream.plugins.declaring import ActionDescription


def takes(action: ActionDescription, parameter: str) -> bool:
    """Whether it has a parameter of that name, or of that `name:type`."""
    name, _, kind = parameter.partition(":")
    found = action.parameters.get("properties", {}).get(name)
    return found is not None and (not kind or kind in _types(found))


def gives(action: ActionDescription, item: str) -> bool:
    """Whether an element may be of that type of JSON Schema, or of the model with that title."""
    return item in _types(action.item)


def _types(schema: Mapping[str, Any]) -> set[str]:
    """The types a schema names: its own, its title, and those of each alternative."""
    kinds = schema.get("type", ())
    found = {kinds} if isinstance(kinds, str) else set(kinds)
    if "title" in schema:
        found.add(str(schema["title"]))
    for option in schema.get("anyOf", ()):
        found |= _types(option)
    return found

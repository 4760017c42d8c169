"""Holds what tests record against the documented shapes: no event says other things than its page."""

from __future__ import annotations

import typing
from functools import cache
from typing import Any

import orjson
from pydantic import TypeAdapter

from rxstream.event_data import EVENT_DATA
from rxstream.events import Draft, EventType, draft


def checked(event_type: str, step_id: str | None, data: bytes, **given: Any) -> Draft:
    """A draft like any other, whose data has the shape of its type."""
    hold(event_type, orjson.loads(data))
    return draft(event_type, step_id, data, **given)


def hold(event_type: str, data: Any) -> None:
    """Raise AssertionError where data has not the documented shape."""
    keys, adapter = _shape(EventType(event_type))
    if adapter is None:
        return
    unknown = set(data) - keys
    assert not unknown, f"{event_type} says {sorted(unknown)}, which rxstream.event_data does not"
    adapter.validate_python(data)


@cache
def _shape(event_type: EventType) -> tuple[frozenset[str], TypeAdapter[Any] | None]:
    shape = EVENT_DATA[event_type]
    if shape is Any:
        return frozenset(), None
    return frozenset(typing.get_type_hints(shape)), TypeAdapter(shape)

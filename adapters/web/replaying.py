"""What a query says of a replay: `replay=1`, and how fast and which part of it.

    replay      1: mark and pace what is recorded; without it the other four are refused
    speed       1 the original pace, 2 twice as fast; without it nothing is waited for
    max_pause   seconds to which longer silences are shortened
    event_type  only events of this type; may be given again
    step_id     only events of this node; may be given again

The terminal event and a gap are always told. Must not know the transports.
"""

from __future__ import annotations

import math
from typing import Final

from aiohttp import web

from rxstream.errors import BadRequest
from rxstream.events import EventType
from rxstream.log import EventLog
from rxstream.replay import Replay

_OPTIONS: Final = ("speed", "max_pause", "event_type", "step_id")

_MOST: Final = 256
"""Types or nodes a query may name."""


def asked(request: web.Request, log: EventLog, after: str | None) -> Replay | None:
    """The replay a request's query asks for, if it asks for one. Raises `BadRequest`."""
    query = request.query
    wanted = query.get("replay", "0")
    if wanted not in ("0", "1"):
        raise BadRequest(f"replay is {wanted[:40]!r}: it must be 1, or 0 for none")
    if wanted == "0":
        for name in _OPTIONS:
            if name in query:
                raise BadRequest(f"{name} is for a replay: add replay=1")
        return None
    types = _names(request, "event_type")
    known = {str(kind) for kind in EventType}
    strange = sorted(set(types or ()) - known)
    if strange:
        raise BadRequest(f"event_type is {strange[0][:40]!r}, which is no event type")
    return Replay(
        log,
        request.match_info["id"],
        speed=_number(request, "speed"),
        after=after,
        types=types,
        steps=_names(request, "step_id"),
        max_pause_s=_number(request, "max_pause"),
    )


def _names(request: web.Request, name: str) -> list[str] | None:
    names = request.query.getall(name, [])
    if len(names) > _MOST:
        raise BadRequest(f"{name} is given {len(names)} times: at most {_MOST} are possible")
    return names or None


def _number(request: web.Request, name: str) -> float | None:
    text = request.query.get(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise BadRequest(f"{name} is {text[:40]!r}: it must be a number")
    return value

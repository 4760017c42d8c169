"""Reads what a client says, in a body or a query, and refuses what is not as it must be.

Every refusal names the field and says what was expected. Nothing here knows what the values mean.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Mapping
from typing import Any, Final

import orjson
from aiohttp import web

from rxstream.adapters.web.errors import RequestTimeout
from rxstream.adapters.web.settings import Settings
from rxstream.codec import MAX_DEPTH, depth_within
from rxstream.errors import BadRequest, InvalidJson, TooLarge

_KINDS: Final[Mapping[str, type]] = {
    "a string": str,
    "an object": dict,
    "an integer": int,
    "true or false": bool,
}


async def read_object(
    request: web.Request, settings: Settings, allowed: Collection[str], *, optional: bool = False
) -> dict[str, Any]:
    """The JSON object in a body, with no field but the allowed ones; `optional`: it may be empty."""
    data = await _read(request, settings)
    if optional and not data:
        return {}
    return parse_object(data, allowed)


async def _read(request: web.Request, settings: Settings) -> bytes:
    limit = settings.max_body_bytes
    too_large = TooLarge(f"the body is larger than {limit} bytes")
    if (request.content_length or 0) > limit:
        raise too_large
    data = bytearray()
    try:
        async with asyncio.timeout(settings.read_timeout):
            async for chunk in request.content.iter_any():
                data += chunk
                if len(data) > limit:
                    raise too_large
    except TimeoutError:
        raise RequestTimeout(
            f"the body did not arrive within {settings.read_timeout:g} seconds"
        ) from None
    except web.RequestPayloadError:
        raise BadRequest("the body does not arrive as its headers say") from None
    return bytes(data)


def parse_object(data: bytes | str, allowed: Collection[str]) -> dict[str, Any]:
    """A JSON object nested at most 64 deep, with no field but the allowed ones."""
    value = parse_json(data, "the body")
    if not isinstance(value, dict):
        raise BadRequest(f"the body is {_kind(value)}: it must be an object")
    unknown = sorted(value.keys() - set(allowed))
    if unknown:
        known = ", ".join(sorted(allowed)) or "none"
        raise BadRequest(f"the field {unknown[0][:80]!r} is not known: known are {known}")
    return value


def parse_json(data: bytes | str, what: str) -> Any:
    """JSON nested at most 64 deep. Raises `InvalidJson`."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidJson(f"{what} is not JSON: {str(error)[:200]}") from None
    if not depth_within(value):
        raise InvalidJson(f"{what} is nested deeper than {MAX_DEPTH}")
    return value


def field(body: Mapping[str, Any], name: str, expected: str, default: Any = None) -> Any:
    """One field of a body, or the default where it is missing or null. Raises `BadRequest`."""
    value = body.get(name)
    if value is None:
        return default
    if expected == "a list of strings":
        good = isinstance(value, list) and all(isinstance(item, str) for item in value)
    else:
        # to Python true and false are integers
        good = isinstance(value, _KINDS[expected]) and (
            expected == "true or false" or not isinstance(value, bool)
        )
    if not good:
        raise BadRequest(f"{name} is {_kind(value)}: it must be {expected}")
    return value


def required(body: Mapping[str, Any], name: str, expected: str) -> Any:
    """A field that must be there. Raises `BadRequest`."""
    value = field(body, name, expected)
    if value is None:
        raise BadRequest(f"{name} is missing: it must be {expected}")
    return value


def query_integer(query: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """A whole number in a query. Raises `BadRequest`."""
    text = query.get(name)
    if text is None:
        return default
    good = text.isascii() and text.isdecimal() and len(text) <= 18 and low <= int(text) <= high
    if not good:
        raise BadRequest(f"{name} is {text[:40]!r}: it must be a whole number from {low} to {high}")
    return int(text)


def query_seconds(query: Mapping[str, str], name: str, high: float) -> float:
    """A time in a query, 0 when it is not given. Raises `BadRequest`."""
    text = query.get(name)
    if text is None:
        return 0.0
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= high:  # false for nan as well
        raise BadRequest(f"{name} is {text[:40]!r}: it must be seconds from 0 to {high:g}")
    return value


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "a list" if isinstance(value, list) else "an object"

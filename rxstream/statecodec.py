"""State as bytes, over a closed set of types that come back as they were.

`codec` makes JSON for readers, where a tuple becomes a list; what an operator goes on from must come back
equal and of the same type. It may hold None, bool, int (of any size), float (NaN and infinities too), str
(lone surrogates too), bytes, list, tuple, dict (any keys, in their order), set, frozenset, datetime, date,
time, timedelta, Decimal, UUID and `rxstream.Binary`, nested. Subclasses of these do not count as them. A type
of the user's is registered under a tag, with a function to each side; no class is ever looked up by name.

The bytes are a version, a colon and JSON in which plain values stand for themselves, a dict of strings is an
object, and everything else is an array whose first element is a tag. What is shared comes back as copies.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from math import isfinite
from typing import Any, Final, TypeVar
from uuid import UUID, SafeUUID
from zoneinfo import ZoneInfo

import orjson
from pydantic_core import TzInfo

from rxstream.codec import Binary
from rxstream.errors import AuthorError, WorldError

T = TypeVar("T")

VERSION: Final = b"1:"
"""What the bytes begin with; another format would have another."""

MAX_DEPTH: Final = 200
"""Containers inside each other; JSON cannot be written much deeper."""

_LEAST: Final = -(2**63)
_MOST: Final = 2**64 - 1
_TAG: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")


class NotStorable(AuthorError):
    """A value holds something that would not come back as it was; the message names its type."""

    code = "not_storable"


@dataclass(frozen=True)
class _Registered:
    """A type of the user's."""

    tag: str
    kind: type[Any]
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


class StateCodec:
    """Values to bytes and back; each codec has its own registered types."""

    def __init__(self) -> None:
        self._by_type: dict[type[Any], _Registered] = {}
        self._by_tag: dict[str, _Registered] = {}

    def register(
        self, tag: str, kind: type[T], encode: Callable[[T], Any], decode: Callable[[Any], T]
    ) -> None:
        """Store values of exactly this type under a tag, as whatever `encode` makes of them.

            register("colour", Colour, lambda colour: colour.value, Colour)

        The tag is what the bytes say, so it must stay the same for as long as they are kept. Raises
        `AuthorError` when the tag or the type is taken; a class that was defined anew may take its own place.
        """
        if not _TAG.match(tag):
            raise AuthorError(f"{tag[:80]!r} is no tag: use 1 to 64 letters, digits, _ . or -")
        if kind in _ENCODERS or kind in _PLAIN:
            raise AuthorError(f"{kind.__name__} comes back as it is, without being registered")
        for known in (self._by_tag.get(tag), self._by_type.get(kind)):
            if known is not None and (known.tag, _name(known.kind)) != (tag, _name(kind)):
                raise AuthorError(
                    f"{_name(kind)} cannot be registered as {tag!r}: "
                    f"{_name(known.kind)} is registered as {known.tag!r}"
                )
        before = self._by_tag.get(tag)
        if before is not None:
            self._by_type.pop(before.kind, None)
        made = _Registered(tag, kind, encode, decode)
        self._by_tag[tag] = self._by_type[kind] = made

    def encode(self, value: Any) -> bytes:
        """The value as bytes. Raises `NotStorable` naming the type that would not come back."""
        return VERSION + orjson.dumps(self._tree(value, 0))

    def decode(self, data: bytes) -> Any:
        """The value again. Raises `WorldError` for bytes that `encode` did not make, `AuthorError` for a
        tag that nobody has registered.
        """
        if not data.startswith(VERSION):
            raise WorldError(
                f"stored state begins with {bytes(data[:8])!r}, which this version of rxstream cannot read",
                code="bad_state",
            )
        try:
            return self._value(orjson.loads(memoryview(data)[len(VERSION) :]))
        except AuthorError:
            raise
        except Exception as error:
            raise WorldError(
                f"stored state is damaged: {type(error).__name__} {error}"[:500], code="bad_state"
            ) from error

    # -- to JSON -------------------------------------------------------------------------------

    def _tree(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            return value if value.isascii() else _text(value)
        if kind is int:
            return value if _LEAST <= value <= _MOST else ["i", f"{value:x}"]
        if kind is float:
            return value if isfinite(value) else ["f", repr(value)]
        if value is None or kind is bool:
            return value
        if depth > MAX_DEPTH:
            raise NotStorable(
                f"a value is nested deeper than {MAX_DEPTH}, or holds itself: flatten it"
            )
        deeper = depth + 1
        tree = self._tree
        if kind is dict:
            if all(type(key) is str and (key.isascii() or _is_text(key)) for key in value):
                return {key: tree(item, deeper) for key, item in value.items()}
            pairs = ["d"]
            for pair in value.items():
                pairs += [tree(part, deeper) for part in pair]
            return pairs
        tag = _CONTAINERS.get(kind)
        if tag is not None:
            return [tag, *[tree(item, deeper) for item in value]]
        encode = _ENCODERS.get(kind)
        if encode is not None:
            return encode(value)
        return self._registered(value, deeper)

    def _registered(self, value: Any, depth: int) -> Any:
        registered = self._by_type.get(type(value))
        if registered is None:
            raise NotStorable(
                f"a value of type {_name(type(value))} would not come back as it was: make plain data of it "
                "first, or rxstream.statecodec.register(tag, type, encode, decode)"
            )
        try:
            simple = registered.encode(value)
        except Exception as error:
            raise NotStorable(
                f"what encodes {registered.tag!r} raised {type(error).__name__}: {error}"[:500]
            ) from error
        return ["x", registered.tag, self._tree(simple, depth)]

    # -- and back ------------------------------------------------------------------------------

    def _value(self, tree: Any) -> Any:
        kind = type(tree)
        if kind is dict:
            return {key: self._value(item) for key, item in tree.items()}
        if kind is not list:
            return tree
        tag = tree[0]
        make = _MADE_OF_ITEMS.get(tag)
        if make is not None:
            return make(map(self._value, tree[1:]))
        if tag == "d":
            each = map(self._value, tree[1:])
            return dict(zip(each, each, strict=True))
        if tag == "x":
            _, name, simple = tree
            registered = self._by_tag.get(name)
            if registered is None:
                raise AuthorError(
                    f"stored state has a value of {name!r}, which is not registered here: "
                    "register its type before it is read"
                )
            value = self._value(simple)
            try:
                return registered.decode(value)
            except Exception as error:
                raise AuthorError(
                    f"what decodes {name!r} raised {type(error).__name__}: {error}"[:500]
                ) from error
        return _DECODERS[tag](*tree[1:])


def _name(kind: type[Any]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _text(value: str) -> Any:
    if _is_text(value):
        return value
    return ["s", b64encode(value.encode("utf-8", "surrogatepass")).decode()]


# -- the closed set ----------------------------------------------------------------------------

_PLAIN: Final = frozenset({str, int, float, bool, type(None), dict, list, tuple, set, frozenset})

_CONTAINERS: Final[dict[type[Any], str]] = {list: "l", tuple: "t", set: "S", frozenset: "F"}
_MADE_OF_ITEMS: Final[dict[str, Callable[[Any], Any]]] = {
    "l": list,
    "t": tuple,
    "S": set,
    "F": frozenset,
}


def _zone(zone: tzinfo | None) -> Any:
    """A time zone as JSON: seconds from UTC, with a name if it has one, or a key of the zone database."""
    kind = type(zone)
    if zone is None:
        return None
    if kind is timezone:
        offset, *name = zone.__getinitargs__()  # type: ignore[attr-defined]  # what pickle and copy read
        return ["o", _span(offset), *map(_text, name)]
    if kind is ZoneInfo and zone.key is not None:  # type: ignore[attr-defined]  # seen by its type
        return ["z", zone.key]  # type: ignore[attr-defined]  # the same
    if kind is TzInfo:  # what pydantic gives
        offset = zone.utcoffset(None)
        assert offset is not None
        return ["p", round(offset.total_seconds())]
    raise NotStorable(
        f"a time zone of type {_name(kind)} would not come back as it was: use datetime.timezone or "
        "zoneinfo.ZoneInfo(key)"
    )


def _zone_of(tree: Any) -> tzinfo | None:
    if tree is None:
        return None
    kind, first, *name = tree
    if kind == "z":
        return ZoneInfo(first)
    if kind == "p":
        return TzInfo(first)
    return timezone(timedelta(*first), *map(_text_of, name))


def _text_of(tree: Any) -> str:
    return tree if isinstance(tree, str) else _surrogates(tree[1])


def _surrogates(data: str) -> str:
    return b64decode(data, validate=True).decode("utf-8", "surrogatepass")


def _span(value: timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


def _moment(value: Any) -> list[Any]:
    """A datetime or time without its zone, then `fold` and the zone."""
    tag = "D" if type(value) is datetime else "T"
    return [tag, value.replace(tzinfo=None).isoformat(), value.fold, _zone(value.tzinfo)]


def _uuid_of(digits: str, safe: int | None) -> UUID:
    return UUID(hex=digits, is_safe=SafeUUID(safe))


_ENCODERS: Final[dict[type[Any], Callable[[Any], Any]]] = {
    bytes: lambda value: ["b", b64encode(value).decode()],
    datetime: _moment,
    time: _moment,
    date: lambda value: ["a", value.isoformat()],
    timedelta: lambda value: ["e", *_span(value)],
    Decimal: lambda value: ["n", str(value)],
    UUID: lambda value: ["u", value.hex, value.is_safe.value],
    Binary: lambda value: ["B", b64encode(value.data).decode(), value.media_type],
}

_DECODERS: Final[dict[str, Callable[..., Any]]] = {
    "i": lambda digits: int(digits, 16),
    "f": float,
    "s": _surrogates,
    "b": lambda data: b64decode(data, validate=True),
    "D": lambda text, fold, zone: datetime.fromisoformat(text).replace(
        fold=fold, tzinfo=_zone_of(zone)
    ),
    "T": lambda text, fold, zone: time.fromisoformat(text).replace(
        fold=fold, tzinfo=_zone_of(zone)
    ),
    "a": date.fromisoformat,
    "e": timedelta,
    "n": Decimal,
    "u": _uuid_of,
    "B": lambda data, media_type: Binary(b64decode(data, validate=True), media_type),
}

STATE: Final = StateCodec()
"""The codec that the engine uses."""

register = STATE.register
encode = STATE.encode
decode = STATE.decode

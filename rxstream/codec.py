"""How an element becomes JSON: quickly when orjson knows it, exactly when it does not.

What has a JSON form: what orjson encodes (dataclasses, enums, datetimes, UUIDs, numpy), pydantic models,
named tuples, paths, decimals (as strings), sets (as sorted lists), NaN and infinities (null), integers
beyond 64 bits (as strings) and `Binary`, whose bytes are fetched apart. Anything else is a `CodecError`
that names the type and the path to it. What comes back is plain data.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from typing import Any, Final

import orjson
from pydantic import BaseModel, SecretStr

from rxstream.errors import CodecError

MAX_DEPTH: Final = 64
"""Nesting an element or a request body may have."""

MAX_BINARY_BYTES: Final = 32 * 1024 * 1024
"""A `Binary` is at most 32 MiB."""

_OPTIONS: Final = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z
_INT_RANGE: Final = range(-(2**63), 2**64)


@dataclass(frozen=True)
class Binary:
    """Bytes with a media type: recorded beside the event, which says only where to fetch them."""

    data: bytes
    media_type: str = "application/octet-stream"
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        if len(self.data) > MAX_BINARY_BYTES:
            raise CodecError(
                f"a Binary of {len(self.data)} bytes is over the limit of {MAX_BINARY_BYTES}: "
                "split it, or store it elsewhere and emit its address"
            )
        object.__setattr__(self, "sha256", hashlib.sha256(self.data).hexdigest())

    def describe(self, href: str) -> dict[str, Any]:
        """The element that stands for it in an event."""
        return {
            "type": "binary",
            "media_type": self.media_type,
            "size": len(self.data),
            "sha256": self.sha256,
            "href": href,
        }


class Encoder:
    """Encodes the elements of one execution and collects the `Binary` values it meets."""

    def __init__(self, href: Callable[[str], str] = "blobs/{}".format) -> None:
        self._href = href
        self._blobs: dict[str, Binary] = {}

    def encode(self, value: Any) -> bytes:
        """JSON of one element. Raises `CodecError`."""
        try:
            return orjson.dumps(value, self._default, _OPTIONS)
        except TypeError:
            # the slow way finds the place, or encodes what orjson cannot
            return orjson.dumps(self._plain(value, "$", 0), None, _OPTIONS)

    def take_blobs(self) -> dict[str, Binary]:
        """What was met since the last call, by SHA-256."""
        taken, self._blobs = self._blobs, {}
        return taken

    def _default(self, value: Any) -> Any:
        if isinstance(value, Binary):
            self._blobs[value.sha256] = value
            return value.describe(self._href(value.sha256))
        return simple_form(value)

    def _plain(self, value: Any, path: str, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise CodecError(f"{path[:200]} is nested deeper than {MAX_DEPTH}: flatten the element")
        if isinstance(value, bool | str | float | None):
            return value
        if isinstance(value, int):
            return int(value) if value in _INT_RANGE else str(value)
        if isinstance(value, Mapping):
            return {
                _key(key, path): self._plain(item, f"{path}.{key}", depth + 1)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self._plain(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(value)]
        if dataclasses.is_dataclass(value) and not isinstance(value, type | Binary):
            return {
                f.name: self._plain(getattr(value, f.name), f"{path}.{f.name}", depth + 1)
                for f in dataclasses.fields(value)
            }
        try:
            simple = self._default(value)
        except TypeError:
            return _checked(value, path)
        return self._plain(simple, path, depth + 1)


def simple_form(value: Any) -> Any:
    """A simpler value that stands for one orjson does not know. Raises TypeError."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="python")
    if isinstance(value, set | frozenset):
        return sorted(value, key=lambda item: (type(item).__name__, repr(item)))
    if isinstance(value, Decimal | Fraction | PurePath):
        return str(value)
    if isinstance(value, SecretStr):
        return "**********"
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Enum):
        return value.value
    raise TypeError(type(value).__name__)


def _key(key: Any, path: str) -> str:
    if isinstance(key, Enum):
        key = key.value
    if isinstance(key, str):
        return str(key)
    if key is None or isinstance(key, bool | float):
        return orjson.dumps(key).decode()
    if isinstance(key, int | PurePath | Decimal):
        return str(key)
    raise CodecError(
        f"a key of {path[:200]} is {_article(key)}: JSON has only string keys, so convert it first"
    )


def _checked(value: Any, path: str) -> Any:
    try:
        orjson.dumps(value, None, _OPTIONS)
    except TypeError:
        hint = "wrap it in rxstream.Binary" if isinstance(value, bytes | bytearray) else "map it to plain data"
        raise CodecError(f"{path[:200]} is {_article(value)}, which has no JSON form: {hint}") from None
    return value


def _article(value: Any) -> str:
    name = type(value).__qualname__
    return f"an {name}" if name[:1].lower() in "aeiou" else f"a {name}"


def depth_within(value: Any, limit: int = MAX_DEPTH) -> bool:
    """Whether plain data is nested at most `limit` deep; does not recurse."""
    level = [value]
    for _ in range(limit + 1):
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return True
    return False

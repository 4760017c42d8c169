"""How an element becomes JSON: quickly when orjson knows it, exactly when it does not.

What has a JSON form: plain data, dataclasses, pydantic models, enums (their value), datetimes, dates,
times, UUIDs, paths, decimals and fractions (as strings), sets (as sorted lists), named tuples (as lists),
numpy scalars and arrays, NaN and infinities (null), integers beyond 64 bits (as strings), pydantic's secrets
(as asterisks) and `Binary`, whose bytes are fetched apart. Anything else is a `CodecError` that names the
type and the path to it. What comes back is plain data. Must not know events.
"""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from typing import Any, Final, NoReturn
from uuid import UUID

import orjson
from pydantic import BaseModel, GetCoreSchemaHandler, Secret, SecretBytes, SecretStr
from pydantic_core import CoreSchema, core_schema

from rxstream.errors import CodecError

MAX_DEPTH: Final = 64
"""Nesting a request body may have."""

MAX_BINARY_BYTES: Final = 32 * 1024 * 1024
"""A `Binary` is at most 32 MiB."""

_OPTIONS: Final = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z

_ELEMENT_DEPTH: Final = 250
"""Nesting an element may have: what orjson takes, less what the simpler forms may add."""

_Path = tuple[Any, "str | int"] | None
"""Where a value is: the path of what holds it and the step from there; made into text only for an error."""


class Binary:
    """Bytes with a media type: recorded beside the event, which says only where to fetch them.

    A value like a frozen dataclass, but none: orjson and pydantic take dataclasses apart.
    """

    __slots__ = ("_data", "_media_type", "_sha256")

    def __init__(self, data: bytes, media_type: str = "application/octet-stream") -> None:
        if len(data) > MAX_BINARY_BYTES:
            raise CodecError(
                f"a Binary of {len(data)} bytes is over the limit of {MAX_BINARY_BYTES}: "
                "split it, or store it elsewhere and emit its address"
            )
        # a bytearray could be changed after its digest was taken
        self._data = bytes(data)
        self._media_type = media_type
        self._sha256 = hashlib.sha256(self._data).hexdigest()

    @property
    def data(self) -> bytes:
        """The bytes."""
        return self._data

    @property
    def media_type(self) -> str:
        """What they are, as in HTTP."""
        return self._media_type

    @property
    def sha256(self) -> str:
        """Their digest, in hexadecimal."""
        return self._sha256

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Binary)
            and self._sha256 == other._sha256
            and self._media_type == other._media_type
        )

    def __hash__(self) -> int:
        return hash((self._sha256, self._media_type))

    def __repr__(self) -> str:
        return f"<Binary {self._media_type} of {len(self._data)} bytes>"

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.is_instance_schema(cls)

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
        self._met: dict[str, Binary] = {}
        """Of the element under way, which may yet be refused."""

    def encode(self, value: Any) -> bytes:
        """JSON of one element. Raises `CodecError`."""
        try:
            try:
                encoded = orjson.dumps(value, self._default, _OPTIONS)
            except TypeError:
                self._met.clear()
                encoded = self._encode_exactly(value)
            self._blobs.update(self._met)
            return encoded
        finally:
            self._met.clear()

    def _encode_exactly(self, value: Any) -> bytes:
        """Encode what orjson cannot, or find the place that has no form."""
        try:
            return orjson.dumps(self._plain(value, None, 0), None, _OPTIONS)
        except CodecError:
            raise
        except RecursionError:
            raise CodecError(
                f"{_article(value)} is nested too deep, or holds itself: flatten it"
            ) from None
        except Exception as error:  # a property, an iterator or a serializer of the user's
            raise CodecError(f"{_article(value)} could not be made JSON: {error}") from error

    def take_blobs(self) -> dict[str, Binary]:
        """What was met since the last call, by SHA-256."""
        taken, self._blobs = self._blobs, {}
        return taken

    def _default(self, value: Any) -> Any:
        if isinstance(value, Binary):
            self._met[value.sha256] = value
            return value.describe(self._href(value.sha256))
        return simple_form(value)

    def _plain(self, value: Any, path: _Path, depth: int) -> Any:
        if depth > _ELEMENT_DEPTH:
            raise CodecError(
                f"{_text(path)[:200]} is nested deeper than {_ELEMENT_DEPTH}, or holds itself: "
                "flatten the element"
            )
        deeper = depth + 1
        if isinstance(value, Enum):  # first, because an enum may be a str or an int as well
            return self._plain(value.value, path, deeper)
        if isinstance(value, str):
            return _unicode(value, path)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            # not `in range(…)`, which walks through the range for a subclass of int
            return int(value) if -(2**63) <= value < 2**64 else _digits(value, path)
        if isinstance(value, float):
            return float(value)
        if isinstance(value, Mapping):
            return self._object(value.items(), path, deeper)
        if isinstance(value, list | tuple):
            return [self._plain(item, (path, i), deeper) for i, item in enumerate(value)]
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self._object(_attributes(value), path, deeper)
        try:
            simple = self._default(value)
        except TypeError:
            return _native(value, path)
        except Exception as error:
            raise CodecError(
                f"{_text(path)[:200]} is {_article(value)}, which could not be made JSON: {error}"
            ) from error
        return self._plain(simple, path, deeper)

    def _object(self, items: Iterable[tuple[Any, Any]], path: _Path, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, item in items:
            name = _unicode(_key(key, path), path)
            if name in made:
                raise CodecError(
                    f"two keys of {_text(path)[:200]} are {name[:80]!r} in JSON: "
                    "convert them to distinct strings"
                )
            made[name] = self._plain(item, (path, name), depth)
        return made


def simple_form(value: Any) -> Any:
    """A simpler value that stands for one orjson does not know. Raises TypeError."""
    if isinstance(value, BaseModel):
        try:
            return value.model_dump(mode="python", warnings=False)
        except TypeError:  # a set of models, whose dicts a set cannot hold
            return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=lambda item: (type(item).__name__, repr(item)))
    if isinstance(value, Decimal | Fraction | PurePath):
        return str(value)
    if isinstance(value, SecretStr | SecretBytes | Secret):
        return "**********"
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        return dict(value)
    # a value can only be of numpy where somebody has imported it
    if "numpy" in sys.modules:
        simple = _of_numpy(sys.modules["numpy"], value)
        if simple is not value:
            return simple
    return _of_subclass(value)


def _of_numpy(np: Any, value: Any) -> Any:
    """The form of what orjson's own support for numpy leaves out; the value itself when it is not that."""
    if isinstance(value, np.longdouble):
        return float(value)
    if not isinstance(value, np.ndarray):
        return value
    if isinstance(value, np.ma.MaskedArray):
        return value.tolist()  # what is masked is null
    if value.ndim == 0:
        return value[()]
    if value.dtype.kind in "OUS" or value.dtype.type is np.longdouble:
        return value.tolist()
    native = value.dtype.newbyteorder("=")
    if value.flags.c_contiguous and value.dtype == native and type(value) is np.ndarray:
        return value
    return np.ascontiguousarray(value, native)


def _of_subclass(value: Any) -> Any:
    """The value as the class orjson knows, when it is of a subclass of it."""
    if isinstance(value, datetime) and type(value) is not datetime:
        return datetime.combine(value.date(), value.timetz())
    if isinstance(value, date) and type(value) not in (date, datetime):
        return date(value.year, value.month, value.day)
    if isinstance(value, time) and type(value) is not time:
        return time(value.hour, value.minute, value.second, value.microsecond, value.tzinfo)
    if isinstance(value, UUID) and type(value) is not UUID:
        return UUID(int=value.int)
    raise TypeError(type(value).__name__)


def _attributes(value: Any) -> Iterable[tuple[str, Any]]:
    """What orjson takes of a dataclass, so that both ways give the same."""
    found = getattr(value, "__dict__", None)
    if found is None or "__slots__" in vars(type(value)):
        found = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    return [(name, item) for name, item in found.items() if not name.startswith("_")]


def _key(key: Any, path: _Path) -> str:
    if type(key) is str:
        return key
    if isinstance(key, Enum):
        key = key.value
    if "numpy" in sys.modules and isinstance(key, sys.modules["numpy"].generic):
        key = key.item()
    if isinstance(key, str):
        return str(key)
    if isinstance(key, int) and not isinstance(key, bool):
        return _digits(key, path)
    if isinstance(key, PurePath | Decimal):
        return str(key)
    if isinstance(key, float):
        return orjson.dumps(float(key)).decode()
    if key is None or isinstance(key, bool):
        return orjson.dumps(key).decode()
    if isinstance(key, datetime | date | time | UUID):
        return str(orjson.loads(orjson.dumps(key, simple_form, _OPTIONS)))
    raise CodecError(
        f"a key of {_text(path)[:200]} is {_article(key)}: JSON has only string keys, so convert it first"
    )


def _digits(value: int, path: _Path) -> str:
    try:
        return int.__repr__(value)
    except ValueError:  # Python's limit, see sys.set_int_max_str_digits
        raise CodecError(
            f"{_text(path)[:200]} is an int of {value.bit_length()} bits, too many to write out"
        ) from None


def _unicode(text: str, path: _Path) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise CodecError(
            f"{_text(path)[:200]} is text with a lone surrogate, which has no JSON form: "
            'decode its bytes with errors="replace"'
        ) from None
    return text


def _native(value: Any, path: _Path) -> Any:
    """The value itself when orjson takes it as it is."""
    try:
        orjson.dumps(value, None, _OPTIONS)
    except TypeError:
        _refuse(value, path)
    return value


def _refuse(value: Any, path: _Path) -> NoReturn:
    raw = isinstance(value, bytes | bytearray | memoryview)
    hint = "wrap it in rxstream.Binary" if raw else "map it to plain data"
    raise CodecError(
        f"{_text(path)[:200]} is {_article(value)}, which has no JSON form: {hint}"
    ) from None


def _text(path: _Path) -> str:
    steps: list[str] = []
    while path is not None:
        path, step = path
        steps.append(f"[{step}]" if isinstance(step, int) else f".{step}")
    return "$" + "".join(reversed(steps)).encode(errors="replace").decode()


def _article(value: Any) -> str:
    name = type(value).__qualname__
    return f"an {name}" if name[:1].lower() in "aeiou" else f"a {name}"


def depth_within(value: Any, limit: int = MAX_DEPTH) -> bool:
    """Whether plain data has at most `limit` lists and dicts inside each other; does not recurse."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(limit):
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, dict | list)
        ]
        if not level:
            return True
    return not level

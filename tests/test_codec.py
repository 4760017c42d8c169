"""What has a JSON form, and what is said of the rest."""

from __future__ import annotations

import enum
import math
import sys
import uuid
import warnings
from collections import OrderedDict, UserDict, deque, namedtuple
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretBytes, SecretStr, field_serializer

from rxstream.codec import MAX_BINARY_BYTES, Binary, Encoder, depth_within
from rxstream.errors import CodecError


def plain(value: Any) -> Any:
    """The value as who reads the log gets it."""
    return orjson.loads(Encoder().encode(value))


BIG = 2**70
MOMENT = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


class Colour(enum.Enum):
    RED = "red"
    PAIR = (1, 2)
    BIG = 2**70


class Level(enum.IntEnum):
    LOW = 1


class Shout(str, enum.Enum):  # noqa: UP042  # what many still write
    LOUD = "loud"


class MyStr(str): ...


class MyInt(int): ...


class MyFloat(float): ...


class MyDict(dict[str, Any]): ...


class MyList(list[Any]): ...


class MyMoment(datetime): ...


class MyDate(date): ...


class MyTime(time): ...


class MyUUID(uuid.UUID): ...


Point = namedtuple("Point", "x y")  # what many still write


@dataclass
class Data:
    x: Any
    _private: int = 1

    @cached_property
    def double(self) -> Any:
        return [self.x, self.x]


@dataclass(slots=True)
class Slotted:
    x: Any
    _private: int = 1


class Model(BaseModel):
    model_config = {"arbitrary_types_allowed": True, "extra": "allow"}
    x: Any = None
    secret: SecretStr = SecretStr("hidden")


class Frozen(BaseModel):
    model_config = {"frozen": True}
    n: int


class Holder(BaseModel):
    held: set[Frozen]
    blob: Binary | None = None


ID = uuid.UUID(int=5)

FORMS: list[tuple[Any, Any]] = [
    (None, None),
    (True, True),
    (1.5, 1.5),
    ("é\n\x00", "é\n\x00"),
    (math.nan, None),
    (math.inf, None),
    (2**64 - 1, 2**64 - 1),
    (2**64, str(2**64)),
    (-(2**63), -(2**63)),
    (-(2**63) - 1, str(-(2**63) - 1)),
    (MOMENT, "2024-05-06T07:08:09Z"),
    (MOMENT.date(), "2024-05-06"),
    (MOMENT.time(), "07:08:09"),
    (ID, str(ID)),
    (Path("/a/b"), "/a/b"),
    (Decimal("1.10"), "1.10"),
    (Fraction(1, 3), "1/3"),
    ({3, 1, 2}, [1, 2, 3]),
    (frozenset({"b", "a"}), ["a", "b"]),
    ({1, "a", None}, [None, 1, "a"]),
    ((1, 2), [1, 2]),
    (Point(1, 2), [1, 2]),
    (Colour.RED, "red"),
    (Colour.PAIR, [1, 2]),
    (Colour.BIG, str(BIG)),
    (Level.LOW, 1),
    (Shout.LOUD, "loud"),
    (MyStr("s"), "s"),
    (MyInt(7), 7),
    (MyInt(BIG), str(BIG)),
    (MyFloat(1.5), 1.5),
    (MyFloat("nan"), None),
    (MyDict(a=1), {"a": 1}),
    (MyList([1]), [1]),
    (MyMoment(2024, 5, 6, tzinfo=UTC), "2024-05-06T00:00:00Z"),
    (MyDate(2024, 5, 6), "2024-05-06"),
    (MyTime(7, 8, 9), "07:08:09"),
    (MyUUID(int=5), str(ID)),
    (MappingProxyType({"a": 1}), {"a": 1}),
    (UserDict({"a": {1}}), {"a": [1]}),
    (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    (Data(1), {"x": 1}),
    (Slotted(1), {"x": 1}),
    (Model(x=1), {"x": 1, "secret": "**********"}),
    (Model.model_validate({"x": 1, "more": {2}}), {"x": 1, "secret": "**********", "more": [2]}),
    (SecretBytes(b"hidden"), "**********"),
    (Holder(held={Frozen(n=1)}), {"held": [{"n": 1}], "blob": None}),
    (np.float32("nan"), None),
    (np.float64(1.5), 1.5),
    (np.longdouble(1.5), 1.5),
    (np.int8(-3), -3),
    (np.uint64(2**64 - 1), 2**64 - 1),
    (np.bool_(True), True),
    (np.str_("s"), "s"),
    (np.datetime64("2024-05-06T07:08:09"), "2024-05-06T07:08:09"),
    (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
    (np.arange(6).reshape(2, 3).T, [[0, 3], [1, 4], [2, 5]]),
    (np.arange(4)[::2], [0, 2]),
    (np.array([1.5, math.nan]), [1.5, None]),
    (np.array([1.5], ">f8"), [1.5]),
    (np.array([1.5], np.longdouble), [1.5]),
    (np.array(3), 3),
    (np.array(["a", "b"]), ["a", "b"]),
    (np.array([1, {2}], object), [1, [2]]),
    (np.array(["2024-05-06", "2024-05-07"], "M8[s]")[::2], ["2024-05-06T00:00:00"]),
    (np.ma.array([1, 2], mask=[False, True]), [1, None]),
    (np.array([]), []),
    (np.zeros((0, 3)), []),
]


@pytest.mark.parametrize(("value", "form"), FORMS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside a big int"])
def test_values_have_their_form_on_both_ways(value: Any, form: Any, beside: bool) -> None:
    """What stands beside a value may force the exact way, which gives the same."""
    given = {"v": [value], "beside": BIG} if beside else {"v": [value]}
    assert plain(given)["v"] == [form]


def test_everything_nests_in_everything() -> None:
    deep = Model(x=Data([Slotted({BIG, BIG + 1}), {"k": (Point(Decimal("1"), np.int64(2)),)}]))
    assert plain(deep)["x"] == {
        "x": [{"x": [str(BIG), str(BIG + 1)], "_private": 1}, {"k": [["1", 2]]}],
        "_private": 1,  # inside a model pydantic decides
    }


def test_a_dataclass_has_the_same_attributes_on_both_ways() -> None:
    quick, exact = Data(1), Data(BIG)
    assert (quick.double, exact.double) == ([1, 1], [BIG, BIG])
    assert plain(quick) == {"x": 1, "double": [1, 1]}
    assert plain(exact) == {"x": str(BIG), "double": [str(BIG)] * 2}
    assert plain(Slotted(BIG)) == {"x": str(BIG)}


def test_a_model_s_own_serializers_are_used_and_say_nothing() -> None:
    class Celsius(BaseModel):
        t: float

        @field_serializer("t")
        def _shown(self, t: float) -> str:
            return f"{t} C"

    wrong = Celsius.model_construct(t="hot")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert plain([Celsius(t=1), wrong]) == [{"t": "1.0 C"}, {"t": "hot C"}]


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (1, "1"), (BIG, str(BIG)), (True, "true"), (None, "null"), (1.5, "1.5"), (math.nan, "null"),
        (MyStr("s"), "s"), (MyFloat(2.5), "2.5"), (Level.LOW, "1"), (Colour.RED, "red"),
        (ID, str(ID)), (MyUUID(int=5), str(ID)), (MOMENT, "2024-05-06T07:08:09Z"),
        (MOMENT.date(), "2024-05-06"), (time(7), "07:00:00"), (PurePosixPath("a/b"), "a/b"),
        (Decimal("1.0"), "1.0"), (np.int64(3), "3"), (np.str_("s"), "s"), (np.bool_(True), "true"),
    ],
)  # fmt: skip
def test_keys_become_strings(key: Any, name: str) -> None:
    assert plain({key: {1}}) == {name: [1]}


def test_two_keys_that_would_be_one_are_refused() -> None:
    with pytest.raises(CodecError, match=r"two keys of \$\.a are '1' in JSON"):
        plain({"a": {1: "a", "1": "b"}})


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text()
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=20,
    )
)  # fmt: skip
def test_plain_data_is_unchanged_on_both_ways(value: Any) -> None:
    assert plain(value) == value
    assert plain([value, BIG]) == [value, str(BIG)]


# -- what has no form -------------------------------------------------------------------------


class Stubborn(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("no items today")


class Unsortable:
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        raise RuntimeError("no repr today")


def numbers() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"x", r"\$ is a bytes, which has no JSON form: wrap it in rxstream\.Binary"),
        ({"a": [1, bytearray()]}, r"\$\.a\[1\] is a bytearray, .* wrap it"),
        ({"a": memoryview(b"")}, r"\$\.a is a memoryview, .* wrap it"),
        (Data(Model(x=[object()])), r"\$\.x\.x\[0\] is an object, .*: map it to plain data"),
        (timedelta(1), r"\$ is a timedelta"),
        (deque([1]), r"\$ is a deque"),
        (numbers(), r"\$ is a generator"),
        (int, r"\$ is a type"),
        (Data, r"\$ is a type"),
        (1j, r"\$ is a complex"),
        (time(1, tzinfo=UTC), r"\$ is a time"),
        (np.complex128(1), r"\$ is a complex"),
        (np.array([1j]), r"\$ is a\w* ndarray"),
        (np.datetime64("NaT", "s"), r"\$ is a datetime64"),
        (np.array([b"x"]), r"\$\[0\] is a bytes"),
        ({(1, 2): 3}, r"a key of \$ is a tuple: JSON has only string keys, so convert it first"),
        ({"a": {b"k": 3}}, r"a key of \$\.a is a bytes"),
        ("\ud800", r"\$ is text with a lone surrogate"),
        ({"a": {"\ud800": 1}}, r"\$\.a is text with a lone surrogate"),
        ({"\ud800": {"a": b""}}, r"\$ is text"),
        ([10**5000], r"\$\[0\] is an int of 16610 bits"),
        ({10**5000: 1}, r"\$ is an int of 16610 bits"),
        ([Stubborn(), BIG], "a list could not be made JSON: no items today"),
        ({"a": {Unsortable()}}, r"\$\.a is a set, which could not be made JSON: no repr today"),
    ],
)
def test_what_has_no_form_is_named_with_its_place(value: Any, said: str) -> None:
    with pytest.raises(CodecError, match=said) as refused:
        Encoder().encode(value)
    assert refused.value.kind == "author"
    assert len(refused.value.message) < 600
    refused.value.message.encode()


def itself() -> list[Any]:
    value: list[Any] = []
    value.append({"a": value})
    return value


def test_numpy_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "numpy")
    assert plain({MyDate(2024, 5, 6): {MyDate(2024, 5, 6)}}) == {"2024-05-06": ["2024-05-06"]}


def model_of_itself() -> Model:
    value = Model()
    value.x = value
    return value


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value", [itself(), [itself(), BIG], model_of_itself(), nested(300), nested(100_000)]
)
def test_what_holds_itself_or_is_too_deep_is_said(value: Any) -> None:
    with pytest.raises(CodecError, match=r"nested (deeper than 250|too deep), or holds itself"):
        Encoder().encode(value)


def test_running_out_of_stack_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rxstream.codec._ELEMENT_DEPTH", 10**6)
    with pytest.raises(CodecError, match="a list is nested too deep, or holds itself"):
        Encoder().encode(itself())


# -- binaries ---------------------------------------------------------------------------------


def test_a_binary_is_described_and_its_bytes_are_kept_apart() -> None:
    encoder = Encoder("/blobs/{}".format)
    blob = Binary(b"\x89PNG", "image/png")
    told = orjson.loads(encoder.encode({"image": blob, "again": [blob]}))
    assert told["image"] == told["again"][0] == {
        "type": "binary",
        "media_type": "image/png",
        "size": 4,
        "sha256": blob.sha256,
        "href": f"/blobs/{blob.sha256}",
    }  # fmt: skip
    assert encoder.take_blobs() == {blob.sha256: blob}
    assert encoder.take_blobs() == {}


@pytest.mark.parametrize("hold", [Data, Slotted, lambda b: Model(x=b), lambda b: [{"k": (b,)}]])
def test_a_binary_is_found_wherever_it_is(hold: Any) -> None:
    encoder = Encoder()
    blob = Binary(b"x")
    encoder.encode(hold(blob))
    assert encoder.take_blobs() == {blob.sha256: blob}


def test_a_model_s_own_field_may_be_a_binary() -> None:
    encoder = Encoder()
    blob = Binary(b"x")
    told = orjson.loads(encoder.encode(Holder(held=set(), blob=blob)))
    assert told["blob"]["sha256"] == blob.sha256
    assert encoder.take_blobs() == {blob.sha256: blob}


def test_the_binary_of_an_element_that_is_refused_is_not_kept() -> None:
    encoder = Encoder()
    with pytest.raises(CodecError):
        encoder.encode([Binary(b"x"), object()])
    encoder.encode(Binary(b"y"))
    assert [blob.data for blob in encoder.take_blobs().values()] == [b"y"]


def test_a_binary_is_bounded_and_does_not_change() -> None:
    with pytest.raises(CodecError, match="over the limit"):
        Binary(bytes(MAX_BINARY_BYTES + 1))
    raw = bytearray(b"abc")
    blob = Binary(raw)  # type: ignore[arg-type]  # what a careless caller gives
    raw[0] = 0
    assert blob.data == b"abc"
    assert blob == Binary(b"abc")
    assert hash(blob) == hash(Binary(b"abc"))
    assert blob != Binary(b"abc", "text/plain")
    assert blob != b"abc"
    assert repr(blob) == "<Binary application/octet-stream of 3 bytes>"
    with pytest.raises(AttributeError):
        blob.data = b"x"  # type: ignore[misc]  # that is the point


# -- depth ------------------------------------------------------------------------------------


@given(st.integers(0, 80), st.booleans())
def test_depth_counts_lists_and_dicts_inside_each_other(depth: int, empty: bool) -> None:
    value: Any = [] if empty and depth else "x"
    for i in range(depth - (1 if empty and depth else 0)):
        value = {"k": value, "o": 1} if i % 2 else [0, value]
    assert depth_within(value) is (depth <= 64)
    assert depth_within(value, depth)
    assert depth == 0 or not depth_within(value, depth - 1)


@dataclass
class Defaults:
    items: list[int] = field(default_factory=list)


def test_defaults_are_told() -> None:
    assert plain(Defaults()) == {"items": []}

"""What is stored comes back equal and of the same types, or is refused by name."""

from __future__ import annotations

import enum
import math
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import TzInfo

from rxstream import Binary, statecodec
from rxstream.errors import AuthorError, WorldError
from rxstream.statecodec import NotStorable, StateCodec, decode, encode


def told(value: Any) -> Any:
    """A value with the types of everything in it, and NaN equal to itself."""
    kind = type(value)
    if kind in (list, tuple):
        return kind, [told(item) for item in value]
    if kind in (set, frozenset):
        return kind, sorted(repr(told(item)) for item in value)
    if kind is dict:
        return kind, [(told(key), told(item)) for key, item in value.items()]
    if kind in (float, Decimal):
        return kind, repr(value)
    if kind in (datetime, time):
        zone = value.tzinfo
        return kind, value.replace(tzinfo=None), value.fold, type(zone), repr(zone)
    return kind, value


zones: Any = st.one_of(
    st.none(),
    st.just(UTC),
    st.sampled_from([ZoneInfo("Europe/Berlin"), TzInfo(3600), timezone(timedelta(hours=1), "X")]),
    st.builds(
        timezone,
        st.timedeltas(timedelta(hours=-23), timedelta(hours=23)),
    ),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(),
    st.text(st.characters(categories=["Cs", "Ll"])),
    st.binary(),
    st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=zones),
    st.times(timezones=st.sampled_from([None, UTC])),
    st.dates(),
    st.timedeltas(),
    st.decimals().filter(lambda number: not number.is_snan()),  # which cannot be a key
    st.uuids(),
    st.builds(Binary, st.binary(max_size=20)),
)
keys = st.one_of(scalars, st.tuples(scalars, scalars), st.frozensets(scalars, max_size=2))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.text(), inner, max_size=4),
        st.dictionaries(keys, inner, max_size=4),
        st.sets(keys, max_size=4),
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(values)
def test_everything_comes_back_as_it_was(value: Any) -> None:
    assert told(decode(encode(value))) == told(value)


@pytest.mark.parametrize(
    "value",
    [
        [],
        (),
        ("l", "t"),
        {"d": 1},
        {"": ["x"]},
        ["x", "tag", 1],
        {1: 2, "1": 3, None: 4, (1, 2): 5},
        -0.0,
        1.0,
        1e300,
        math.inf,
        2**63,
        -(2**63),
        -(2**63) - 1,
        2**64,
        10**5000,
        "\ud800\udc00",
        {"\ud800": 1},
        Decimal("sNaN12"),
        uuid.uuid1(),
        datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
        time(1, 2, 3, tzinfo=timezone(timedelta(seconds=-1, microseconds=5), "\udcff")),
        timedelta.min,
        date.max,
    ],
    ids=lambda value: type(value).__name__,
)
def test_it_comes_back_as_it_was(value: Any) -> None:
    assert told(decode(encode(value))) == told(value)


def test_a_uuid_keeps_whether_it_is_safe() -> None:
    made = uuid.uuid1()
    assert decode(encode(made)).is_safe is made.is_safe


def test_a_value_of_the_deepest_nesting_comes_back() -> None:
    deep: Any = 1
    for _ in range(statecodec.MAX_DEPTH):
        deep = (deep,)
    assert told(decode(encode(deep))) == told(deep)


class Colour(enum.Enum):
    RED = "red"


class Pair(NamedTuple):
    left: int
    right: int


@dataclass
class Point:
    x: int
    y: int


class Odd(tzinfo):
    def utcoffset(self, at: datetime | None) -> timedelta:
        return timedelta(0)

    def dst(self, at: datetime | None) -> None:
        return None

    def tzname(self, at: datetime | None) -> str:
        return "odd"


class Text(str):
    pass


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (Colour.RED, "Colour"),
        (Pair(1, 2), "Pair"),
        ([{"a": Point(1, 2)}], "Point"),
        (OrderedDict(a=1), "OrderedDict"),
        (bytearray(b"a"), "bytearray"),
        (object(), "object"),
        (1j, "complex"),
        (Text("a"), "Text"),
        ({Text("a"): 1}, "Text"),
        (datetime(2024, 1, 1, tzinfo=Odd()), "Odd"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_would_not_come_back_is_refused_by_name(value: Any, named: str) -> None:
    with pytest.raises(NotStorable, match=named) as caught:
        encode(value)
    assert caught.value.kind == "author"


def test_a_zone_read_from_a_file_has_no_key_to_come_back_by() -> None:
    import io
    from importlib import resources

    zone = ZoneInfo("Europe/Berlin")
    try:
        data = resources.files("tzdata.zoneinfo.Europe").joinpath("Berlin").read_bytes()
    except ModuleNotFoundError:
        with open("/usr/share/zoneinfo/Europe/Berlin", "rb") as file:
            data = file.read()
    anonymous = ZoneInfo.from_file(io.BytesIO(data))
    assert decode(encode(datetime(2024, 1, 1, tzinfo=zone))).tzinfo is zone
    with pytest.raises(NotStorable, match="ZoneInfo"):
        encode(datetime(2024, 1, 1, tzinfo=anonymous))


def test_what_holds_itself_is_refused() -> None:
    held: list[Any] = []
    held.append(held)
    with pytest.raises(NotStorable, match="holds itself"):
        encode(held)


@pytest.fixture
def codec() -> StateCodec:
    return StateCodec()


def register_point(codec: StateCodec) -> None:
    codec.register("point", Point, lambda p: (p.x, p.y), lambda pair: Point(*pair))


def test_a_registered_type_comes_back_wherever_it_is(codec: StateCodec) -> None:
    register_point(codec)
    codec.register("colour", Colour, lambda c: c.value, Colour)
    value = {Colour.RED: [Point(1, 2), {"at": Point(3, 4)}]}
    assert codec.decode(codec.encode(value)) == value


def test_codecs_do_not_share_what_is_registered(codec: StateCodec) -> None:
    register_point(codec)
    with pytest.raises(AuthorError, match="'point', which is not registered"):
        decode(codec.encode(Point(1, 2)))


def test_a_class_defined_anew_takes_its_own_place(codec: StateCodec) -> None:
    register_point(codec)
    again: Any = dataclass(
        type("Point", (), {"__annotations__": {"x": int}, "__module__": __name__})
    )
    codec.register("point", again, lambda p: p.x, again)
    assert codec.decode(codec.encode(again(7))).x == 7
    with pytest.raises(NotStorable, match="Point"):
        codec.encode(Point(1, 2))


@pytest.mark.parametrize(
    ("tag", "kind", "said"),
    [
        ("no tag", Colour, "no tag"),
        ("", Colour, "no tag"),
        ("number", int, "without being registered"),
        ("moment", datetime, "without being registered"),
        ("point", Colour, "Point is registered as 'point'"),
        ("dot", Point, "Point is registered as 'point'"),
    ],
)
def test_what_cannot_be_registered_is_said(
    codec: StateCodec, tag: str, kind: type[Any], said: str
) -> None:
    register_point(codec)
    with pytest.raises(AuthorError, match=said):
        codec.register(tag, kind, str, kind)


def test_a_registered_function_that_raises_is_the_authors_fault(codec: StateCodec) -> None:
    codec.register("encodes", Point, lambda p: 1 // 0, lambda _: Point(0, 0))
    with pytest.raises(NotStorable, match="'encodes' raised ZeroDivisionError"):
        codec.encode(Point(1, 2))
    codec.register("decodes", Colour, lambda c: 0, lambda n: 1 // n)
    with pytest.raises(AuthorError, match="'decodes' raised ZeroDivisionError"):
        codec.decode(codec.encode(Colour.RED))


def test_an_encoder_that_gives_the_value_itself_does_not_recurse_for_ever(
    codec: StateCodec,
) -> None:
    codec.register("itself", Point, lambda p: p, lambda p: p)
    with pytest.raises(NotStorable, match="holds itself"):
        codec.encode(Point(1, 2))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"2:1",
        b"1:",
        b"1:[",
        b'1:["?"]',
        b"1:[]",
        b'1:["d",1]',
        b'1:["b","%"]',
        b'1:["S",["l"]]',
    ],
)
def test_bytes_that_are_not_ours_are_refused(data: bytes) -> None:
    with pytest.raises(WorldError, match="state") as caught:
        decode(data)
    assert caught.value.code == "bad_state"


def test_the_format_does_not_change() -> None:
    value = [None, True, 1, 1.5, "é", b"a", (1,), {2}, {"k": [1]}, {1: 2}, Decimal("1.50")]
    assert (
        encode(value)
        == (
            '1:["l",null,true,1,1.5,"é",["b","YQ=="],["t",1],["S",2],{"k":["l",1]},["d",1,2],["n","1.50"]]'
        ).encode()
    )

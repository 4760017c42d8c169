"""Parameters of a graph: what clients are shown, what is refused and with which words."""

import enum
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

import rxstream as rxs
from rxstream.errors import GraphError, InvalidParameters
from rxstream.graph.params import Secret, shown


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@rxs.graph
def g(
    path: str,
    count: Annotated[int, Field(ge=1, le=9)] = 3,
    rate: Annotated[float, Field(gt=0, lt=1)] = 0.5,
    mode: Literal["fast", "slow"] = "fast",
    limit: int | None = None,
    colour: Colour = Colour.RED,
    token: Secret = Secret("hidden"),  # noqa: B008  # it cannot be changed
) -> Any:
    return rxs.source([path, count])


anything: Any = g
"""The same, for calls that a type checker refuses."""


def refused(**given: Any) -> dict[str, Any]:
    with pytest.raises(InvalidParameters) as caught:
        anything.bind(**given)
    (entry,) = caught.value.detail
    assert entry["message"] in caught.value.message
    return dict(entry)


@pytest.mark.parametrize(
    ("given", "name", "message", "expected"),
    [
        ({}, "path", "path is missing: expected string", "string"),
        ({"path": 5}, "path", "path: input should be a valid string", "string"),
        (
            {"path": "", "count": 10},
            "count",
            "count: input should be less than or equal to 9",
            "integer at least 1 at most 9",
        ),
        (
            {"path": "", "rate": 1},
            "rate",
            "rate: input should be less than 1",
            "number more than 0 less than 1",
        ),
        (
            {"path": "", "mode": "odd"},
            "mode",
            "mode: input should be 'fast' or 'slow'",
            "one of fast, slow",
        ),
    ],
)
def test_what_is_wrong_is_said_for_each(
    given: dict[str, Any], name: str, message: str, expected: str
) -> None:
    assert refused(**given) == {"name": name, "message": message, "expected": expected}


def test_one_of_several_types_says_all() -> None:
    assert refused(path="", limit="many")["expected"] == "integer or null"


def test_an_unknown_one_is_told_the_known() -> None:
    entry = refused(path="", pth="x")
    assert entry["message"].startswith("pth is not a parameter: known are path, count, rate")


def test_several_wrong_ones_are_told_at_once() -> None:
    with pytest.raises(InvalidParameters, match=r"path is missing.*; count: ") as caught:
        anything.bind(count="x")
    assert [entry["name"] for entry in caught.value.detail] == ["path", "count"]


def test_what_is_given_too_often_is_refused() -> None:
    with pytest.raises(InvalidParameters, match="'path' was given twice"):
        anything.bind("a", path="b")
    with pytest.raises(InvalidParameters, match="9 values were given for 7 parameters"):
        anything.bind(*"abcdefghi")


def test_defaults_are_filled_in_and_shown_but_no_secret() -> None:
    bound = g.bind("a")
    assert bound.params["count"] == 3
    assert bound.params["colour"] is Colour.RED
    properties = g.parameters["properties"]
    assert g.parameters["required"] == ["path"]
    assert (properties["rate"]["default"], properties["colour"]["default"]) == (0.5, "red")
    assert "hidden" not in str(g.parameters)
    assert "hidden" not in str(bound.build().params)


def test_a_type_without_a_schema_is_still_a_parameter() -> None:
    @rxs.graph
    def takes(function: Callable[[int], int], n: int = 1) -> Any:
        return rxs.source([n])

    assert list(takes.parameters["properties"]) == ["function", "n"]
    assert takes.parameters["required"] == ["function"]
    assert takes.build(abs).params == {"function": "abs", "n": 1}


def test_what_has_no_name_is_refused() -> None:
    with pytest.raises(GraphError, match=r"takes \*rest: name every parameter"):
        rxs.graph(lambda *rest: rxs.source(rest))
    with pytest.raises(GraphError, match=r"takes \*\*rest"):
        rxs.graph(lambda **rest: rxs.source(rest))


def test_a_type_that_cannot_be_found_or_checked_is_refused() -> None:
    def lost(n: "Nowhere") -> Any:  # type: ignore[name-defined]  # noqa: F821  # that is the point
        return rxs.source([n])

    with pytest.raises(GraphError, match="'Nowhere', which cannot be found"):
        rxs.graph(lost)

    def odd(n: Annotated[str, Field(ge=object())]) -> Any:
        return rxs.source([n])

    with pytest.raises(GraphError, match="type that cannot be checked"):
        rxs.graph(odd)


def test_a_parameter_that_is_a_stream_makes_a_template() -> None:
    @rxs.graph
    def doubled(numbers: rxs.Stream[int], by: int = 2) -> Any:
        return numbers.map(lambda n: n * by)

    assert doubled.template
    assert list(doubled.parameters["properties"]) == ["by"]

    @rxs.graph
    def outer() -> Any:
        return doubled(rxs.source([1]).named("ones"), by=3)

    assert [node.id for node in outer.build().nodes] == ["ones", "doubled.map_1"]


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        (Secret("x"), "**********"),
        (len, "len"),
        (rxs.source([1]).named("ones"), "ones"),
        ({1, 2}, [1, 2]),
        (object, "object"),
        ("y" * 3_000, f"'{'y' * 76}…"),
    ],
)
def test_what_is_shown_is_plain_and_short(value: Any, seen: Any) -> None:
    assert shown(value) == seen


def test_what_has_no_plain_form_is_shown_as_its_repr() -> None:
    class Thing:
        def __repr__(self) -> str:
            return "<thing>"

    assert shown(Thing()) == "<thing>"
    assert shown(lambda: 1).startswith("lambda:")


@pytest.mark.parametrize("kind", [list, tuple])
@pytest.mark.parametrize("count", [1_000, 1_001, 5_000])
def test_of_many_elements_only_the_beginning_is_looked_at(kind: Any, count: int) -> None:
    class Loud:
        looked = 0

        def __repr__(self) -> str:
            Loud.looked += 1
            return "0"

    whole = repr(kind([0] * count))
    assert shown(kind([0] * count)) == f"{whole[:77]}…"
    assert shown(kind(Loud() for _ in range(count))) == f"{whole[:77]}…"
    assert Loud.looked <= 1_000

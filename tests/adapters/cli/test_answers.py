"""What is typed becomes what the schema asks for, or a sentence that says what is wanted."""

from __future__ import annotations

import enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter

from rxstream.adapters.cli.answers import Asked, NotAnAnswer, choices, read, wanted


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Person(BaseModel):
    name: str
    colour: Colour | None = None


def schema(kind: Any) -> dict[str, Any]:
    return TypeAdapter(kind).json_schema()


@pytest.mark.parametrize(
    ("kind", "typed", "value"),
    [
        (bool, "yes", True),
        (bool, " Y ", True),
        (bool, "no", False),
        (bool, "false", False),
        (str, " as it is ", " as it is "),
        (str, "", ""),
        (str, "true", "true"),
        (int, "3", 3),
        (float, " 2.5", 2.5),
        (bool | None, "", None),
        (str | int, "3", 3),
        (str | int, "three", "three"),
        (Colour, "red", "red"),
        (Colour, "RED", "red"),
        (Colour, "2", "blue"),
        (Colour | None, "null", None),
        (Literal[10, 20, 2], "2", 2),
        (Literal[10, 20], "2", 20),
        (list[int], "[1, 2]", [1, 2]),
        (Person, '{"name": "ann"}', {"name": "ann"}),
        (Any, "[]", []),
    ],
)
def test_an_answer_is_read(kind: Any, typed: str, value: Any) -> None:
    assert read(typed, schema(kind)) == value


@pytest.mark.parametrize(
    ("kind", "typed", "said"),
    [
        (bool, "maybe", "yes or no is wanted"),
        (bool, "", "yes or no is wanted"),
        (int, "three", "a whole number is wanted"),
        (Colour, "3", "it is one of red, blue, or its number"),
        (Colour, "", "it is one of red, blue, or its number"),
        (list[int], "[1", "a list as JSON is wanted"),
        (Any, "text", "JSON is wanted"),
    ],
)
def test_what_is_none_is_refused(kind: Any, typed: str, said: str) -> None:
    with pytest.raises(NotAnAnswer, match=said):
        read(typed, schema(kind))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (bool, "yes or no"),
        (bool | None, "yes or no or nothing"),
        (Annotated[int, Field(ge=1, le=5)], "a whole number from 1 to 5"),
        (Colour, "red or blue"),
        (Literal["only"], "only"),
        (Person, "an object as JSON with name (text), colour (red, blue or null)"),
        (Any, "JSON"),
    ],
)
def test_a_schema_is_said_in_words(kind: Any, words: str) -> None:
    assert wanted(schema(kind)) == words


def test_a_schema_that_never_ends_is_not_followed_for_ever() -> None:
    endless = {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}
    assert choices(endless) == []
    assert wanted(endless) == "JSON"


def test_a_question_is_read_from_what_the_web_api_tells() -> None:
    asked = Asked.told(
        {
            "request_id": "my-step-1a2b",
            "message": "?",
            "schema": {},
            "expires_at": "2020-01-01T00:00:00Z",
        }
    )
    assert asked.node == "my-step"
    assert (asked.left() or 0) < 0

"""What a model is told of a tool comes from its function."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from rxstream.errors import AuthorError, InvalidParameters
from rxstream.models import ToolSpec
from rxstream.plugins.running import CancellationToken
from rxstream.tools import ToolContext, tool
from rxstream.tools.telling import LIMITS, told


@tool(parallel=True, tags=["a"])
def search(
    word: str,
    context: ToolContext,
    order: Literal["up", "down"] = "up",
    most: Annotated[int, Field(ge=1, description="how many")] = 10,
) -> Iterator[str]:
    """Find lines with
    a word.

    Not told to a model.
    """
    yield word


def test_the_signature_is_the_schema_without_the_context() -> None:
    spec = search.spec
    assert (spec.name, spec.description) == ("search", "Find lines with a word.")
    assert list(spec.parameters["properties"]) == ["word", "order", "most"]
    assert spec.parameters["required"] == ["word"]
    assert spec.parameters["additionalProperties"] is False
    assert spec.parameters["properties"]["order"]["enum"] == ["up", "down"]
    assert spec.parameters["properties"]["most"]["minimum"] == 1
    assert isinstance(spec, ToolSpec)
    assert (search.streams, search.settings.parallel, repr(search)) == (True, True, "<Tool search>")


def test_defaults_are_filled_in_and_bounds_are_kept() -> None:
    assert search.check({"word": "x"}) == {"word": "x", "order": "up", "most": 10}
    with pytest.raises(InvalidParameters, match="most: input should be greater than or equal to 1"):
        search.check({"word": "x", "most": 0})


def test_a_decorated_function_is_still_that_function() -> None:
    @tool(name="twice", description="Doubles.")
    def double(number: int) -> int:
        return 2 * number

    assert double(4) == 8
    assert (double.name, double.description) == ("twice", "Doubles.")


def test_a_parameter_that_has_a_place_only_is_given_by_it() -> None:
    @tool
    def take(first: int, /, second: int, context: ToolContext | None = None) -> list[int]:
        assert context is not None
        return [first, second]

    assert list(take.spec.parameters["properties"]) == ["first", "second"]
    context = ToolContext("c", CancellationToken(), None)
    assert take.start(take.check({"first": 1, "second": 2}), context) == [1, 2]


def test_whatever_can_be_called_has_a_name() -> None:
    class Adder:
        def __call__(self, number: int) -> int:
            return number + 1

    assert (tool(Adder()).name, tool(partial(pow, exp=2)).name) == ("Adder", "pow")


@pytest.mark.parametrize("given", [5, dict])
def test_what_is_no_function_is_refused(given: Any) -> None:
    with pytest.raises(AuthorError, match=r"give a function|write a function around it"):
        tool(given)


def test_what_a_model_could_not_give_is_refused() -> None:
    with pytest.raises(AuthorError, match=r"tool 'many' takes \*words"):

        @tool
        def many(*words: str) -> None: ...

    def unknown(path: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821  # what is refused

    with pytest.raises(AuthorError, match="annotated with 'Nowhere', which cannot be found"):
        tool(unknown)


def test_a_model_is_told_the_brief_the_text_or_json_and_never_bytes() -> None:
    from rxstream.codec import Binary

    assert told({"result": {"a": [1]}}) == '{"a":[1]}'
    assert told({"result": "text"}) == "text"
    assert told({"result": 5, "brief": "five"}) == "five"
    assert told({"error": {"code": "gone", "message": "no file", "kind": "world"}}) == (
        "error (gone): no file"
    )
    picture = {"image": Binary(b"\x89PNG", "image/png"), "sizes": [Binary(b"1", "text/plain")]}
    assert (
        told({"result": picture})
        == '{"image":"[image/png, 4 bytes]","sizes":["[text/plain, 1 bytes]"]}'
    )
    assert len(told({"result": "x" * 99_999})) <= LIMITS.told

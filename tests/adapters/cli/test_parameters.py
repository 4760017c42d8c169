"""`-p name=value` gives the graph what its schema asks for."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from rxstream.adapters.cli.failure import Failure
from rxstream.adapters.cli.parameters import parse, read


@pytest.mark.parametrize(
    ("wanted", "text", "value"),
    [
        (str, "5", "5"),
        (str, "null", "null"),
        (str, '"x"', '"x"'),
        (str, "[1]", "[1]"),
        (int, "5", 5),
        (float, "2.5", 2.5),
        (float, "fast", "fast"),
        (bool, "true", True),
        (list[str], '["a"]', ["a"]),
        (dict[str, int], '{"a":1}', {"a": 1}),
        (str | None, "null", None),
        (str | None, "5", "5"),
        (int | str, "5", 5),
        (int | str, "5.5", "5.5"),
        (Any, "5", 5),
        (Any, "NaN", "NaN"),
        (Any, "a=b", "a=b"),
    ],
)
def test_text_becomes_what_the_schema_takes(wanted: Any, text: str, value: Any) -> None:
    schema = TypeAdapter(wanted).json_schema()
    found = read(text, schema, schema)
    assert (found, type(found)) == (value, type(value))


def test_a_reference_in_the_schema_is_followed() -> None:
    root = {"$defs": {"Name": {"type": "string"}}}
    assert read("7", {"$ref": "#/$defs/Name"}, root) == "7"


def test_a_reference_to_itself_ends() -> None:
    root = {"$defs": {"Loop": {"$ref": "#/$defs/Loop"}}}
    assert read("7", {"$ref": "#/$defs/Loop"}, root) == 7


def test_a_value_may_hold_an_equals_sign() -> None:
    assert parse(["query=a=b"], {"properties": {"query": {"type": "string"}}}) == {"query": "a=b"}


def test_a_dotted_name_is_a_value_inside() -> None:
    found = parse(["data.file=x.csv", "data.limit.most=5", 'data.names=["a"]', "n=1"], {})
    assert found == {"data": {"file": "x.csv", "limit": {"most": 5}, "names": ["a"]}, "n": 1}


@pytest.mark.parametrize(
    "pairs",
    [
        ["path"],
        ["=x"],
        ["key=hunter2", "key=hunter2"],
        ["data.=hunter2"],
        ["data.a=1", "data.a.b.c=hunter2"],
        ["data.a=1", "data=hunter2"],
    ],
)
def test_what_is_no_pair_is_refused_without_showing_a_value(pairs: list[str]) -> None:
    with pytest.raises(Failure) as refused:
        parse(pairs, {})
    assert refused.value.status == 2
    assert "hunter2" not in refused.value.message


def test_missing_and_wrong_parameters_are_all_named_in_one_line(rxstream: Any) -> None:
    rxstream.write(
        "g.py",
        "import rxstream\n@rxstream.graph\ndef g(path: str, window: float = 1.0): ...",
    )
    status, out, said = rxstream.run("graph", "g.py:g", "-p", "window=fast", "-p", "foo=1")
    assert (status, out, len(said)) == (2, "", 1)
    assert "path is missing: expected string" in said[0]
    assert "window: input should be a valid number" in said[0]
    assert "foo is not a parameter: known are path, window" in said[0]
    assert said[0].endswith("(give it with -p path=VALUE)")

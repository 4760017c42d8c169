"""Elements that may go on: those that fit, those not seen lately, and no more than so many a second."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it has no types
from pydantic import BaseModel, Field
from structlog.testing import capture_logs
from typing_extensions import TypedDict

import rxstream
from rxstream.errors import GraphError, WorldError
from rxstream.stream import Stream, source
from rxstream.testing import run
from tests.operators.bench import Bench, plain
from tests.operators.parts import Bad, at, items, nexts, ops, told, virtually
from tests.operators.test_timing import timeline


class Reading(BaseModel):
    name: str
    values: list[float] = []


@dataclass
class Point:
    x: int


class Row(TypedDict):
    key: int


def refusal(schema: Any, element: Any) -> WorldError:
    """The error for an element that does not fit."""
    out: list[Any] = []
    with pytest.raises(WorldError) as raised:
        ops.validate(schema).spec.make().push([element], out)  # type: ignore[attr-defined]
    return raised.value


@pytest.mark.parametrize(
    ("schema", "element", "expected"),
    [
        (int, "12", 12),
        (list[int], ("1", 2), [1, 2]),
        (Reading, {"name": "a", "values": ["1.5"]}, Reading(name="a", values=[1.5])),
        (Point, {"x": "3"}, Point(3)),
        (Row, {"key": "4"}, {"key": 4}),
        (Annotated[int, Field(gt=2)], 3, 3),
        (int | None, None, None),
        (Bad, Bad, None),
    ],
)
def test_an_element_becomes_what_the_type_says(schema: Any, element: Any, expected: Any) -> None:
    if element is Bad:  # a class pydantic does not know is checked by isinstance
        element = expected = Bad("x")
    assert told(source([element]).pipe(ops.validate(schema))) == nexts(expected)


@pytest.mark.parametrize(
    ("schema", "element", "path"),
    [
        (Reading, {"name": "a", "values": [1, 2, "x"]}, "$.values[2]"),
        (Reading, {}, "$.name"),
        (list[Row], [{"key": 1}, {"key": None}], "$[1].key"),
        (int, "x", "$"),
        (
            Draft202012Validator({"properties": {"a": {"items": {"type": "integer"}}}}),
            {"a": [1, "2"]},
            "$.a[1]",
        ),
    ],
)
def test_an_error_names_the_path(schema: Any, element: Any, path: str) -> None:
    error = refusal(schema, element)
    assert (error.code, error.kind) == ("invalid_element", "world")
    assert f": at {path}: " in str(error)
    assert [mistake["path"] for mistake in error.detail] == [path]


def test_an_error_names_three_mistakes_and_counts_the_others() -> None:
    error = refusal(list[int], list("abcde"))
    assert str(error).count("at $[") == 3
    assert str(error).endswith("; and 2 more")
    assert len(error.detail) == 5


def test_a_validator_of_json_schema_checks_and_converts_nothing() -> None:
    schema = Draft202012Validator({"required": ["a"]})
    with capture_logs():
        found = told(source([{"a": "1"}, {}, {"a": 2}]).pipe(ops.validate(schema, "skip")))
    assert found == nexts({"a": "1"}, {"a": 2})


def test_what_does_not_fit_fails_the_node_after_what_did() -> None:
    found = told(source([1, 2, "x", 3]).pipe(ops.validate(int)))
    assert found[:2] == [("next", 1), ("next", 2)]
    assert found[2][1].startswith("an element (str) is not as it should be: at $: ")


def test_what_does_not_fit_can_be_left_out_and_is_counted_in_a_warning() -> None:
    with capture_logs() as logs:
        assert told(source([1, "x", 2, "y", "z"]).pipe(ops.validate(int, "skip"))) == nexts(1, 2)
    assert [log["count"] for log in logs] == [1, 3]
    assert logs[0]["node"] == logs[1]["node"] == "validate_1"


def test_what_was_left_out_is_counted_as_errors_of_the_node() -> None:
    @rxstream.graph
    def checked() -> Any:
        good = source([1, "x", 2, "y"]).pipe(ops.validate(int, "skip")).named("checked")
        return rxstream.concat(good, rxstream.throw("broken")).default_on_error(0).named("safe")

    async def main() -> Any:
        async with rxstream.Engine() as engine:
            execution = await engine.start(checked)
            assert await execution.result() == 0
            return {node.node: node.errors for node in execution.statistics().nodes}

    with capture_logs():
        found = run(main())
    assert (found["checked"], found["safe"]) == (2, 1)


def test_warnings_come_at_most_once_in_ten_seconds() -> None:
    async def main() -> Any:
        times = [(float(second), "x") for second in range(25)]
        with capture_logs() as logs:
            await items(at(*times).pipe(ops.validate(int, "skip")))
        return [log["count"] for log in logs]

    assert virtually(main()) == [1, 11, 21, 25]


def test_a_function_can_be_told_of_what_does_not_fit() -> None:
    found: list[Any] = []
    operator = ops.validate(int, lambda item, error: found.append((item, error.code)))  # type: ignore[attr-defined]  # a WorldError
    assert told(source([1, "x"]).pipe(operator)) == nexts(1)
    assert found == [("x", "invalid_element")]


@pytest.mark.parametrize(
    ("schema", "message"),
    [({"type": "object"}, "jsonschema.Draft202012Validator"), (3, "cannot check for 3")],
)
def test_what_is_no_type_is_refused(schema: Any, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        ops.validate(schema)


def test_how_many_were_left_out_is_stored() -> None:
    op = ops.validate(int, "skip").spec.make()  # type: ignore[attr-defined]  # an Operator
    with capture_logs():
        op.push([1, "x"], [])
    assert op.snapshot() == (1,)
    op.restore((7,))
    assert op.snapshot() == (7,)


# -- keys seen lately --------------------------------------------------------------------------


@given(values=st.lists(st.integers(0, 6)), bound=st.integers(1, 5), stop=st.integers(0, 20))
def test_keys_are_forgotten_by_how_long_they_were_not_seen(
    values: list[int], bound: int, stop: int
) -> None:
    seen: list[int] = []
    expected = []
    for value in values:
        if value in seen[-bound:]:
            seen.remove(value)
        else:
            expected.append(value)
        seen.append(value)
        seen = seen[-bound:]
    operator: Any = ops.distinct_recent(bound)
    assert told(source(values).pipe(operator)) == nexts(*expected)
    first = operator.spec.make()
    out: list[int] = []
    first.push(values[:stop], out)
    state = first.snapshot()
    assert plain(state)
    assert len(state) <= bound
    again = operator.spec.make()
    again.restore(state)
    again.push(values[stop:], out)
    assert out == expected


def test_a_bound_that_is_never_reached_makes_it_distinct() -> None:
    words = ["a", "B", "b", "A", "c"]
    expected = told(source(words).distinct(str.lower))
    assert told(source(words).pipe(ops.distinct_recent(100, str.lower))) == expected


def test_streams_in_streams_are_distinct_too() -> None:
    opened: Stream[Any] = rxstream.of(1, 1, 2, 1).window_with_count(1)
    seen: OrderedDict[int, None] = OrderedDict()

    def first_two(_: Any) -> int:
        seen[len(seen)] = None
        return min(len(seen), 2)

    found = told(opened.pipe(ops.distinct_recent(5, first_two), ops.merge_all()))
    assert found == nexts(1, 1)


def test_no_key_at_all_is_refused() -> None:
    with pytest.raises(GraphError, match="max_keys must be at least 1, not 0"):
        ops.distinct_recent(0)


# -- so many a second --------------------------------------------------------------------------


def limited(stream: Any, *args: Any, **kwargs: Any) -> list[tuple[float, Any]]:
    """When each element came, on a clock that jumps."""

    async def main() -> Any:
        return await timeline(stream().pipe(ops.rate_limit(*args, **kwargs)))

    found: list[tuple[float, Any]] = virtually(main())
    return found


def test_a_burst_goes_at_once_and_the_others_as_tokens_come_back() -> None:
    found = limited(lambda: rxstream.range(6), 2, 1.0)
    assert found == [(0, 0), (0, 1), (0.5, 2), (1, 3), (1.5, 4), (2, 5), (2, "|")]


def test_without_a_burst_elements_are_evenly_spaced() -> None:
    found = limited(lambda: rxstream.range(4), 4, burst=1)
    assert found == [(0, 0), (0.25, 1), (0.5, 2), (0.75, 3), (0.75, "|")]


def test_tokens_come_back_while_nothing_happens_up_to_the_burst() -> None:
    moments = [(when, when) for when in (0, 0, 0, 1.25, 10, 10, 10, 10)]
    found = limited(lambda: at(*moments), 1, 1, burst=2)
    assert [when for when, _ in found] == [0, 0, 1, 2, 10, 10, 11, 12, 12]


def test_an_error_comes_after_what_waits() -> None:
    found = limited(lambda: at((0, "a"), (0, "b"), (0, Bad("no"))), 1, 2.0)
    assert found == [(0, "a"), (2, "b"), (2, "no")]


@given(
    gaps=st.lists(st.sampled_from([0, 0, 0.01, 0.3, 1.7]), max_size=20),
    count=st.integers(1, 7),
    per=st.sampled_from([0.1, 1.0, 3.0]),
    burst=st.integers(1, 5),
)
def test_no_span_of_time_has_more_than_it_may_and_nothing_is_lost(
    gaps: list[float], count: int, per: float, burst: int
) -> None:
    moments = [(sum(gaps[: i + 1]), i) for i in range(len(gaps))]
    found = limited(lambda: at(*moments), count, per, burst=burst)[:-1]
    assert [item for _, item in found] == list(range(len(gaps)))
    for i, (begin, _) in enumerate(found):
        for j, (end, _) in enumerate(found[i:], i):
            # times are rounded to a millisecond
            assert j - i + 1 <= burst + (end - begin + 0.001) * count / per + 1e-6


def test_what_feeds_it_is_held_back() -> None:
    pulled = 0

    def each() -> Any:
        nonlocal pulled
        for number in range(10_000):
            pulled += 1
            yield number

    async def main() -> int:
        found = []
        async for item in source(each).pipe(ops.rate_limit(10)):
            found.append(item)
            if len(found) == 100:
                break
        return asyncio.get_running_loop().time() == pytest.approx(9.0)

    assert virtually(main())
    assert pulled <= 100 + 64 + 64


def test_only_the_latest_goes_on_where_the_others_are_dropped_before_it() -> None:
    moments = [(i / 10, i) for i in range(31)]
    found = limited(lambda: at(*moments).latest(), 1)
    assert found == [(0, 0), (1, 9), (2, 19), (3, 29), (4, 30), (4, "|")]


def test_tokens_that_are_gone_survive_being_stored() -> None:
    async def main() -> list[Any]:
        operator = ops.rate_limit(1, 10.0)
        first = Bench(operator)
        first.edge.push(["a", "b"])
        await asyncio.sleep(4)
        assert first.told == ["a"]
        state = first.unit.snapshot()
        assert plain(state)
        first.unit.close()
        await asyncio.sleep(1000)
        again = Bench(operator, state)
        again.edge.push(["b"])
        await asyncio.sleep(5.9)
        assert again.told == []
        await asyncio.sleep(0.2)
        return again.told

    assert virtually(main()) == ["b"]


@pytest.mark.parametrize("given", [{"count": 0}, {"count": 1, "per": 0}, {"count": 1, "burst": 0}])
def test_a_rate_that_lets_nothing_pass_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(GraphError, match=r"at least 1|above 0"):
        ops.rate_limit(**given)

"""Random chains of operators tell what the same chains of reactivex tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import reactivex
from hypothesis import given, settings
from hypothesis import strategies as st

import rxstream
from rxstream import operators as ops
from tests.ids import stable
from tests.operators.parts import Bad, digest, ours, theirs, told


class Step:
    """Some operators, made of a module of operators and one of creation functions."""

    def __init__(self, label: str, make: Callable[[Any, Any], list[Any]]) -> None:
        self.label = label
        self.make = make

    def __call__(self, operators: Any, creation: Any) -> list[Any]:
        return self.make(operators, creation)

    def __repr__(self) -> str:
        return self.label


def value(*values: Any) -> int:
    """A function of anything that fails for some."""
    found = digest(*values)
    if found % 13 == 0:
        raise Bad(f"no value for {values!r}")
    return found


def holds(*values: Any) -> bool:
    """A predicate on anything that fails for some."""
    return value(*values) % 3 != 0


def mostly(*values: Any) -> bool:
    return digest(*values) % 5 != 0


def number(item: Any) -> int:
    return digest(item)


small = st.integers(0, 5)
maybe = st.none() | st.integers(-4, 6)


def same(name: str, *args: Any, **kwargs: Any) -> Step:
    return Step(f"{name}{args}{kwargs}", lambda o, _: [getattr(o, name)(*args, **kwargs)])


def on_numbers(name: str, *args: Any) -> Step:
    return Step(f"map, {name}{args}", lambda o, _: [o.map(number), getattr(o, name)(*args)])


def with_other(name: str, values: list[int]) -> Step:
    return Step(f"{name}{values}", lambda o, c: [getattr(o, name)(c.from_iterable(values))])


def several(label: str, make: Callable[[Any], list[Any]]) -> Step:
    return Step(label, lambda o, _: make(o))


PLAIN = [
    same("map", value),
    same("map"),
    same("map_indexed", value),
    same("map_indexed"),
    same("filter", holds),
    same("filter_indexed", holds),
    same("filter_indexed"),
    same("scan", value),
    same("scan", value, 3),
    same("scan", value, seed=None),
    same("reduce", value),
    same("reduce", value, 7),
    same("distinct"),
    same("distinct", number),
    same("distinct", None, lambda a, b: digest(a) % 4 == digest(b) % 4),
    same("distinct_until_changed"),
    same("distinct_until_changed", lambda x: value(x) % 2),
    same("distinct_until_changed", None, lambda a, b: holds(a, b)),
    same("pairwise"),
    same("do_action", value, None, None),
    same("tap", None, lambda error: None, lambda: None),
    same("ignore_elements"),
    same("default_if_empty", "none"),
    same("default_if_empty"),
    same("first"),
    same("first", holds),
    same("first_or_default", None, "none"),
    same("first_or_default", holds, "none"),
    same("last"),
    same("last", holds),
    same("last_or_default", "none"),
    same("last_or_default", "none", holds),
    same("single"),
    same("single", holds),
    same("single_or_default", None, "none"),
    same("single_or_default", holds, "none"),
    same("single_or_default_async", True, "none"),
    same("take_while", mostly),
    same("take_while", holds, inclusive=True),
    same("take_while_indexed", mostly, inclusive=True),
    same("take_while_indexed", holds),
    same("skip_while", mostly),
    same("skip_while", holds),
    same("skip_while_indexed", mostly),
    same("count"),
    same("count", holds),
    on_numbers("sum"),
    same("sum", value),
    on_numbers("average"),
    same("average", value),
    on_numbers("min"),
    on_numbers("max"),
    on_numbers("min", lambda a, b: a % 7 - b % 7),
    on_numbers("max", lambda a, b: a % 7 - b % 7),
    same("min_by", lambda x: number(x) % 5),
    same("max_by", lambda x: value(x) % 5),
    same("max_by", number, lambda a, b: a % 3 - b % 3),
    same("to_list"),
    same("to_iterable"),
    several("map, to_set, map", lambda o: [o.map(number), o.to_set(), o.map(sorted)]),
    same("to_dict", number),
    same("to_dict", number, value),
    same("all", holds),
    same("all", mostly),
    same("some"),
    same("some", holds),
    same("is_empty"),
    on_numbers("contains", 3),
    same("contains", 1, lambda a, b: holds(a, b)),
    same("find", lambda x, i, source: holds(x, i)),
    same("find_index", lambda x, i, source: holds(x, i)),
    same("as_observable"),
    same("share"),
    same("finally_action", lambda: None),
    same("zip_with_iterable", [1, 2, 3]),
    same("zip_with_list", range(50)),
    several("materialize, map", lambda o: [o.materialize(), o.map(str)]),
    several("materialize, dematerialize", lambda o: [o.materialize(), o.dematerialize()]),
    several(
        "materialize, take, dematerialize",
        lambda o: [o.materialize(), o.take(2), o.dematerialize()],
    ),
    several("pairwise, starmap", lambda o: [o.pairwise(), o.starmap(value)]),
    several("pairwise, starmap", lambda o: [o.pairwise(), o.starmap()]),
    several(
        "map_indexed, starmap_indexed",
        lambda o: [o.map_indexed(lambda x, i: (x, i)), o.starmap_indexed(value)],
    ),
    several("map, pluck", lambda o: [o.map(lambda x: {"a": x}), o.pluck("a")]),
    several("map, pluck_attr", lambda o: [o.map(number), o.pluck_attr("real")]),
    same("start_with", 8, 9),
    same("repeat", 2),
    same("repeat", 0),
    same("retry", 2),
    same("retry", 0),
    same("publish_value", "first", lambda shared: shared),
    several(
        "group_by, flat_map, count",
        lambda o: [o.group_by(lambda x: number(x) % 3), o.flat_map(lambda g: g.pipe(o.count()))],
    ),
    several(
        "window_with_count, map, to_list, merge_all",
        lambda o: [o.window_with_count(2), o.map(lambda w: w.pipe(o.to_list())), o.merge_all()],
    ),
]


def counted(name: str, counts: st.SearchStrategy[int] = small) -> st.SearchStrategy[Step]:
    return counts.map(lambda count: same(name, count))


steps: st.SearchStrategy[Step] = st.one_of(
    st.sampled_from(PLAIN),
    *(counted(name) for name in ("take", "skip", "take_last", "skip_last", "take_last_buffer")),
    counted("element_at"),
    small.map(lambda index: same("element_at_or_default", index, "none")),
    st.builds(
        lambda count, skip: same("buffer_with_count", count, skip),
        st.integers(1, 4),
        st.none() | st.integers(1, 6),
    ),
    st.builds(
        lambda start, stop, step: same("slice", start, stop, step),
        maybe,
        maybe,
        st.none() | st.integers(0, 3),
    ),
    st.builds(
        with_other,
        st.sampled_from(["concat", "catch", "on_error_resume_next"]),
        st.lists(small, max_size=4),
    ),
)

chains = st.lists(steps, max_size=5)
inputs = st.lists(st.integers(-3, 40), max_size=9)


@pytest.mark.parametrize("step", PLAIN, ids=stable)
@pytest.mark.parametrize("broken", [False, True], ids=["good", "broken"])
@pytest.mark.parametrize("values", [[], [5], [1, 1, 2, 3, 2, 5, 8]], ids=len)
def test_an_operator_by_itself_tells_what_it_tells_in_reactivex(
    step: Step, values: list[int], broken: bool
) -> None:
    mine, expected = step(ops, rxstream), step(reactivex.operators, reactivex)
    assert told(ours(values, broken).pipe(*mine)) == told(theirs(values, broken).pipe(*expected))


@settings(max_examples=200, deadline=None)
@given(inputs, st.booleans(), chains)
def test_a_chain_tells_what_the_same_chain_of_reactivex_tells(
    values: list[int], broken: bool, chain: list[Step]
) -> None:
    mine = [operator for step in chain for operator in step(ops, rxstream)]
    expected = [operator for step in chain for operator in step(reactivex.operators, reactivex)]
    assert told(ours(values, broken).pipe(*mine)) == told(theirs(values, broken).pipe(*expected))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(-3, 40), min_size=65, max_size=300), chains)
def test_batches_make_no_difference(values: list[int], chain: list[Step]) -> None:
    mine = [operator for step in chain for operator in step(ops, rxstream)]
    expected = [operator for step in chain for operator in step(reactivex.operators, reactivex)]
    assert told(ours(values, False).pipe(*mine)) == told(theirs(values, False).pipe(*expected))


@settings(max_examples=80, deadline=None)
@given(
    inputs,
    st.builds(
        with_other,
        st.sampled_from(["zip", "sequence_equal", "fork_join"]),
        st.lists(small, max_size=9),
    ),
    chains,
)
def test_streams_that_meet_tell_what_they_tell_in_reactivex(
    values: list[int], meeting: Step, chain: list[Step]
) -> None:
    """Only of good streams: which of an error and another's end is first depends on who runs first."""
    mine = [operator for step in (meeting, *chain) for operator in step(ops, rxstream)]
    expected = [
        operator for step in (meeting, *chain) for operator in step(reactivex.operators, reactivex)
    ]
    assert told(ours(values, False).pipe(*mine)) == told(theirs(values, False).pipe(*expected))

"""Chains of operators of which each key has its own copy: as if its elements were alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from operator import add
from typing import Any

import pytest
import reactivex
from hypothesis import given, settings
from hypothesis import strategies as st

import rxstream
from rxstream.adapters import sinks
from rxstream.engine.op import Op
from rxstream.errors import GraphError
from rxstream.operators._keyed import Chain, Step
from rxstream.operators.by_key import count_by, keyed, reduce_by, scan_by
from rxstream.stream import Stream, source
from tests.operators.bench import Bench, resumed
from tests.operators.keys import ITEMS, letter, number, plus, rows
from tests.operators.live import Timed, live, settled
from tests.operators.parts import Bad, at, digest, nexts, ops, told, virtually
from tests.operators.test_timing import timeline

Template = Callable[[Any], Any]

TEMPLATES: dict[str, Template] = {
    "nothing": lambda s: s,
    "map": lambda s: s.map(number),
    "filter": lambda s: s.map(number).filter(lambda x: x % 2),
    "scan": lambda s: s.map(number).scan(add),
    "take": lambda s: s.take(2),
    "take after skip": lambda s: s.skip(1).take(1),
    "distinct": lambda s: s.distinct(),
    "pairs": lambda s: s.pairwise().map(lambda pair: pair[0] + pair[1]),
    "buffers": lambda s: s.buffer_with_count(2).map(tuple),
    "last": lambda s: s.last(),
    "total": lambda s: s.map(number).sum(),
    "average": lambda s: s.map(number).average(),
    "some": lambda s: s.some(lambda item: number(item) > 5),
    "half": lambda s: s.partition(lambda item: number(item) > 4)[0],
    "told": lambda s: s.take(2).materialize().map(str),
    "slice": lambda s: s[1:-1],
    "first": lambda s: s.first(lambda item: number(item) > 4).materialize().map(str),
    "ended": lambda s: s.take_while(lambda item: number(item) < 7).count(),
    "in default": lambda s: s.ignore_elements().default_if_empty("none"),
}


def grouped(items: list[str], template: Template) -> list[Any]:
    """What reactivex's groups give for the same template, run by the same operators one key at a time."""
    found = []
    for key in dict.fromkeys(item[0] for item in items):
        mine = [item for item in items if item[0] == key]
        found.append((key, told(template(source(mine)))))
    return found


@pytest.mark.parametrize("name", TEMPLATES)
@settings(max_examples=30)
@given(items=ITEMS)
def test_each_key_gives_what_the_chain_gives_for_its_elements_alone(
    name: str, items: list[str]
) -> None:
    template = TEMPLATES[name]
    found = told(source(items).pipe(keyed(letter, template)))
    assert found[-1] == ("end",)
    for key, alone in grouped(items, template):
        assert [item[1] for kind, item in found[:-1] if item[0] == key] == [
            item for kind, item in alone[:-1]
        ]


@pytest.mark.parametrize("name", TEMPLATES)
@settings(max_examples=30)
@given(items=ITEMS, max_keys=st.integers(1, 3))
def test_copies_that_were_stored_go_on_where_they_stood(
    name: str, items: list[str], max_keys: int
) -> None:
    operator: Any = keyed(letter, TEMPLATES[name], max_keys=max_keys)
    assert operator.spec.resumable
    whole = operator.spec.make().decoder
    expected: list[Any] = []
    for item in items:
        whole.feed(item, expected)
    whole.finish(expected)
    found: list[Any] = []
    machine = operator.spec.make().decoder
    for item in items:
        machine.feed(item, found)
        assert len(machine.keys) <= max_keys
        state, machine = machine.snapshot(), operator.spec.make().decoder
        machine.restore(state)
    machine.finish(found)
    assert found == expected
    assert resumed(operator, items) == [*expected, "|"]


def test_a_state_is_kept_by_the_name_of_its_operator() -> None:
    operator: Any = keyed(letter, lambda s: s.map(number).scan(add).named("sums").take(3))
    machine = operator.spec.make().decoder
    machine.feed("a1", [])
    machine.feed("a2", [])
    _, ((key, _, states),) = machine.snapshot()
    assert key == "a"
    assert states == (
        ("map_1", None),
        ("sums", {"has": True, "value": 3}),
        ("take_3", {"remaining": 1, "done": False}),
    )
    assert operator.spec.arguments["template"] == ["map_1", "sums", "take_3"]


def test_the_template_is_called_once() -> None:
    calls: list[Any] = []

    def template(stream: Stream[Any]) -> Stream[Any]:
        calls.append(stream)
        return stream.take(1)

    operator = keyed(letter, template)
    told(rows("a1 b2 c3").pipe(operator))
    told(rows("a1 b2 c3").pipe(operator))
    assert len(calls) == 1


def test_a_copy_ends_when_its_key_makes_room_and_begins_anew() -> None:
    operator = keyed(letter, lambda s: s.buffer_with_count(2).map("".join), max_keys=1)
    assert told(rows("a1 a2 a3 b4 a5").pipe(operator)) == nexts(
        ("a", "a1a2"), ("a", "a3"), ("b", "b4"), ("a", "a5")
    )


def test_a_copy_ends_when_its_key_was_idle() -> None:
    stream = at((0, "a1"), (1, "b2"), (2, "a3"), (9, "a4"), (10, "a5"))
    found = virtually(timeline(stream.pipe(keyed(letter, lambda s: s.take_last_buffer(9), ttl=3))))
    assert found == [
        (4, ("b", ["b2"])),
        (5, ("a", ["a1", "a3"])),
        (10, ("a", ["a4", "a5"])),
        (10, "|"),
    ]


def test_the_time_that_a_key_has_left_is_stored() -> None:
    operator: Any = keyed(letter, lambda s: s.count(), ttl=3)
    times = [(0, "a1"), (1, "b2"), (2, "a3"), (4.5, "c4"), (9, "a4"), (10, "|")]
    expected = live(operator, *times)
    assert expected == [(4, ("b", 1)), (5, ("a", 2)), (7.5, ("c", 1)), (10, ("a", 1)), (10, "|")]
    states = [x for x in live(count_by(letter, ttl=3), *times) if x[1] != "|"]
    assert states == expected[:-1]

    async def main() -> Any:
        bench, told_ = Timed(operator), list[Any]()
        for due, item in times[:-1]:
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            bench.edge.push([item])
            await settled()
            told_ += bench.told
            state = bench.unit.snapshot()
            bench.unit.close()
            bench = Timed(operator, state)
            await settled()
        await asyncio.sleep(1)
        bench.edge.finish()
        await settled()
        return told_ + bench.told

    assert virtually(main()) == expected


def test_what_a_copy_raises_when_its_time_is_over_is_an_error_of_the_node() -> None:
    def broken(numbers: list[str]) -> Any:
        raise Bad("no list")

    stream = at((0, "a1"), (9, "a2"))
    operator = keyed(letter, lambda s: s.take_last_buffer(2).map(broken), ttl=3)
    assert virtually(timeline(stream.pipe(operator))) == [(3, "no list")]


def test_an_error_in_one_copy_is_the_error_of_all_after_what_came_before() -> None:
    operator = keyed(letter, lambda s: s.map(number))
    found = told(rows("a1 b2 ax b3").pipe(operator))
    assert found[:2] == [("next", ("a", 1)), ("next", ("b", 2))]
    assert found[2][0] == "error"
    assert len(found) == 3


def test_an_error_names_the_node_and_the_line_within_the_template() -> None:
    def broken(item: Any) -> Any:
        raise Bad("no")

    async def main() -> Any:
        @rxstream.graph
        def one() -> Any:
            return rows("a1").pipe(keyed(letter, lambda s: s.map(broken))).named("each")

        with pytest.raises(Exception, match="no") as caught:
            await one.run()
        return caught.value

    error = asyncio.run(main())
    cause: Any = error.__cause__ or error
    assert getattr(error, "node", None) == "each"
    assert "test_keyed_chains.py" in str(getattr(cause, "where", ""))


def test_a_copy_may_absorb_its_own_error_and_end() -> None:
    operator = keyed(letter, lambda s: s.map(number).materialize().map(str))
    found = told(rows("a1 ax a2 b3").pipe(operator))
    assert [item[0] for _, item in found[:-1]] == ["a", "a", "b", "b"]
    assert "OnError" in found[1][1][1]
    assert found[-1] == ("end",)


def test_an_error_at_the_end_of_a_copy_is_the_error_of_all() -> None:
    found = told(rows("a1 b2").pipe(keyed(letter, lambda s: s.single(lambda item: False))))
    assert found == [("error", "Sequence contains no elements")]


def test_an_error_of_the_input_reaches_every_copy() -> None:
    heard_: list[str] = []

    def template(stream: Stream[Any]) -> Stream[Any]:
        told_ = stream.do_action(None, lambda error: heard_.append(str(error)))
        return told_.materialize().map(str)

    def each() -> Any:
        yield "a1"
        yield "b2"
        raise Bad("gone")

    found = told(source(each).pipe(keyed(letter, template)))
    assert heard_ == ["gone", "gone"]
    assert [item[0] for _, item in found[:-1]] == ["a", "b", "a", "b"]
    assert found[-1] == ("error", "gone")


def test_what_is_raised_on_hearing_of_an_error_takes_its_place() -> None:
    def broken(error: Exception) -> None:
        raise Bad("deaf")

    def each() -> Any:
        yield "a1"
        raise Bad("gone")

    template = lambda s: s.do_action(None, broken).materialize().map(str)  # noqa: E731  # short
    found = told(source(each).pipe(keyed(letter, template)))
    assert "deaf" in found[1][1][1]
    assert found[-1] == ("error", "gone")


def test_copies_let_go_when_nobody_wants_more() -> None:
    gone: list[str] = []
    operator = keyed(letter, lambda s: s.finally_action(lambda: gone.append("x")))
    opaque: Any = keyed(letter, lambda s: s.zip_with_iterable(iter("ab")))
    assert not opaque.spec.resumable
    assert told(rows("a1 b2 c3").pipe(operator, ops.take(2))) == nexts(("a", "a1"), ("b", "b2"))
    assert len(gone) >= 2


def test_a_copy_may_have_ended_before_its_first_element() -> None:
    class Ended(Op):
        done = True

    chain = Chain([Step("ended", "", Ended), Step("count", "", ops.count().spec.make)])  # type: ignore[attr-defined]  # an Operator
    out: list[Any] = []
    chain.begin(out)
    chain.push([1], out)
    chain.fail(Bad("no"), out)
    chain.finish(out)
    assert out == [0]
    assert chain.ended


def test_what_grows_in_a_template_grows_for_each_key() -> None:
    growing: Any = keyed(letter, lambda s: s.distinct())
    assert growing.spec.grows == "for each key: one key for each distinct element"
    bounded: Any = keyed(letter, lambda s: s.take(1))
    assert bounded.spec.grows is None


OTHER = rxstream.of(1)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (lambda s: s.map_async(digest), r"'map_async' at .*test_keyed_chains.py:\d+, which waits"),
        (lambda s: s.debounce(1.0), "'debounce' .* waits for something"),
        (lambda s: s.take(0), "'take' .* waits"),
        (lambda s: s.map(str).latest().map(str), "'latest' .* waits"),
        (lambda s: s.merge(OTHER), "'merge' .* reads another stream"),
        (lambda s: s.flat_map(lambda x: [x]), "'flat_map' .* waits"),
        (lambda s: s.pipe(reactivex.operators.map(str)), "reactivex's own"),
        (lambda s: OTHER.map(str), "'of' .* a stream of its own"),
        (lambda s: 1, "gave a int"),
        (lambda s: (s.map(str), s.take(1))[1], "'map' .* is not part of what the template"),
        (lambda s: s.map(str).named("x").map(str).named("x"), "two operators .* named 'x'"),
    ],
)
def test_what_cannot_have_a_copy_for_each_key_is_refused(template: Any, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        keyed(letter, template)


def test_a_sink_in_a_template_is_refused() -> None:
    with pytest.raises(GraphError, match=r"'jsonl' at .* is not part of"):
        keyed(letter, lambda s: s.map(str).to(sinks.jsonl("never.jsonl")))


def test_a_template_leaves_nothing_in_the_graph_around_it() -> None:
    @rxstream.graph
    def one() -> Any:
        return rows("a1").pipe(keyed(letter, lambda s: s.map(str).named("inner")))

    assert [node.operator for node in one.build().nodes] == ["from_iterable", "keyed"]


@pytest.mark.parametrize("options", [{"max_keys": 0}, {"ttl": 0}, {"ttl": timedelta(seconds=-1)}])
@pytest.mark.parametrize(
    "make",
    [
        lambda **o: scan_by(letter, plus, 0, **o),
        lambda **o: reduce_by(letter, plus, 0, **o),
        lambda **o: count_by(letter, **o),
        lambda **o: keyed(letter, lambda s: s, **o),
    ],
)
def test_limits_that_make_no_sense_are_refused(make: Any, options: Any) -> None:
    with pytest.raises(GraphError, match=r"max_keys must be|ttl must be"):
        make(**options)


def test_a_key_that_is_too_much_waits_within_credit() -> None:
    bench = Bench(count_by(letter, max_keys=1), None, 0)
    bench.edge.push(["a1", "b1", "c1"])
    bench.edge.finish()
    assert bench.told == []
    bench.allow(1)
    assert bench.told == [("a", 1)]
    bench.allow(2)
    assert bench.told == [("a", 1), ("b", 1), ("c", 1), "|"]

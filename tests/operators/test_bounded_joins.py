"""Joins by key that hold only so much: which pairs come, in which order, when they end, what is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rxstream
from rxstream.engine.edge import Edge
from rxstream.engine.op import ALL
from rxstream.errors import BufferOverflow, GraphError
from rxstream.operator import Buffer, Operator
from rxstream.operators.bounded_joins import enrich, join_by
from rxstream.stream import source
from tests.operators.bench import Bench, plain
from tests.operators.parts import Bad, at, heard, nexts, ops, told, virtually
from tests.operators.test_timing import timeline


def letter(item: Any) -> Any:
    return item[0].lower()


def joined(left: Any, right: Any, within: Any = 100, **options: Any) -> Any:
    return left.pipe(join_by(right, letter, letter, within, **options))


def in_time(stream: Any) -> Any:
    return virtually(timeline(stream))


def pair(operator: Any, state: Any = None, left: int = ALL) -> Any:
    """A bench of a unit that has a second queue, `unit.inputs[1]`."""
    unit = operator.spec.make()
    attach = unit.attach

    def both(runtime: Any, node: Any, inputs: Sequence[Edge], out: Any) -> None:
        attach(runtime, node, [*inputs, Edge("right", Buffer(), unit)], out)

    unit.attach = both
    return Bench(Operator(replace(operator.spec, make=lambda: unit)), state, left)


# -- pairs within a span -----------------------------------------------------------------------


def test_pairs_of_one_key_come_when_the_later_half_does() -> None:
    left = at((1, "a1"), (4, "b2"), (6, "a3"))
    right = at((2, "A7"), (5, "B8"), (7, "C9"))
    assert in_time(joined(left, right)) == [
        (2, ("a1", "A7")),
        (5, ("b2", "B8")),
        (6, ("a3", "A7")),
        (7, "|"),
    ]


def test_only_what_is_within_the_span_of_each_other_meets() -> None:
    left = at((1, "a1"), (2, "a2"), (9, "a3"))
    right = at((4, "A7"), (6.5, "A8"), (9, "A9"))
    assert in_time(joined(left, right, 2.5)) == [
        (4, ("a2", "A7")),
        (9, ("a3", "A8")),
        (9, ("a3", "A9")),
        (9, "|"),
    ]


def test_several_matches_come_in_the_order_of_their_arrival() -> None:
    left = at((1, "a1"), (2, "b2"), (3, "a3"))
    right = at((4, "A7"), (5, "A8"))
    found = [item for _, item in in_time(joined(left, right))]
    assert found == [("a1", "A7"), ("a3", "A7"), ("a1", "A8"), ("a3", "A8"), "|"]


def test_elements_that_wait_together_are_taken_in_turn() -> None:
    left, right = rxstream.of("a1", "a2", "a3"), rxstream.of("A7", "A8", "A9")
    assert told(joined(left, right)) == nexts(
        ("a1", "A7"),
        ("a2", "A7"),
        ("a1", "A8"),
        ("a2", "A8"),
        ("a3", "A7"),
        ("a3", "A8"),
        ("a1", "A9"),
        ("a2", "A9"),
        ("a3", "A9"),
    )


def test_it_ends_when_one_has_ended_and_nothing_of_it_is_within_reach() -> None:
    left = at((1, "a1"), (2, "a2"))
    right = rxstream.timer(3.0).map(lambda _: "A7").merge(rxstream.never())
    assert in_time(joined(left, right, timedelta(seconds=5))) == [
        (3, ("a1", "A7")),
        (3, ("a2", "A7")),
        (7, "|"),
    ]
    assert in_time(joined(rxstream.never(), at((1, "A1")), 5)) == [(6, "|")]
    assert in_time(joined(at(), rxstream.never(), 5)) == [(0, "|")]


def test_without_an_event_loop_it_ends_when_both_have_ended() -> None:
    assert told(joined(rxstream.of("a1"), rxstream.of("A1", "b2", "A3"))) == nexts(
        ("a1", "A1"), ("a1", "A3")
    )


def test_an_error_of_either_is_passed_on_after_what_came_before() -> None:
    for broken in (0, 1):
        streams = [at((1, "a1"), (3, "a2"), (6, "a3")), at((2, "A1"), (4, "A2"), (6, "A3"))]
        streams[broken] = streams[broken].take(1).concat(at((4, Bad("no"))))
        found = [item for _, item in in_time(joined(streams[0], streams[1]))]
        assert found[0] == ("a1", "A1")
        assert found[-1] == "no"


def test_what_a_key_raises_comes_after_what_was_made_before() -> None:
    left, right = rxstream.of("a1", "", "a3"), rxstream.of("A7", "A8", "A9")
    assert told(joined(left, right)) == [
        ("next", ("a1", "A7")),
        ("error", "string index out of range"),
    ]


def test_more_than_allowed_is_an_error() -> None:
    bench = pair(join_by(source([]), letter, letter, 9, max_items=2))
    bench.edge.push(["a1", "a2", "a3"])
    (error,) = bench.told
    assert isinstance(error, BufferOverflow)
    assert "join_by holds 2 elements of one stream" in str(error)


def test_more_than_allowed_may_drop_the_oldest_which_is_counted() -> None:
    async def main() -> Any:
        @rxstream.graph
        def one() -> Any:
            left, right = at((1, "a1"), (2, "a2"), (3, "b3"), (4, "a4")), at((5, "A7"), (6, "B8"))
            return joined(left, right, max_items=2, on_full="drop_oldest").named("pairs")

        async with rxstream.Engine(graphs=[one]) as engine:
            execution = await engine.start("one")
            found = [e.data async for e in execution.events() if e.event_type == "step_output"]
            (node,) = [n for n in execution.statistics().nodes if n.node == "pairs"]
            return found, node.progress

    found, progress = virtually(main())
    assert found == [["a4", "A7"], ["b3", "B8"]]
    assert progress.message == "2 dropped"


def test_nothing_is_kept_for_a_stream_that_has_ended() -> None:
    bench = pair(join_by(source([]), letter, letter, 9, max_items=1))
    bench.unit.inputs[1].push(["A1"])
    bench.unit.inputs[1].finish()
    bench.edge.push(["a1", "a2", "a3"])
    assert bench.told == [("a1", "A1"), ("a2", "A1"), ("a3", "A1")]
    assert not bench.unit.sides[0].held


def test_the_matches_of_one_element_wait_for_a_slow_reader() -> None:
    bench = pair(join_by(source([]), letter, letter, 9), None, 0)
    bench.edge.push(["a1", "a2", "a3"])
    bench.unit.inputs[1].push(["A1", "A2"])
    assert bench.told == []
    assert len(bench.edge) == 3, "nothing is taken without room"
    for count in range(1, 7):
        bench.allow(1)
        assert len(bench.told) == count
        assert len(bench.unit.pending) <= 3
    bench.edge.finish()
    bench.unit.inputs[1].finish()
    assert bench.told[-1] == "|"
    assert len(set(bench.told)) == 7


def test_nobody_is_held_when_no_more_is_wanted() -> None:
    async def main() -> Any:
        left, right = at((1, "a1"), (2, "a2")), rxstream.interval(0.5).map(lambda n: f"A{n}")
        found = await heard(joined(left, right, 50).pipe(ops.take(3)))
        others = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        return found, others

    found, others = virtually(main())
    assert found == nexts(("a1", "A0"), ("a1", "A1"), ("a1", "A2"))
    assert others == []


EVENTS = st.lists(
    st.tuples(st.integers(0, 40), st.booleans(), st.sampled_from("ab")),
    max_size=14,
    unique_by=lambda event: event[0],
)


def naive(events: list[Any], within: int) -> list[Any]:
    """Pairs by looking at all events twice, in the order of their later halves."""
    found = []
    for later, (time, is_left, key) in enumerate(events):
        for earlier in range(later):
            before, was_left, other = events[earlier]
            if was_left != is_left and key == other and time - before <= within:
                mine, its = (f"{key}{later}", f"{key}{earlier}")
                found.append((mine, its) if is_left else (its, mine))
    return found


@settings(max_examples=60)
@given(events=EVENTS, within=st.integers(0, 12))
def test_pairs_are_those_of_all_events_however_often_stored(events: list[Any], within: int) -> None:
    events = sorted(events)

    async def main(restored: bool) -> Any:
        operator = join_by(source([]), letter, letter, within)
        bench, found = pair(operator), list[Any]()
        for index, (time, is_left, key) in enumerate(events):
            await asyncio.sleep(time - asyncio.get_running_loop().time())
            bench.unit.inputs[0 if is_left else 1].push([f"{key}{index}"])
            for _ in range(5):
                await asyncio.sleep(0)
            if restored:
                found += bench.told
                state = bench.unit.snapshot()
                assert plain(state)
                bench.unit.close()
                bench = pair(operator, state)
        found += bench.told
        bench.unit.close()
        return found

    expected = naive(events, within)
    assert virtually(main(False)) == expected
    assert virtually(main(True)) == expected


def test_pairs_that_wait_for_a_reader_are_stored() -> None:
    operator = join_by(source([]), letter, letter, 9)
    bench = pair(operator, None, 1)
    bench.edge.push(["a1", "a2"])
    bench.unit.inputs[1].push(["A1"])
    state = bench.unit.snapshot()
    assert plain(state)
    again = pair(operator, state, 9)
    assert bench.told + again.told == [("a1", "A1"), ("a2", "A1")]


@pytest.mark.parametrize(
    ("args", "options", "message"),
    [
        ((-1,), {}, "within must be finite and at least 0"),
        ((float("inf"),), {}, "within must be finite"),
        ((1,), {"max_items": 0}, "max_items must be at least 1"),
        ((1,), {"on_full": "drop"}, "'fail' or 'drop_oldest'"),
    ],
)
def test_a_join_that_makes_no_sense_is_refused(args: Any, options: Any, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        join_by(source([]), letter, letter, *args, **options)


# -- the latest row of a table -----------------------------------------------------------------


def enriched(stream: Any, table: Any, **options: Any) -> Any:
    return stream.pipe(enrich(table, letter, letter, **options))


def test_an_element_comes_with_the_latest_row_of_its_key() -> None:
    stream = at((1, "a1"), (3, "a2"), (4, "b3"), (6, "a4"))
    table = at((2, "A7"), (5, "A8"))
    assert in_time(enriched(stream, table)) == [
        (1, ("a1", None)),
        (3, ("a2", "A7")),
        (4, ("b3", None)),
        (6, ("a4", "A8")),
        (6, "|"),
    ]


def test_rows_that_wait_are_taken_before_elements_that_wait() -> None:
    bench = pair(enrich(source([]), letter, letter), None, 0)
    bench.edge.push(["a1", "b2"])
    bench.unit.inputs[1].push(["A7", "B8", "A9"])
    bench.allow(5)
    assert bench.told == [("a1", "A9"), ("b2", "B8")]


def test_the_whole_table_may_come_first() -> None:
    table = at(*((n / 10, f"{key}{n}") for n, key in enumerate("ABCDEFGH")))
    stream = rxstream.of("a1", "h2", "x3")
    assert in_time(enriched(stream, table, table_first=True)) == [
        (0.7, ("a1", "A0")),
        (0.7, ("h2", "H7")),
        (0.7, ("x3", None)),
        (0.7, "|"),
    ]
    assert in_time(enriched(stream, table))[0] == (0, ("a1", None))
    many = rxstream.range(1000).map(lambda n: f"{chr(97 + n % 26)}{n}")
    assert told(enriched(rxstream.of("z1"), many, table_first=True)) == nexts(("z1", "z987"))


def test_it_ends_with_the_elements_and_not_with_the_table() -> None:
    assert in_time(enriched(at((1, "a1"), (5, "a2")), at((0, "A7"))))[-2:] == [
        (5, ("a2", "A7")),
        (5, "|"),
    ]
    assert in_time(enriched(at((1, "a1")), rxstream.never())) == [(1, ("a1", None)), (1, "|")]
    endless = rxstream.never()
    assert in_time(enriched(rxstream.empty(), endless, table_first=True)) == [(0, "|")]


def test_an_error_of_the_table_is_an_error_of_all() -> None:
    stream = at((1, "a1"), (5, "a2"))
    assert in_time(enriched(stream, at((2, Bad("no"))))) == [(1, ("a1", None)), (2, "no")]
    assert in_time(enriched(at((1, Bad("no"))), rxstream.never())) == [(1, "no")]


def test_the_row_unused_for_longest_makes_room() -> None:
    stream = at((4, "a1"), (6, "a2"), (7, "b3"), (8, "c4"))
    table = at((1, "A7"), (2, "B8"), (5, "C9"))
    found = [item for _, item in in_time(enriched(stream, table, max_keys=2))]
    assert found == [("a1", "A7"), ("a2", "A7"), ("b3", None), ("c4", "C9"), "|"]


def test_a_fast_table_does_not_hold_elements_back_nor_is_it_held() -> None:
    table = rxstream.interval(0.01).map(lambda n: f"a{n}")
    found = in_time(enriched(at((10, "a1"), (20, "a2")), table))
    ticks = [int(row[1:]) for _, (_, row) in found[:-1]]
    assert 990 <= ticks[0] <= 1000
    assert 1990 <= ticks[1] <= 2000
    with pytest.raises(GraphError, match="max_keys"):
        enrich(table, letter, letter, max_keys=0)


def test_no_element_is_taken_without_room_but_rows_are() -> None:
    bench = pair(enrich(source([]), letter, letter), None, 0)
    bench.edge.push(["a1", "a2"])
    bench.unit.inputs[1].push(["A1"])
    assert (len(bench.edge), len(bench.unit.inputs[1])) == (2, 0)
    bench.allow(1)
    assert bench.told == [("a1", "A1")]
    assert len(bench.edge) == 1


@given(
    events=st.lists(st.tuples(st.booleans(), st.sampled_from("abc")), max_size=14),
    max_keys=st.integers(1, 3),
)
def test_elements_are_enriched_as_by_a_plain_dict_however_often_stored(
    events: list[Any], max_keys: int
) -> None:
    rows: dict[str, str] = {}
    expected: list[Any] = []
    operator = enrich(source([]), letter, letter, max_keys=max_keys)
    found: list[Any] = []
    bench = pair(operator)
    for index, (is_row, key) in enumerate(events):
        item = f"{key}{index}"
        if is_row:
            rows.pop(key, None)
            rows[key] = item
            if len(rows) > max_keys:
                rows.pop(next(iter(rows)))
        else:
            row = rows.pop(key, None)
            if row is not None:
                rows[key] = row
            expected.append((item, row))
        bench.unit.inputs[1 if is_row else 0].push([item])
        found += bench.told
        state = bench.unit.snapshot()
        assert plain(state)
        bench = pair(operator, state)
    assert found == expected

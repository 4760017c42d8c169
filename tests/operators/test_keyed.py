"""State by key: what each key accumulates, which keys are forgotten, what is given then."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from datetime import timedelta
from operator import add
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import rxstream
from rxstream.operators.by_key import count_by, reduce_by, scan_by
from rxstream.stream import source
from tests.operators.bench import decoded, plain, resumed
from tests.operators.keys import ITEMS, letter, number, plus, rows
from tests.operators.parts import Bad, at, heard, nexts, told, virtually
from tests.operators.test_timing import timeline

# -- running accumulations ---------------------------------------------------------------------


def test_each_key_has_an_accumulation_of_its_own() -> None:
    assert told(rows("a1 b2 a3 b4").pipe(scan_by(letter, plus, 0))) == nexts(
        ("a", 1), ("b", 2), ("a", 4), ("b", 6)
    )


def test_without_a_seed_a_key_begins_with_its_first_element() -> None:
    assert told(rows("a1 b2 a3").pipe(scan_by(letter, add))) == nexts(
        ("a", "a1"), ("b", "b2"), ("a", "a1a3")
    )


def test_the_key_unused_for_longest_makes_room_and_is_told() -> None:
    gone: list[Any] = []
    operator = scan_by(
        letter, plus, 0, max_keys=2, on_evict=lambda key, total: gone.append((key, total))
    )
    assert told(rows("a1 b2 a3 c4 b5 a6").pipe(operator)) == nexts(
        ("a", 1), ("b", 2), ("a", 4), ("c", 4), ("b", 5), ("a", 6)
    )
    assert gone == [("b", 2), ("a", 4), ("c", 4)]


def test_evicted_keys_are_counted_where_anybody_can_see() -> None:
    async def main() -> Any:
        @rxstream.graph
        def one() -> Any:
            return rows("a1 b2 c3").pipe(scan_by(letter, plus, 0, max_keys=1)).named("sums")

        async with rxstream.Engine(graphs=[one]) as engine:
            execution = await engine.start("one")
            await execution.wait()
            return next(n for n in execution.statistics().nodes if n.node == "sums").progress

    assert asyncio.run(main()).message == "2 keys evicted"


def test_a_key_is_forgotten_when_it_was_idle_for_its_time_to_live() -> None:
    gone: list[Any] = []
    operator = scan_by(
        letter, plus, 0, ttl=timedelta(seconds=5), on_evict=lambda *each: gone.append(each)
    )
    stream = at((0, "a1"), (4, "a1"), (6, "b1"), (8.5, "a1"), (13.5, "a1"))
    assert virtually(heard(stream.pipe(operator))) == nexts(
        ("a", 1), ("a", 2), ("b", 1), ("a", 3), ("a", 1)
    )
    assert gone == [("b", 1), ("a", 3)]


def test_what_a_callback_of_an_eviction_raises_comes_after_the_element() -> None:
    def broken(key: Any, state: Any) -> None:
        raise Bad(f"cannot forget {key}")

    operator = scan_by(letter, plus, 0, max_keys=1, on_evict=broken)
    assert told(rows("a1 b2 c3").pipe(operator)) == [
        ("next", ("a", 1)),
        ("next", ("b", 2)),
        ("error", "cannot forget a"),
    ]


def reference_scan(items: list[str], max_keys: int) -> list[Any]:
    held: OrderedDict[str, int] = OrderedDict()
    found = []
    for item in items:
        held[item[0]] = held.pop(item[0], 0) + number(item)
        found.append((item[0], held[item[0]]))
        while len(held) > max_keys:
            held.popitem(last=False)
    return found


@given(items=ITEMS, max_keys=st.integers(1, 4))
def test_accumulations_are_those_of_a_plain_loop_however_often_stored(
    items: list[str], max_keys: int
) -> None:
    operator: Any = scan_by(letter, plus, 0, max_keys=max_keys)
    machine = operator.spec.make()
    out: list[Any] = []
    for item in items:
        machine.push([item], out)
        state, machine = machine.snapshot(), operator.spec.make()
        assert plain(state)
        machine.restore(state)
        assert len(machine.keys) <= max_keys
    assert out == reference_scan(items, max_keys)
    assert told(source(items).pipe(operator)) == nexts(*out)


def test_the_time_a_key_was_idle_is_stored() -> None:
    async def main() -> Any:
        operator: Any = scan_by(letter, plus, 0, ttl=5)
        machine, out = operator.spec.make(), list[Any]()
        for wait in (0, 3, 4, 5):
            await asyncio.sleep(wait)
            machine.push(["a1"], out)
            await asyncio.sleep(0.5)
            state, machine = machine.snapshot(), operator.spec.make()
            machine.restore(state)
        return out

    assert virtually(main()) == [("a", 1), ("a", 2), ("a", 3), ("a", 1)]


# -- what is given when a key ends -------------------------------------------------------------


def test_keys_are_reduced_until_the_stream_ends() -> None:
    stream = rows("a1 b2 a3 c4 b5")
    assert told(stream.pipe(reduce_by(letter, plus, 0))) == nexts(("a", 4), ("c", 4), ("b", 7))
    assert told(stream.pipe(reduce_by(letter, add))) == nexts(
        ("a", "a1a3"), ("c", "c4"), ("b", "b2b5")
    )
    assert told(stream.pipe(count_by(letter))) == nexts(("a", 2), ("c", 1), ("b", 2))
    assert told(rxstream.empty().pipe(count_by(letter))) == [("end",)]


def test_a_key_that_makes_room_is_given_so_that_nothing_is_lost() -> None:
    stream = rows("a1 b2 a3 c4 b5")
    assert told(stream.pipe(reduce_by(letter, plus, 0, max_keys=2))) == nexts(
        ("b", 2), ("a", 4), ("c", 4), ("b", 5)
    )


def test_a_key_is_given_when_its_time_to_live_is_over() -> None:
    stream = at((0, "a1"), (2, "b2"), (2.5, "a3"), (12, "c4"))
    found = virtually(timeline(stream.pipe(reduce_by(letter, plus, 0, ttl=3))))
    assert found == [(5, ("b", 2)), (5.5, ("a", 4)), (12, ("c", 4)), (12, "|")]


def test_an_error_discards_what_keys_have() -> None:
    stream = at((0, "a1"), (2, "b2"), (4, Bad("no")))
    assert virtually(heard(stream.pipe(count_by(letter)))) == [("error", "no")]


def test_a_key_that_cannot_be_one_is_an_error() -> None:
    found = told(source([[1], [2]]).pipe(count_by(lambda item: item)))
    assert found == [("error", "unhashable type: 'list'")]


@given(items=ITEMS, max_keys=st.integers(1, 4))
def test_what_keys_give_adds_up_however_often_stored(items: list[str], max_keys: int) -> None:
    operator = reduce_by(letter, plus, 0, max_keys=max_keys)
    found = decoded(operator, items)
    sums: dict[str, int] = defaultdict(int)
    for key, total in found:
        sums[key] += total
    expected: dict[str, int] = defaultdict(int)
    for item in items:
        expected[item[0]] += number(item)
    assert sums == expected
    assert told(source(items).pipe(operator)) == nexts(*found)
    assert resumed(operator, items) == [*found, "|"]

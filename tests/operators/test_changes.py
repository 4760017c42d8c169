"""State by key is told by what changed, and all changes together are the state."""

from __future__ import annotations

import asyncio
from collections import deque
from operator import add
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rxstream as rxs
from rxstream import statecodec
from rxstream.engine.op import Changes
from rxstream.operators._draining import Expanding
from rxstream.operators._rows import Rows
from rxstream.testing import crash_everywhere
from tests.engine.crashing import as_bags, ticks
from tests.operators.keys import ITEMS, letter, plus
from tests.operators.lives import Case, Feed, Life, Reader, settled
from tests.operators.parts import ops, virtually

SUMS = ops.scan_by(letter, plus, 0, max_keys=3)
FEW = ops.scan_by(letter, plus, 0, ttl=5, max_keys=3)
LAST = ops.distinct_recent(3, letter)


class Stored:
    """What a log holds of one state."""

    def __init__(self) -> None:
        self.rows: dict[str, Any] = {}

    def apply(self, changes: Changes | None) -> Changes:
        """Take changes; returns them as they were stored."""
        wiped, changed, deleted = statecodec.decode(statecodec.encode(changes or (False, {}, [])))
        if wiped:
            self.rows.clear()
        self.rows.update(changed)
        for name in deleted:
            del self.rows[name]
        return wiped, changed, deleted


def machine_of(operator: Any) -> Any:
    made = operator.spec.make()
    return made.decoder if isinstance(made, Expanding) else made


@pytest.mark.parametrize(
    "operator",
    [
        *(SUMS, FEW, LAST, ops.count_by(letter, max_keys=3), ops.count_by(letter, ttl=3)),
        ops.keyed(letter, lambda s: s.pairwise().take(2), max_keys=2),
    ],
    ids=lambda operator: repr(operator.spec.name),
)
@settings(max_examples=30, deadline=None)
@given(batches=st.lists(st.tuples(ITEMS, st.sampled_from(["", "cut", "crash"])), max_size=8))
def test_all_changes_together_are_the_state(operator: Any, batches: Any) -> None:
    async def main() -> None:
        machine, log = machine_of(operator), Stored()
        for items, then in batches:
            await asyncio.sleep(1)
            out: deque[Any] = deque()
            for item in items:
                machine.push([item], out) if hasattr(machine, "push") else machine.feed(item, out)
            if not then:
                continue
            log.apply(machine.changes())
            again = machine_of(operator)
            again.restore_changes(log.rows)
            assert again.snapshot() == machine.snapshot()
            machine = again if then == "crash" else machine

    virtually(main())


def test_only_what_changed_is_told() -> None:
    machine, log = machine_of(SUMS), Stored()
    machine.push(["a1", "b2", "c3"], [])
    wiped, rows, dropped = log.apply(machine.changes())
    assert (wiped, len(rows), dropped) == (True, 3, [])
    assert machine.changes() is None
    machine.push(["b5"], [])
    wiped, rows, dropped = log.apply(machine.changes())
    assert (wiped, [row[1:] for row in rows.values()], dropped) == (False, [("b", (0.0, 7))], [])
    machine.push(["d1"], [])
    wiped, rows, dropped = log.apply(machine.changes())
    assert (wiped, len(rows), len(dropped)) == (False, 2, 1), "d and how many were evicted"


def test_what_came_and_went_between_two_cuts_is_never_told() -> None:
    rows = Rows()
    assert rows.changes((), repr) is None
    rows.put("a")
    rows.drop("a")
    assert rows.changes((), repr) is None


def test_what_was_stored_before_is_void_although_all_of_it_has_gone() -> None:
    rows = Rows()
    assert rows.restored({"0": (0, "a", 1), "": "rest"}) == ([("a", 1)], "rest")
    rows.drop("a")
    assert rows.changes((), repr) == (True, {}, [])
    assert rows.changes((), repr) is None


def seventh(number: int) -> int:
    return number % 7


def fifth(number: int) -> int:
    return number // 5 % 3


def graph_of(*operators: Any) -> Any:
    def g() -> Any:
        return ticks(60, 0.002).pipe(*operators)

    return rxs.graph(g)


def elements(window: Any) -> Any:
    return window.value


@pytest.mark.parametrize(
    "operator",
    [
        ops.window_by_event_time(
            float, 4, every=2, key=seventh, out_of_orderness=2, allowed_lateness=3
        ),
        ops.window_by_event_time(float, gap=3, key=fifth),
    ],
    ids=["that overlap", "sessions"],
)
def test_windows_are_the_same_after_a_crash(operator: Any) -> None:
    assert crash_everywhere(graph_of(operator, ops.map(elements))) > 9


def test_windows_of_time_lose_nothing_in_a_crash() -> None:
    def g() -> Any:
        windows = ops.window_by_time(0.02, key=seventh)
        return ticks(60, 0.002).pipe(windows, ops.map(elements)).named("windows")

    def flat(seen: Any) -> Any:
        return sorted(n for window in seen["windows"] for n in window)

    assert crash_everywhere(rxs.graph(g), by=flat) > 9


def joined() -> Any:
    late = ticks(30, 0.004).map(lambda n: 2 * n)
    return ticks(60, 0.002).pipe(ops.join_by(late, seventh, seventh, 1_000, max_items=90))


def test_joins_find_the_same_after_a_crash() -> None:
    assert crash_everywhere(rxs.graph(joined), by=as_bags) > 9


def test_what_was_held_for_a_join_is_forgotten_in_its_time() -> None:
    unit: Any = ops.join_by(rxs.empty(), letter, letter, 5, max_items=3, on_full="drop_oldest").spec  # type: ignore[attr-defined]  # an Operator

    async def main() -> None:
        first, second, log = unit.make(), unit.make(), Stored()
        for number in range(8):
            await asyncio.sleep(1)
            side = first.sides[number % 2]
            side.forget(asyncio.get_running_loop().time() - 5)
            if len(side.held) > 2:
                side.drop()
            side.put(asyncio.get_running_loop().time(), f"k{number}", number)
            first.pending.append(number)
            log.apply(first.changes())
        await asyncio.sleep(100)
        second.restore_changes(log.rows)
        await asyncio.sleep(1)
        ages = [[round(age, 3) for age, _, _ in side] for side in second.snapshot()[-1]]
        assert ages == [[6, 4, 2], [5, 3, 1]]
        assert second.snapshot()[0] == tuple(range(8))

    virtually(main())


@pytest.mark.parametrize(
    "operator",
    [
        ops.scan_by(seventh, add, max_keys=5),
        ops.count_by(seventh, max_keys=5),
        ops.keyed(seventh, lambda s: s.buffer_with_count(2), max_keys=5),
        ops.distinct_recent(5),
    ],
    ids=lambda operator: repr(operator.spec.name),
)
def test_a_crash_at_any_commit_changes_nothing(operator: Any) -> None:
    assert crash_everywhere(graph_of(operator)) > 9


async def test_a_unit_tells_what_waits_beside_its_keys() -> None:
    case = Case(lambda s: s.pipe(ops.enrich(rxs.empty(), letter, letter)), ())
    plan, reader = case.plan(), Reader(1)
    feeds = [Feed(()), Feed(())]
    life = Life(plan, feeds, reader)
    life.edges[1].push(["a1", "b2"])
    life.edges[0].push(["b0"])
    await settled()
    log, unit = Stored(), life.unit
    log.apply(unit.changes())
    assert (len(log.rows), unit.changes()) == (3, None)
    unit.pending.append(("b9", "b2"))
    assert log.apply(unit.changes()) == (False, {"held": (("b9", "b2"),)}, [])
    again: Any = case.plan().nodes[-1].spec.make()
    again.restore_changes(log.rows)
    assert again.snapshot() == unit.snapshot()
    unit.close()

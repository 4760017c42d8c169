"""Closed windows by the time that elements say: what is in each, when it comes, what is too late."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta
from operator import add
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rxstream
from rxstream.operators.event_windows import window_by_event_time
from rxstream.operators.panes import Window
from rxstream.stream import source
from tests.operators.bench import Bench, decoded, decoder, resumed
from tests.operators.parts import Bad, at, heard, nexts, told, virtually
from tests.operators.windowed import by_event, name, row, shown, when

# -- by the elements' time ---------------------------------------------------------------------


def test_a_window_closes_when_the_watermark_reaches_its_end() -> None:
    assert by_event(row("1a 4b 5c 12d"), 5) == [(0, 5, "ab"), (5, 10, "c"), (10, 15, "d"), "|"]


def test_disorder_within_the_bound_loses_nothing() -> None:
    rows = row("6a 4b 9c 7d 13e")
    assert by_event(rows, 5, out_of_orderness=3) == [
        (0, 5, "b"),
        (5, 10, "acd"),
        (10, 15, "e"),
        "|",
    ]
    assert by_event(rows, 5) == [(5, 10, "acd"), (10, 15, "e"), "|"], "b is late"


def test_sliding_windows_overlap() -> None:
    assert by_event(row("0a 3b 5c 9d"), 6, 3) == [
        (-3, 3, "a"),
        (0, 6, "abc"),
        (3, 9, "bc"),
        (6, 12, "d"),
        (9, 15, "d"),
        "|",
    ]


def test_between_windows_that_leave_gaps_elements_belong_to_none() -> None:
    assert by_event(row("0a 1b 2c 3d 4e 6f"), 2, 3) == [
        (0, 2, "ab"),
        (3, 5, "de"),
        (6, 8, "f"),
        "|",
    ]


def test_a_session_ends_when_nothing_came_for_the_gap() -> None:
    assert by_event(row("1a 2b 5c 8d 20e"), gap=3) == [
        (1, 5, "ab"),
        (5, 8, "c"),
        (8, 11, "d"),
        (20, 23, "e"),
        "|",
    ]


def test_an_element_between_two_sessions_makes_one_of_them() -> None:
    assert by_event(row("1a 8b 4c 20d"), gap=4, out_of_orderness=9) == [
        (1, 8, "ac"),
        (8, 12, "b"),
        (20, 24, "d"),
        "|",
    ]
    assert by_event(row("1a 7b 4c 20d"), gap=4, out_of_orderness=9) == [
        (1, 11, "abc"),
        (20, 24, "d"),
        "|",
    ]


def test_each_key_has_windows_of_its_own() -> None:
    operator = window_by_event_time(when, 5, key=name)
    found = told(source(row("1a 2b 3a 6b")).pipe(operator))
    assert found == nexts(
        Window(0, 5, "a", ((1, "a"), (3, "a"))),
        Window(0, 5, "b", ((2, "b"),)),
        Window(5, 10, "b", ((6, "b"),)),
    )


def test_elements_may_be_reduced_while_they_come() -> None:
    def values(**options: Any) -> list[Any]:
        rows = source([(1, 10), (2, 20), (7, 5)])
        return [
            item[1].value
            for item in told(rows.pipe(window_by_event_time(when, **options)))
            if len(item) > 1
        ]

    def total(sum_: int, item: Any) -> int:
        return sum_ + int(item[1])

    assert values(size=5, reduce=total, init=0) == [30, 5]
    assert values(size=5, reduce=max) == [(2, 20), (7, 5)]
    assert values(gap=6, reduce=total, init=0, merge=add) == [35]
    bridged = source([(1, 10), (9, 20), (5, 5)])
    joined = window_by_event_time(when, gap=5, out_of_orderness=9, reduce=total, init=0, merge=add)
    assert told(bridged.pipe(joined)) == nexts(Window(1, 14, None, 35))
    first = window_by_event_time(when, gap=5, out_of_orderness=9, reduce=max)
    assert told(bridged.pipe(first)) == nexts(Window(1, 14, None, (9, 20)))


def test_a_timestamp_may_be_a_datetime() -> None:
    day = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [(day + timedelta(minutes=m), m) for m in (0, 30, 61)]
    windows = window_by_event_time(when, timedelta(hours=1))
    found = [item[1] for item in told(source(rows).pipe(windows))[:-1]]
    assert [(datetime.fromtimestamp(w.start, UTC), len(w.value)) for w in found] == [
        (day, 2),
        (day + timedelta(hours=1), 1),
    ]
    naive = [(each.replace(tzinfo=None), m) for each, m in rows]
    assert [w[1].start for w in told(source(naive).pipe(windows))[:-1]] == [w.start for w in found]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), "1", None])
def test_what_is_no_timestamp_is_an_error_after_what_came_before(bad: Any) -> None:
    found = by_event([(1, "a"), (9, "b"), (bad, "c")], 5)
    assert found == [
        (0, 5, "a"),
        f"timestamp gave {bad!r}: it must give a finite number or a datetime",
    ]


def test_an_error_discards_what_is_open() -> None:
    rows = at((1, (1, "a")), (2, (6, "b")), (3, Bad("no")))
    found = virtually(heard(rows.pipe(window_by_event_time(when, 5))))
    assert found == [("next", Window(0, 5, None, ((1, "a"),))), ("error", "no")]


def test_a_window_cannot_be_changed() -> None:
    window = Window(0, 1, None, ())
    with pytest.raises(FrozenInstanceError):
        window.start = 1  # type: ignore[misc]  # what is tested


# -- what is late ------------------------------------------------------------------------------


def parted(rows: list[Any], *args: Any, **options: Any) -> tuple[list[Any], list[Any]]:
    """What the two streams of one run give."""

    async def main() -> Any:
        @rxstream.graph
        def halves() -> Any:
            windows, late = source(rows).pipe(
                window_by_event_time(when, *args, with_late=True, **options)
            )
            return {"windows": windows, "late": late}

        async with rxstream.Engine(graphs=[halves]) as engine:
            execution = await engine.start("halves")
            outputs: dict[str | None, list[Any]] = {"windows": [], "late": []}
            async for event in execution.events():
                if event.event_type == "step_output":
                    outputs[event.step_id].append(event.data)
            return outputs["windows"], outputs["late"]

    found: tuple[list[Any], list[Any]] = asyncio.run(main())
    return found


def test_late_elements_go_to_a_stream_of_their_own() -> None:
    windows, late = parted(row("1a 6b 2c 3d 12e 4f"), 5)
    assert [(w["start"], [x[1] for x in w["value"]]) for w in windows] == [
        (0, ["a"]),
        (5, ["b"]),
        (10, ["e"]),
    ]
    assert late == [[2, "c"], [3, "d"], [4, "f"]]


@pytest.mark.parametrize("half", [0, 1])
def test_one_of_the_two_streams_may_stay_unread(half: int) -> None:
    halves = source(row("1a 6b 2c")).pipe(window_by_event_time(when, 5, with_late=True))
    found = told(halves[half])
    assert len(found) == (3 if half == 0 else 2)
    assert found[-1] == ("end",)

    @rxstream.graph
    def one() -> Any:
        return source(row("1a")).pipe(window_by_event_time(when, 5, with_late=True))[half]

    assert len(one.build().nodes) == 3


def test_late_elements_are_counted_where_anybody_can_see() -> None:
    async def main() -> Any:
        @rxstream.graph
        def one() -> Any:
            return source(row("1a 6b 2c 3d")).pipe(window_by_event_time(when, 5)).named("w")

        async with rxstream.Engine(graphs=[one]) as engine:
            execution = await engine.start("one")
            await execution.wait()
            return next(n for n in execution.statistics().nodes if n.node == "w").progress

    assert asyncio.run(main()).message == "2 late"


def test_an_element_that_is_not_too_late_gives_its_window_again() -> None:
    rows = row("1a 6b 2c 3d 13e 4f")
    operator = window_by_event_time(when, 5, allowed_lateness=4)
    found = [item[1] for item in told(source(rows).pipe(operator))[:-1]]
    assert [(*shown(w), w.revision) for w in found] == [
        (0, 5, "a", 0),
        (0, 5, "ac", 1),
        (0, 5, "acd", 2),
        (5, 10, "b", 0),
        (10, 15, "e", 0),
    ]
    assert by_event(row("6a 1b"), 5, allowed_lateness=4) == [(0, 5, "b"), (5, 10, "a"), "|"]


def test_an_element_within_some_windows_only_is_not_late() -> None:
    assert by_event(row("7a 4b"), 6, 3) == [(3, 9, "ab"), (6, 12, "a"), "|"]


def test_a_session_that_was_given_may_be_open_again() -> None:
    operator = window_by_event_time(when, gap=3, allowed_lateness=10)
    rows = row("1a 5b 3c 4d 20e")
    found = [item[1] for item in told(source(rows).pipe(operator))[:-1]]
    assert [(*shown(w), w.revision) for w in found] == [
        (1, 4, "a", 0),
        (1, 8, "abcd", 1),
        (20, 23, "e", 0),
    ]


def test_a_session_that_ended_and_was_given_is_given_again() -> None:
    operator = window_by_event_time(when, gap=3, allowed_lateness=20)
    found = [item[1] for item in told(source(row("1a 15b 2c 9d 40e 3f")).pipe(operator))[:-1]]
    assert [(*shown(w), w.revision) for w in found] == [
        (1, 4, "a", 0),
        (1, 5, "ac", 1),
        (9, 12, "d", 0),
        (15, 18, "b", 0),
        (40, 43, "e", 0),
    ]


# -- against a naive reference -----------------------------------------------------------------

TIMES = st.lists(st.tuples(st.integers(0, 40), st.sampled_from("ab")), max_size=25)


def shuffled(rows: list[Any], disorder: int) -> list[tuple[int, str, int]]:
    """Elements numbered by arrival, none more than `disorder` behind the latest."""
    latest, kept = 0, []
    for index, (time, key) in enumerate(rows):
        latest = max(latest, time)
        if time >= latest - disorder:
            kept.append((time, key, index))
    return kept


def naive_windows(rows: list[Any], size: int, every: int) -> list[Window[Any]]:
    found = defaultdict(list)
    for item in rows:
        for start in range(-size * every, 50, every):
            if start % every == 0 and start <= item[0] < start + size:
                found[start, item[1]].append(item)
    return [Window(s, s + size, k, tuple(items)) for (s, k), items in found.items()]


def naive_sessions(rows: list[Any], gap: int) -> list[Window[Any]]:
    found: list[Window[Any]] = []
    for key in "ab":
        session: list[Any] = []
        for item in [*sorted(r for r in rows if r[1] == key), (10**6, key, -1)]:
            if session and item[0] - session[-1][0] >= gap:
                start, end = session[0][0], session[-1][0] + gap
                found.append(Window(start, end, key, tuple(session)))
                session = []
            session.append(item)
    return found


def ordered(windows: Iterable[Window[Any]]) -> list[Window[Any]]:
    """Whatever the order in which elements of a window came."""
    made = [replace(window, value=tuple(sorted(window.value))) for window in windows]
    return sorted(made, key=lambda w: (w.end, w.start, w.key))


@given(
    rows=TIMES,
    disorder=st.integers(0, 15),
    size=st.integers(1, 7),
    every=st.integers(1, 7),
)
def test_windows_are_those_of_all_elements_sorted(
    rows: list[Any], disorder: int, size: int, every: int
) -> None:
    kept = shuffled(rows, disorder)
    operator = window_by_event_time(when, size, every, key=name, out_of_orderness=disorder)
    found = decoded(operator, kept)
    assert ordered(found) == ordered(naive_windows(kept, size, every))
    assert [w.end for w in found] == sorted(w.end for w in found)
    assert decoded(operator, kept, restored=True) == found
    assert resumed(operator, kept) == [*found, "|"]


@given(rows=TIMES, disorder=st.integers(0, 15), gap=st.integers(1, 7))
def test_sessions_are_those_of_all_elements_sorted(
    rows: list[Any], disorder: int, gap: int
) -> None:
    kept = shuffled(rows, disorder)
    operator = window_by_event_time(when, gap=gap, key=name, out_of_orderness=disorder)
    found = decoded(operator, kept)
    assert ordered(found) == ordered(naive_sessions(kept, gap))
    assert [w.end for w in found] == sorted(w.end for w in found)
    assert decoded(operator, kept, restored=True) == found


@given(
    rows=TIMES,
    disorder=st.integers(0, 5),
    lateness=st.integers(0, 8),
    size=st.integers(1, 7),
)
def test_late_elements_are_those_whose_windows_are_past(
    rows: list[Any], disorder: int, lateness: int, size: int
) -> None:
    numbered = [(time, key, index) for index, (time, key) in enumerate(rows)]
    operator = window_by_event_time(
        when, size, key=name, out_of_orderness=disorder, allowed_lateness=lateness
    )
    watermark, late, held = -(10**6), 0, defaultdict(list)
    last: dict[Any, Window[Any]] = {}
    for item in numbered:
        end = item[0] // size * size + size
        if end + lateness <= watermark:
            late += 1
        else:
            held[end, item[1]].append(item)
        watermark = max(watermark, item[0] - disorder)
    for window in decoded(operator, numbered):
        before = last.get((window.end, window.key))
        assert window.revision == (before.revision + 1 if before else 0)
        last[window.end, window.key] = window
    assert {k: list(w.value) for k, w in last.items()} == dict(held)
    assert decoded(operator, numbered, restored=True) == decoded(operator, numbered)
    machine: Any = decoder(operator)
    for item in numbered:
        machine.feed(item, [])
    assert machine.late == late


@given(rows=TIMES, lateness=st.integers(0, 8), gap=st.integers(1, 7), count=st.integers(1, 3))
def test_a_restored_machine_goes_on_alike_when_much_is_late_and_full(
    rows: list[Any], lateness: int, gap: int, count: int
) -> None:
    for spans in ({"gap": gap}, {"size": gap, "every": 2}):
        operator = window_by_event_time(  # type: ignore[call-overload]  # made of parts
            when,
            **spans,
            key=name,
            allowed_lateness=lateness,
            max_items=count,
            max_windows=count,
            on_full="close",
        )
        found = decoded(operator, rows)
        assert decoded(operator, rows, restored=True) == found
        assert resumed(operator, rows) == [*found, "|"]
        machine: Any = decoder(operator)
        for item in rows:
            machine.feed(item, [])
            assert len(machine.panes._kept) <= count
            assert len(machine.panes._agenda) <= 2 * count + 65


@given(st.lists(st.floats(0, 3, allow_nan=False), max_size=20), st.sampled_from([0.1, 0.2, 0.3]))
def test_fractions_lose_no_element_and_double_none(times: list[float], size: float) -> None:
    rows = [(time, index) for index, time in enumerate(times)]
    found = decoded(window_by_event_time(when, size, out_of_orderness=9), rows)
    assert sorted(item for window in found for item in window.value) == sorted(rows)
    assert len({window.start for window in found}) == len(found)


def test_pairs_of_windows_and_late_elements_can_be_stored() -> None:
    both: Any = source([]).pipe(window_by_event_time(when, 5, with_late=True))[0].inputs[0]

    class Both:
        spec = both.spec

        def __call__(self, stream: Any) -> Any:
            return stream.then(self.spec)

    rows = row("1a 6b 2c 12d 3e")
    found = [(True, Window(0, 5, None, ((1, "a"),))), (False, (2, "c"))]
    assert decoded(Both, rows, restored=True)[:2] == found
    bench = Bench(Both(), None, 0)
    bench.allow(1)
    bench.edge.push(rows)
    assert resumed(Both(), rows)[:2] == found

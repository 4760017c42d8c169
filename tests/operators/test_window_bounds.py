"""How much windows may hold, what becomes of more, and what is refused when the graph is drawn."""

from __future__ import annotations

from operator import add
from typing import Any

import pytest

from rxstream.errors import BufferOverflow, GraphError
from rxstream.operators.event_windows import window_by_event_time
from rxstream.operators.panes import Window
from rxstream.stream import source
from tests.operators.bench import Bench, decoder
from tests.operators.parts import nexts, told
from tests.operators.windowed import by_event, name, row, shown, when


def test_more_windows_than_allowed_is_an_error() -> None:
    assert by_event(row("1a 2b 3c"), 5, key=name, max_windows=2) == [
        "2 windows are open and one more was to be: give a larger max_windows, fewer keys, or have the "
        "one that ends first closed early (on_full='close')"
    ]


def test_more_items_than_allowed_is_an_error_unless_they_are_reduced() -> None:
    rows = row("1a 2b 3c")
    assert by_event(rows, 5, max_items=2)[0].startswith("a window holds 2 elements and one more")
    assert by_event(rows, gap=5, max_items=2)[0].startswith("a window holds 2 elements and one")
    reduced = window_by_event_time(when, 5, reduce=max, max_windows=1)
    assert told(source(rows).pipe(reduced)) == nexts(Window(0, 5, None, (3, "c")))


def test_a_bound_that_is_passed_is_the_authors_error() -> None:
    bench = Bench(window_by_event_time(when, 5, max_items=1))
    bench.edge.push(row("1a 2b"))
    (error,) = bench.told
    assert isinstance(error, BufferOverflow)


def test_windows_may_be_closed_early_instead() -> None:
    closing: Any = {"on_full": "close"}
    assert by_event(row("1a 2b 3c"), 5, max_items=2, **closing) == [(0, 5, "ab"), (0, 5, "c"), "|"]
    assert by_event(row("1a 2b 3c 9d"), gap=5, max_items=2, **closing) == [
        (1, 7, "ab"),
        (3, 8, "c"),
        (9, 14, "d"),
        "|",
    ]
    assert by_event(row("1a 6b 2c"), 5, key=name, out_of_orderness=9, max_windows=2, **closing) == [
        (0, 5, "a"),
        (0, 5, "c"),
        (5, 10, "b"),
        "|",
    ]


def test_what_waits_for_a_reader_is_bounded() -> None:
    bench = Bench(window_by_event_time(when, 2, key=name), None, 0)
    bench.edge.push([(0, "a"), (0, "b"), (5, "a"), (9, "a")])
    bench.allow(1)
    assert shown(bench.told[0]) == (0, 2, "a")
    bench.allow(9)
    assert [shown(item) for item in bench.told] == [(0, 2, "a"), (0, 2, "b"), (4, 6, "a")]


def test_entries_of_sessions_that_were_joined_are_swept() -> None:
    machine: Any = decoder(
        window_by_event_time(when, gap=3, out_of_orderness=10**9, max_items=10**6)
    )
    for start in range(0, 4000, 4):
        machine.feed((start, "a"), [])
        machine.feed((start + 4, "a"), [])
        machine.feed((start + 2, "a"), [])
    assert len(machine.panes._kept) == 1
    assert len(machine.panes._agenda) < 80


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "how long windows last"),
        ({"size": 1, "gap": 1}, "how long windows last"),
        ({"gap": 1, "every": 1}, "how long windows last"),
        ({"every": 1}, "how long windows last"),
        ({"size": 0}, "size must be finite and above 0"),
        ({"size": 1, "every": -1}, "every must be finite and above 0"),
        ({"gap": float("nan")}, "gap must be finite"),
        ({"size": 1, "init": 0}, "give reduce too"),
        ({"size": 1, "on_full": "drop"}, "'fail' or 'close'"),
        ({"size": 1, "max_windows": 0}, "max_windows must be at least 1"),
        ({"size": 1, "max_items": 0}, "max_items must be at least 1"),
        ({"size": 1, "out_of_orderness": -1}, "out_of_orderness must be finite and at least 0"),
        ({"size": 1, "allowed_lateness": float("inf")}, "allowed_lateness must be finite"),
        ({"gap": 1, "reduce": add, "init": 0}, "needs merge"),
        ({"size": 1, "reduce": add, "merge": add}, "merge is for sessions"),
        ({"gap": 1, "merge": add}, "merge is for sessions"),
    ],
)
def test_what_makes_no_sense_is_refused(options: Any, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        window_by_event_time(when, **options)

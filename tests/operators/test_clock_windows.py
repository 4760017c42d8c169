"""Closed windows by the clock, which is virtual here: what is in each, and when it comes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rxstream.operators.event_windows import window_by_time
from rxstream.operators.panes import Window
from rxstream.stream import Stream, source
from tests.operators.bench import decoder, plain
from tests.operators.live import Timed, live, settled
from tests.operators.parts import Bad, at, heard, ops, told, virtually
from tests.operators.test_timing import timeline


@pytest.fixture(autouse=True)
def _epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Virtual seconds are seconds since 1970."""
    monkeypatch.setattr("rxstream.operators._clock._EPOCH", 0.0)


def clocked(stream: Stream[Any], *args: Any, **options: Any) -> list[Any]:
    """When windows were given, and what they are in short."""

    async def main() -> Any:
        return await timeline(stream.pipe(window_by_time(*args, **options)))

    def letters(window: Any) -> Any:
        if not isinstance(window, Window):
            return window
        return (window.start, window.end, "".join(window.value))

    return [(time, letters(item)) for time, item in virtually(main())]


def letters() -> Stream[Any]:
    return at((1, "a"), (2, "b"), (3, "c"), (7, "d"), (11, "e"))


def test_a_window_closes_when_its_time_is_over() -> None:
    assert clocked(letters(), 2.5) == [
        (2.5, (0, 2.5, "ab")),
        (5, (2.5, 5, "c")),
        (7.5, (5, 7.5, "d")),
        (11, (10, 12.5, "e")),
        (11, "|"),
    ]


def test_windows_by_the_clock_may_overlap() -> None:
    assert clocked(letters().take(3), 4, 2) == [
        (2, (-2, 2, "a")),
        (3, (0, 4, "abc")),
        (3, (2, 6, "bc")),
        (3, "|"),
    ]


def test_a_session_by_the_clock_closes_when_nothing_came_for_the_gap() -> None:
    assert clocked(letters(), gap=1.5) == [
        (4.5, (1, 4.5, "abc")),
        (8.5, (7, 8.5, "d")),
        (11, (11, 12.5, "e")),
        (11, "|"),
    ]


def test_an_element_at_the_end_of_a_window_is_in_the_next() -> None:
    assert clocked(at((1, "a"), (2, "b"), (5, "c")), 2) == [
        (2, (0, 2, "a")),
        (4, (2, 4, "b")),
        (5, (4, 6, "c")),
        (5, "|"),
    ]


def test_what_the_clock_closes_together_comes_in_order() -> None:
    stream = at((1, "b"), (1.5, "a"), (2, "b"), (9, "c"))
    found = virtually(timeline(stream.pipe(window_by_time(4, key=str))))
    assert [(time, item.key) for time, item in found[:-1]] == [(4, "b"), (4, "a"), (9, "c")]


def test_an_error_discards_windows_of_the_clock_too() -> None:
    assert clocked(at((1, "a"), (3, "b"), (3.5, Bad("no"))), 2) == [(2, (0, 2, "a")), (3.5, "no")]


def test_what_a_reducer_raises_is_an_error_of_the_node() -> None:
    def broken(total: Any, item: Any) -> Any:
        raise Bad("cannot add")

    stream = at((1, "a"), (1.5, "b"), (3, "c"))
    found = virtually(heard(stream.pipe(window_by_time(2, reduce=broken))))
    assert found == [("error", "cannot add")]


@pytest.mark.parametrize("options", [{"size": 4}, {"size": 4, "every": 3}, {"gap": 2.5}])
def test_a_clocked_unit_that_was_stored_goes_on_where_it_stood(options: Any) -> None:
    operator: Any = window_by_time(key=str, **options)
    times = [(0.5, "a"), (1, "b"), (3, "a"), (3.75, "a"), (9, "b"), (9.5, "a"), (10, "|")]
    expected = live(operator, *times)
    assert len(expected) > 4
    assert live(operator, *times, restored=True) == expected


def test_a_window_that_was_over_while_nobody_ran_is_given_at_once() -> None:
    async def main() -> Any:
        bench = Timed(window_by_time(2))
        await asyncio.sleep(1)
        bench.edge.push(["a"])
        await settled()
        state = bench.unit.snapshot()
        bench.unit.close()
        await asyncio.sleep(9)
        again = Timed(window_by_time(2), state)
        await asyncio.sleep(0.5)
        again.unit.close()
        return state, again.told

    state, found = virtually(main())
    assert plain(state)
    assert found == [(10, Window(0, 2, None, ("a",)))]


def test_windows_that_wait_for_a_reader_can_be_stored() -> None:
    async def main() -> Any:
        bench = Timed(window_by_time(2), None, 0)
        bench.edge.push(["a"])
        await asyncio.sleep(3)
        state = bench.unit.snapshot()
        bench.unit.close()
        again = Timed(window_by_time(2), state, 1)
        await settled()
        return state, again.told

    state, found = virtually(main())
    assert plain(state)
    assert found == [(3, Window(0, 2, None, ("a",)))]


def test_nothing_is_given_when_the_clock_rings_after_the_end() -> None:
    async def main() -> Any:
        bench = Timed(window_by_time(2, key=str), None, 0)
        bench.edge.push(["a", "b"])
        await settled()
        bench.edge.finish()
        await asyncio.sleep(5)
        bench.allow(9)
        await settled()
        return [getattr(item, "key", item) for _, item in bench.told]

    assert virtually(main()) == ["a", "b", "|"]


def test_a_clock_that_is_set_back_opens_nothing_that_was_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine: Any = decoder(window_by_time(10))
    now = datetime(2026, 1, 1, tzinfo=UTC)
    monkeypatch.setattr("rxstream.operators._windowing.wall_now", lambda: now)
    out: list[Any] = []
    machine.feed("a", out)
    now += timedelta(seconds=10)
    machine.feed("b", out)
    now -= timedelta(seconds=5)
    machine.feed("c", out)
    machine.finish(out)
    assert [window.value for window in out] == [("a",), ("b", "c")]


def test_the_clock_needs_an_event_loop() -> None:
    ((kind, text),) = told(source(["a"]).pipe(window_by_time(2), ops.take(1)))
    assert kind == "error"
    assert "needs an event loop" in text

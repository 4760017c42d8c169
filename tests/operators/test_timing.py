"""Operators that wait for time, on a clock that jumps: what they give and when, to the second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from reactivex import operators as rx
from reactivex.scheduler.eventloop import AsyncIOScheduler

import rxstream
from rxstream.operators._clock import seconds, wall_now
from rxstream.stream import Stream
from tests.operators.parts import Bad, at, heard, items, ops, virtually

Timeline = list[tuple[float, Any]]


async def timeline(stream: Stream[Any]) -> Timeline:
    """Virtual seconds since the start and what was told then; `|` is a good end, an error its text."""
    clock = asyncio.get_running_loop().time
    begun = clock()
    found: Timeline = []
    try:
        async for item in stream:
            found.append((round(clock() - begun, 3), item))
    except Exception as error:
        found.append((round(clock() - begun, 3), str(error)))
    else:
        found.append((round(clock() - begun, 3), "|"))
    return found


def told(make: Callable[[], Stream[Any]]) -> Timeline:
    async def main() -> Timeline:
        return await timeline(make())

    found: Timeline = virtually(main())
    return found


def beats() -> Stream[Any]:
    """1 2 3 close together, then 4 and 5 apart."""
    return at((1, 1), (2, 2), (3, 3), (7, 4), (11, 5))


def breaking() -> Stream[Any]:
    return at((1, 1), (2, 2), (3, Bad("no")))


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (ops.debounce(2), [(5, 3), (9, 4), (11, 5), (11, "|")]),
        (ops.throttle_with_timeout(timedelta(seconds=2)), [(5, 3), (9, 4), (11, 5), (11, "|")]),
        (ops.throttle_first(1.5), [(1, 1), (3, 3), (7, 4), (11, 5), (11, "|")]),
        (ops.sample(2.5), [(2.5, 2), (5, 3), (7.5, 4), (12.5, 5), (12.5, "|")]),
        (ops.delay(3), [(4, 1), (5, 2), (6, 3), (10, 4), (14, 5), (14, "|")]),
        (ops.take_with_time(2.5), [(1, 1), (2, 2), (2.5, "|")]),
        (ops.take_until_with_time(2.5), [(1, 1), (2, 2), (2.5, "|")]),
        (ops.skip_with_time(2.5), [(3, 3), (7, 4), (11, 5), (11, "|")]),
        (ops.skip_until_with_time(2.5), [(3, 3), (7, 4), (11, 5), (11, "|")]),
        (ops.timeout(3), [(1, 1), (2, 2), (3, 3), (6, "no element for 3 s")]),
        (ops.timeout(5), [(1, 1), (2, 2), (3, 3), (7, 4), (11, 5), (11, "|")]),
        (
            ops.delay_subscription(2),
            [(3, 1), (4, 2), (5, 3), (9, 4), (13, 5), (13, "|")],
        ),
        (
            ops.buffer_with_time(2.5),
            [(2.5, [1, 2]), (5, [3]), (7.5, [4]), (10, []), (11, [5]), (11, "|")],
        ),
        (
            ops.buffer_with_time(1.5, 4),
            [(1.5, [1]), (5.5, []), (9.5, []), (11, "|")],
        ),
        (
            ops.buffer_with_time_or_count(3.5, 2),
            [(2, [1, 2]), (5.5, [3]), (9, [4]), (11, [5]), (11, "|")],
        ),
    ],
    ids=lambda value: value.spec.name if hasattr(value, "spec") else "",
)
def test_what_comes_and_when(operator: Any, expected: Timeline) -> None:
    found = told(lambda: beats().pipe(operator))
    assert [(when, item) for when, item in found] == expected


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (ops.debounce(0.5), [(1.5, 1), (2.5, 2), (3, "no")]),
        (ops.delay(5), [(3, "no")]),
        (ops.sample(2.5), [(2.5, 2), (3, "no")]),
        (ops.buffer_with_time(2.5), [(2.5, [1, 2]), (3, "no")]),
        (ops.take_with_time(9), [(1, 1), (2, 2), (3, "no")]),
        (ops.skip_with_time(1.5), [(2, 2), (3, "no")]),
        (ops.timeout(9), [(1, 1), (2, 2), (3, "no")]),
        (ops.delay_subscription(1), [(2, 1), (3, 2), (4, "no")]),
    ],
    ids=lambda value: value.spec.name if hasattr(value, "spec") else "",
)
def test_an_error_is_passed_on(operator: Any, expected: Timeline) -> None:
    assert told(lambda: breaking().pipe(operator)) == expected


NAMES: list[tuple[str, tuple[Any, ...]]] = [
    ("debounce", (2.25,)),
    ("throttle_first", (1.5,)),
    ("sample", (2.25,)),
    ("delay", (3.25,)),
    ("take_with_time", (2.25,)),
    ("skip_with_time", (2.25,)),
    ("skip_until_with_time", (2.25,)),
    ("take_until_with_time", (2.25,)),
    ("buffer_with_time", (2.25,)),
    ("buffer_with_time", (3.25, 2.25)),
    ("buffer_with_time_or_count", (2.25, 2)),
    ("timeout", (5,)),
    ("take_last_with_time", (5.5,)),
    ("skip_last_with_time", (1.5,)),
    ("delay_with_mapper", (lambda x: rxstream.timer(float(x)),)),
    ("throttle_with_mapper", (lambda x: rxstream.timer(1.5),)),
]


@pytest.mark.parametrize(
    ("name", "args"), NAMES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_it_is_as_in_reactivex(name: str, args: tuple[Any, ...]) -> None:
    mine = told(lambda: beats().pipe(getattr(ops, name)(*args)))
    theirs = told(lambda: beats().pipe(getattr(rx, name)(*args)))
    assert mine == theirs


def test_a_sampler_may_be_a_stream() -> None:
    found = told(lambda: beats().sample(at((2.5, "x"), (6, "x"), (6.5, "x"), (12, "x"), (13, "x"))))
    assert found == [(2.5, 2), (6, 3), (12, 5), (12, "|")]


def test_a_sampler_that_ends_ends_the_samples() -> None:
    assert told(lambda: beats().sample(at((2.5, "x"))))[-1] == (2.5, "|")


def test_a_time_out_goes_on_with_the_other_stream() -> None:
    found = told(lambda: beats().timeout(3, at((1, "a"), (2, "b"))))
    assert found == [(1, 1), (2, 2), (3, 3), (7, "a"), (8, "b"), (8, "|")]


def test_a_time_of_day_is_a_deadline_for_the_end() -> None:
    def make() -> Stream[Any]:
        return beats().timeout(wall_now() + timedelta(seconds=8))

    assert [when for when, _ in told(make)] == [1, 2, 3, 7, 8]


def test_a_stream_that_ends_in_time_does_not_time_out() -> None:
    def make() -> Stream[Any]:
        return beats().timeout(wall_now() + timedelta(seconds=20))

    assert told(make)[-1] == (11, "|")


def test_what_waits_for_a_slow_reader_has_not_timed_out() -> None:
    async def slow(item: Any) -> Any:
        await asyncio.sleep(5)
        return item

    found = told(lambda: rxstream.range(300).timeout(4).map_async(slow).take(200))
    assert found[-1][1] == "|"


def test_a_window_stays_open_until_its_reader_reads() -> None:
    async def slow(item: Any) -> Any:
        await asyncio.sleep(100)
        return item

    def make(operator: Any) -> Stream[Any]:
        ticks: Any = rxstream.interval(1.0).take(1000)
        piped: Stream[Any] = ticks.pipe(operator, ops.block(1), ops.map_async(slow))
        return piped

    for operator in (ops.buffer_with_time(1.5), ops.buffer_with_time_or_count(1.5, 100)):
        found = told(lambda chosen=operator: make(chosen))  # type: ignore[misc]  # bound at once
        windows = [window for _, window in found[:-1]]
        assert [tick for window in windows for tick in window] == list(range(1000))
        assert len(windows) < 500


def test_what_is_delayed_is_bounded_and_nothing_is_lost() -> None:
    found = told(lambda: rxstream.range(3000).delay(10))
    assert [item for _, item in found[:-1]] == list(range(3000))
    assert sorted({when for when, _ in found}) == [10, 20, 30]


def test_nothing_is_timed_any_more_once_nobody_wants_it() -> None:
    async def main() -> int:
        found = await items(rxstream.interval(1.0).debounce(0.5).take(1))
        await asyncio.sleep(5)
        others = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        return len(found) + len(others)

    assert virtually(main()) == 1


def test_a_scheduler_that_is_given_is_used() -> None:
    async def main() -> Any:
        scheduler = AsyncIOScheduler(asyncio.get_running_loop())
        shown: list[Any] = [
            ops.debounce(2, scheduler),
            ops.throttle_first(2, scheduler),
            ops.buffer_with_time(2, None, scheduler),
            ops.buffer_with_time_or_count(2, 3, scheduler),
            ops.timeout(20, None, scheduler),
            ops.timestamp(scheduler),
            ops.time_interval(scheduler),
        ]
        kinds = {operator.spec.kind for operator in shown}
        return kinds, [await heard(beats().pipe(operator)) for operator in shown]

    kinds, found = virtually(main())
    assert kinds == {"foreign"}
    assert all(each[-1] == ("end",) for each in found)


def test_elements_are_stamped_with_a_clock_that_jumps_too() -> None:
    found = virtually(items(beats().timestamp()))
    assert [(x.timestamp - found[0].timestamp).total_seconds() for x in found] == [0, 1, 2, 6, 10]
    spans = virtually(items(beats().time_interval()))
    assert [x.interval.total_seconds() for x in spans] == [1, 1, 1, 4, 4]


def test_the_time_of_day_is_that_of_a_real_loop() -> None:
    async def main() -> float:
        return abs((wall_now() - datetime.now(UTC)).total_seconds())

    assert asyncio.run(main()) < 60
    assert abs((wall_now() - datetime.now(UTC)).total_seconds()) < 60


def test_times_are_written_as_reactivexs_callers_write_them() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=100)
    assert seconds(timedelta(minutes=1)) == 60
    assert seconds(2) == 2.0
    assert seconds(-2) == 0.0
    assert 90 < seconds(soon) < 101
    assert 90 < seconds(soon.replace(tzinfo=None)) < 101


def test_a_throttle_of_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="window_duration"):
        ops.throttle_first(0)

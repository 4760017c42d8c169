"""A replay tells what was recorded, at the pace that was asked for, as a whole or in part."""

from __future__ import annotations

import asyncio

import orjson
import pytest

import rxstream as rxs
from rxstream.errors import BadRequest, LogError, UnknownExecution
from rxstream.events import draft
from rxstream.log import Commit, MemoryLog
from rxstream.testing import virtual_time
from tests.replay.parts import ID, end, marks, output, record, recorded, told


@virtual_time
async def test_without_a_speed_everything_is_told_at_once() -> None:
    log = await recorded(output(0, 1), output(500, 2), end(1_000))
    assert [when for when, _ in await told(rxs.replay(log, ID))] == [0, 0, 0]


@pytest.mark.parametrize(
    ("speed", "expected"), [(1, [0, 2, 5]), (10, [0, 0.2, 0.5]), (0.5, [0, 4, 10])]
)
def test_the_pace_is_that_of_the_record_times_the_speed(
    speed: float, expected: list[float]
) -> None:
    @virtual_time
    async def play() -> list[float]:
        log = await recorded(output(7, 1), output(9, 2), end(12))
        return [when for when, _ in await told(rxs.replay(log, ID, speed=speed))]

    assert play() == expected


@virtual_time
async def test_infinite_speed_is_no_pause() -> None:
    log = await recorded(output(0, 1), end(9))
    assert [when for when, _ in await told(rxs.replay(log, ID, speed=float("inf")))] == [0, 0]


@virtual_time
async def test_a_long_silence_can_be_shortened() -> None:
    log = await recorded(output(0, 1), output(1, 2), output(86_401, 3), end(86_402))
    replay = rxs.replay(log, ID, speed=1, max_pause_s=5)
    assert [when for when, _ in await told(replay)] == [0, 1, 6, 7]


@virtual_time
async def test_a_clock_that_was_set_back_makes_no_pause() -> None:
    log = await recorded(output(3_600, 1), output(0, 2), output(2, 3), end(3))
    assert [when for when, _ in await told(rxs.replay(log, ID, speed=1))] == [0, 0, 2, 3]


@virtual_time
async def test_what_is_left_out_takes_its_time_all_the_same() -> None:
    log = await recorded(
        output(0, 1), output(1, "x", "noise"), output(2, "y", "noise"), output(3, 2), end(4)
    )
    replay = rxs.replay(log, ID, speed=1, steps=["numbers"])
    assert (await told(replay))[:2] == [(0, 1), (3, 2)]


@virtual_time
async def test_a_slow_reader_makes_the_replay_late_and_does_not_shift_the_rest() -> None:
    log = await recorded(*(output(second, second) for second in range(6)), end(6))
    replay = rxs.replay(log, ID, speed=1)
    now, times = asyncio.get_running_loop().time, []
    async for event in replay:
        times.append(now())
        if event.sequence == 1:
            await asyncio.sleep(3.5)
    assert times == [0, 3.5, 3.5, 3.5, 4, 5, 6]


async def test_the_ending_and_only_what_was_chosen_is_told() -> None:
    log = await recorded(
        draft("step_start", "numbers", b"{}"), output(0, 1), output(0, "x", "other"), end(0)
    )
    by_type = [e.event_type async for e in rxs.replay(log, ID, types=["step_start"])]
    by_step = [e.sequence async for e in rxs.replay(log, ID, steps=["other"])]
    both = [e.sequence async for e in rxs.replay(log, ID, steps=["other"], types=["step_start"])]
    assert by_type == ["step_start", "pipeline_complete"]
    assert (by_step, both) == ([3, 4], [4])


async def test_an_event_told_again_is_the_same_but_for_its_mark() -> None:
    drafts = [
        output(0, {"metadata": None}),
        draft("step_start", "a", b"{}", metadata=b'{"attempt":2}'),
    ]
    log = await recorded(*drafts, end(0))
    originals = [event.to_dict() for event in await log.read(ID)]
    replays = [orjson.loads(event.json) async for event in rxs.replay(log, ID)]
    assert [event.pop("metadata") for event in replays] == [
        {"replayed": True},
        {"attempt": 2, "replayed": True},
        {"replayed": True},
    ]
    assert replays == [{k: v for k, v in e.items() if k != "metadata"} for e in originals]


async def test_it_begins_at_any_cursor() -> None:
    log = await recorded(*(output(0, n) for n in range(5)), end(0))
    cursor = (await log.read(ID))[2].cursor
    assert [e.sequence async for e in rxs.replay(log, ID, after=cursor)] == [4, 5, 6]
    assert [e.sequence async for e in rxs.replay(log, ID, after=6)] == []


async def test_a_gap_is_told_first_and_passes_every_filter() -> None:
    log = await recorded(output(0, 1), end(0))
    events = [e async for e in rxs.replay(log, ID, after="abcd:1", types=["step_error"], speed=9)]
    assert [e.event_type for e in events] == ["gap", "pipeline_complete"]


@virtual_time
async def test_a_running_execution_goes_on_live_and_unmarked() -> None:
    log = await recorded(output(0, 1), output(0, 2), status="running")
    reading = asyncio.create_task(_all(rxs.replay(log, ID)))
    await asyncio.sleep(1)
    await log.commit(Commit(ID, [output(0, 3), end(0)], record()))
    assert marks(await reading) == [True, True, False, False]


@virtual_time
async def test_what_had_to_wait_for_its_pace_is_marked_also_when_it_came_later() -> None:
    log = await recorded(output(0, 1), output(60, 2), status="running")
    reading = asyncio.create_task(_all(rxs.replay(log, ID, speed=1)))
    await asyncio.sleep(1)
    await log.commit(Commit(ID, [output(70, 3), end(70)], record()))
    assert marks(await reading) == [True, True, True, False]


async def _all(replay: rxs.Replay) -> list[rxs.StreamEvent]:
    return [event async for event in replay]


@virtual_time
async def test_batches_hold_what_is_due_and_a_pause_can_be_looked_into() -> None:
    log = await recorded(output(0, 1), output(0, 2), output(10, 3), end(10))
    replay = rxs.replay(log, ID, speed=1)
    assert [e.data for e in await replay.next(limit=1)] == [1]
    assert [e.data for e in await replay.next()] == [2]
    assert await replay.next(timeout=4) == []
    assert [e.sequence for e in await replay.next(timeout=20)] == [3, 4]
    assert replay.ended
    assert await replay.next() == []


@virtual_time
async def test_nothing_to_tell_gives_an_empty_batch_in_time() -> None:
    log = await recorded(output(0, 1), *(output(0, n) for n in range(600)), status="running")
    replay = rxs.replay(log, ID, steps=["other"])
    assert await replay.next(timeout=0) == []
    assert await replay.next(timeout=3) == []
    assert asyncio.get_running_loop().time() == 3


async def test_a_log_that_is_closed_before_the_end_is_no_ending() -> None:
    log = await recorded(output(0, 1), status="running")
    replay = rxs.replay(log, ID)
    assert [event.data for event in await replay.next()] == [1]
    await log.close()
    with pytest.raises(LogError, match="before the execution ended"):
        await replay.next()
    assert not replay.ended


@pytest.mark.parametrize(
    "wrong", [{"speed": 0}, {"speed": -1}, {"speed": float("nan")}, {"max_pause_s": -1}]
)
def test_a_pace_that_is_none_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadRequest, match="must be"):
        rxs.replay(MemoryLog(), ID, **wrong)  # type: ignore[arg-type]  # no types or steps among them


async def test_an_unknown_execution_is_said() -> None:
    log = await recorded(end(0))
    with pytest.raises(UnknownExecution):
        await rxs.replay(log, "nobody").next()

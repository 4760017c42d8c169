"""`Demand`: a reader that takes what it asks for, and sees how far the sources went."""

import asyncio
from collections.abc import AsyncIterator

import pytest

import rxstream as rxs
from rxstream import operators as ops
from rxstream.testing import Demand, TestingSource, fails, marbles, virtual_time


@virtual_time
async def test_nothing_is_pulled_before_it_is_asked_for() -> None:
    source = TestingSource(range(100))
    async with Demand(rxs.source(source).pipe(ops.map(str))) as probe:
        await probe.quiet()
        assert source.opened == 0
        assert await probe.ask(2) == ["0", "1"]
        assert (probe.pulled, source.pulled) == (2, 2)
        await asyncio.sleep(100)
        assert source.pulled == 2
    assert source.closed == 1


@virtual_time
async def test_a_filter_pulls_what_it_needs() -> None:
    numbers = rxs.source(range(1000)).named("numbers")
    async with Demand(numbers.pipe(ops.filter(lambda n: n % 10 == 9))) as probe:
        await probe.ask(3)
        assert probe.received == [9, 19, 29]
        assert 30 <= probe.pulled_from("numbers") <= 32


@virtual_time
async def test_asking_for_more_than_there_is_returns_at_the_end() -> None:
    async with Demand(rxs.of(1, 2)) as probe:
        assert await probe.ask(5) == [1, 2]
        assert probe.ended
        assert probe.error is None


@virtual_time
async def test_an_error_is_kept_and_not_raised() -> None:
    async with Demand(rxs.of(1, 2, 3).pipe(fails(after=2))) as probe:
        assert await probe.ask(3) == [1, 2]
        assert type(probe.error).__name__ == "InjectedFault"


@virtual_time
async def test_time_passes_as_far_as_an_answer_needs() -> None:
    loop = asyncio.get_running_loop()
    async with Demand(marbles.source("----------a", tick=60)) as probe:
        assert await probe.ask(1) == ["a"]
        assert loop.time() == pytest.approx(600)


@virtual_time
async def test_a_reader_that_asks_for_nothing_is_no_stall() -> None:
    async def two() -> AsyncIterator[int]:
        yield 1
        yield 2

    async with Demand(rxs.source(two)) as probe:
        await probe.ask(1)
        await asyncio.sleep(1_000)
        assert not probe.ended
        assert await probe.ask(2) == [2]


@virtual_time
async def test_each_source_is_told_apart() -> None:
    left, right = rxs.source(range(100)).named("left"), rxs.source(range(3)).named("right")
    probe = Demand(rxs.zip(left, right))
    assert probe.pulled == 0
    async with probe:
        await probe.ask(1)
        assert probe.pulled_from("right") == 3
        assert probe.pulled == probe.pulled_from("left") + 3
        with pytest.raises(KeyError, match="left, right"):
            probe.pulled_from("middle")


@virtual_time
async def test_it_asks_for_something() -> None:
    async with Demand(rxs.never()) as probe:
        with pytest.raises(ValueError, match="at least one"):
            probe.request(0)


async def test_a_probe_that_was_never_entered_has_nothing_to_leave() -> None:
    await Demand(rxs.of(1)).__aexit__(None, None, None)

"""The virtual clock: hours pass in no time, and everything timed passes them together."""

import asyncio

import pytest
import reactivex as rx
from reactivex import operators as rxo

import rxstream as rxs
from rxstream.testing import VirtualClockLoop, run, virtual_time


@virtual_time
async def test_a_coroutine_and_a_reactivex_timer_share_the_clock() -> None:
    hours = rxs.source(rx.interval(3600)).pipe(rxo.take(3))

    assert [n async for n in hours] == [0, 1, 2]
    await asyncio.sleep(1800)

    assert asyncio.get_running_loop().time() == 3.5 * 3600


@virtual_time
async def test_a_cancelled_timer_does_not_move_the_clock() -> None:
    loop = asyncio.get_running_loop()
    loop.call_later(50, lambda: None).cancel()

    await asyncio.sleep(10)

    assert loop.time() == 10


@virtual_time
async def test_a_timeout_ends_in_virtual_time() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(86_400):
            await asyncio.Event().wait()


def test_run_returns_what_the_coroutine_returns() -> None:
    async def answer() -> int:
        assert isinstance(asyncio.get_running_loop(), VirtualClockLoop)
        return 42

    assert run(answer()) == 42

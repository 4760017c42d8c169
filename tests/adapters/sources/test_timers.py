from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

import pytest

from rxstream.adapters import sources
from rxstream.errors import AuthorError

from .running import running


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer instead of waiting for it."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(selectors.SelectSelector())
        select = self._selector.select  # type: ignore[attr-defined]  # the loop's one place that waits

        def jump(timeout: float | None = None) -> Any:
            self.now += timeout or 0.0
            return select(0)

        self._selector.select = jump  # type: ignore[attr-defined]

    def time(self) -> float:
        return self.now


def virtually(coroutine: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(coroutine)


def now() -> float:
    return round(asyncio.get_running_loop().time(), 6)


def test_ticks_come_every_period_and_the_first_after_one() -> None:
    async def scenario() -> None:
        async with running(sources.interval(0.3)) as run:
            seen = [(*await run.step(), now()) for _ in range(1_000)]
        assert seen[:3] == [(0, 0.3), (1, 0.6), (2, 0.9)]
        assert seen[-1] == (999, 300.0)

    virtually(scenario())


def test_time_spent_between_ticks_does_not_add_up() -> None:
    async def scenario() -> None:
        async with running(sources.interval(timedelta(seconds=1))) as run:
            for tick in range(100):
                assert (list(await run.step()), now()) == ([tick], tick + 1)
                await asyncio.sleep(0.7)

    virtually(scenario())


def test_overdue_ticks_are_skipped_except_the_latest_and_the_number_tells() -> None:
    async def scenario() -> None:
        async with running(sources.interval(1)) as run:
            assert list(await run.step()) == [0]
            await asyncio.sleep(5.5)  # at 6.5: ticks 1 to 5 were due
            assert (list(await run.step()), now()) == ([5], 6.5)
            assert (list(await run.step()), now()) == ([6], 7.0)

    virtually(scenario())


def test_a_resumed_run_goes_on_with_the_next_number() -> None:
    async def scenario() -> None:
        async with running(sources.interval(1)) as first:
            await first.take(3)
        async with running(sources.interval(1), start=first.port.offset) as second:
            assert await second.take(2) == [3, 4]

    virtually(scenario())


def test_a_resumed_run_waits_only_for_the_seconds_that_were_left() -> None:
    async def scenario() -> None:
        for stopped_at in (0.0, 0.25, 0.75, 1.5, 2.25, 2.75):
            begun = now()
            async with running(sources.interval(1)) as first:
                seen = asyncio.ensure_future(first.take(4))
                await asyncio.sleep(0)
                await asyncio.sleep(stopped_at)
                point = first.port.offset
                seen.cancel()
                await asyncio.wait([seen])
            ticks = int(stopped_at)
            async with running(sources.interval(1), start=point) as second:
                assert list(await second.step()) == [ticks]
                assert now() - begun == ticks + 1
                assert list(await second.step()) == [ticks + 1]
                assert now() - begun == ticks + 2

    virtually(scenario())


async def test_a_stream_of_ticks_runs_on_a_real_clock() -> None:
    seen = []
    async for tick in sources.interval(0.01):
        seen.append(tick)
        if len(seen) == 3:
            break
    assert seen == sorted(set(seen))


def test_a_period_that_is_none_is_refused() -> None:
    for period in (0, -1, float("inf"), float("nan")):
        with pytest.raises(AuthorError, match="period above 0"):
            sources.interval(period)

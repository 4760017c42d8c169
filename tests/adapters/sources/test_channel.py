from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest

import rxstream.engine  # puts in place how a stream runs without an engine
from rxstream.adapters.sources import Channel
from rxstream.errors import AuthorError, BufferOverflow
from rxstream.stream import source

from .running import running, until

assert rxstream.engine


def in_thread(function: Callable[..., object], *args: Any) -> threading.Thread:
    thread = threading.Thread(target=function, args=args)
    thread.start()
    return thread


def send_all(channel: Channel[Any], items: range) -> None:
    for item in items:
        assert channel.send(item)


async def join(*threads: threading.Thread) -> None:
    await until(lambda: not any(thread.is_alive() for thread in threads))


async def test_what_was_sent_before_anyone_reads_is_read() -> None:
    channel: Channel[int] = Channel()
    send_all(channel, range(10))
    channel.close()
    async with running(channel, wanted=3) as run:
        assert await run.rest() == list(range(10))


async def test_every_element_of_several_threads_arrives_once_and_in_each_ones_order() -> None:
    channel: Channel[int] = Channel(8)
    threads = [in_thread(send_all, channel, range(i * 1_000, (i + 1) * 1_000)) for i in range(4)]
    async with running(channel) as run:
        found = await run.take(4_000)
    await join(*threads)
    assert sorted(found) == list(range(4_000))
    for i in range(4):
        mine = [item for item in found if item // 1_000 == i]
        assert mine == sorted(mine)


async def test_a_thread_waits_while_the_channel_is_full() -> None:
    channel: Channel[int] = Channel(2)
    thread = in_thread(send_all, channel, range(100))
    async with running(channel, wanted=1) as run:
        for i in range(100):
            await until(lambda: channel.statistics.depth > 0)
            assert channel.statistics.depth <= 2
            assert list(await run.step()) == [i]
    await join(thread)


async def test_a_thread_waits_no_longer_than_its_timeout() -> None:
    channel: Channel[int] = Channel(1)
    channel.send(1)
    with pytest.raises(TimeoutError, match=r"was full for 0.01 s"):
        await asyncio.to_thread(channel.send, 2, 0.01)


async def test_a_coroutine_waits_for_room_by_put_and_fails_by_send() -> None:
    channel: Channel[int] = Channel(1)
    assert channel.send(0)
    with pytest.raises(BufferOverflow, match=r"await channel\.put"):
        channel.send(1)
    putting = asyncio.ensure_future(channel.put(1))
    await asyncio.sleep(0)
    assert not putting.done()
    async with running(channel) as run:
        assert await run.take(2) == [0, 1]
    assert await putting


async def test_a_cancelled_put_passes_its_turn_on() -> None:
    channel: Channel[int] = Channel(1)
    channel.send(0)
    first, second = (asyncio.ensure_future(channel.put(i)) for i in (1, 2))
    await asyncio.sleep(0)
    async with running(channel, wanted=1) as run:
        await run.step()  # it is the first one's turn
        first.cancel()
        assert list(await run.step()) == [2]
    assert await second


async def test_several_readers_share_the_elements() -> None:
    channel: Channel[int] = Channel(4)
    async with running(channel, wanted=1) as one, running(channel, wanted=1) as two:
        for item in range(0, 100, 2):
            steps = [asyncio.ensure_future(run.step()) for run in (one, two)]
            await asyncio.sleep(0)  # both wait
            await channel.put(item)
            await channel.put(item + 1)
            assert await asyncio.gather(*steps) == [[item], [item + 1]]


async def test_a_reader_that_left_while_it_was_its_turn_passes_it_on() -> None:
    channel: Channel[int] = Channel()
    async with running(channel) as one, running(channel) as two:
        first, second = asyncio.ensure_future(one.step()), asyncio.ensure_future(two.step())
        await asyncio.sleep(0)
        channel.send(1)
        first.cancel()
        assert await second == [1]


async def test_closing_wakes_everyone() -> None:
    channel: Channel[int] = Channel(1)
    channel.send(0)
    results: list[bool] = []
    thread = in_thread(lambda: results.append(channel.send(1)))
    putting = asyncio.ensure_future(channel.put(2))
    await asyncio.sleep(0)
    channel.close()
    channel.close()
    assert not await putting
    await join(thread)
    assert results == [False]
    async with running(channel) as run, running(channel) as other:
        assert await run.rest() == [0]
        assert await other.rest() == []


async def test_a_failed_channel_fails_every_reader_after_what_waits() -> None:
    channel: Channel[int] = Channel()
    channel.send(1)
    channel.fail(OSError("line down"))
    for expected in ([1], []):
        async with running(channel) as run:
            with pytest.raises(OSError, match="line down"):
                await run.rest()
            assert run.items == expected


@pytest.mark.parametrize(
    ("policy", "kept"), [("drop_oldest", [7, 8, 9]), ("drop_newest", [0, 1, 2]), ("latest", [9])]
)
async def test_a_full_channel_keeps_what_its_policy_says_and_counts_the_rest(
    policy: Any, kept: list[int]
) -> None:
    channel: Channel[int] = Channel(3, policy=policy)
    send_all(channel, range(10))
    assert (channel.statistics.sent, channel.statistics.dropped) == (10, 10 - len(kept))
    channel.close()
    async with running(channel) as run:
        assert await run.rest() == kept


async def test_policy_fail_fails_the_sender() -> None:
    channel: Channel[int] = Channel(1, policy="fail")
    channel.send(1)
    with pytest.raises(BufferOverflow):
        channel.send(2)


async def test_readers_may_live_on_several_loops() -> None:
    channel: Channel[int] = Channel(4)
    found: list[int] = []

    async def read() -> None:
        async with running(channel, wanted=1) as run:
            found.extend(await run.rest())

    thread = in_thread(asyncio.run, read())
    async with running(channel, wanted=1) as run:
        reader = asyncio.ensure_future(run.rest())
        for item in range(200):
            await channel.put(item)
        channel.close()
        mine = await reader
    await join(thread)
    assert sorted(found + mine) == list(range(200))


async def test_a_channel_is_a_source_of_a_graph_and_outlives_its_run() -> None:
    channel: Channel[int] = Channel()
    thread = in_thread(send_all, channel, range(500))
    seen = []
    async with aclosing(aiter(source(channel))) as items:  # type: ignore[type-var]  # a generator
        async for item in items:
            seen.append(item)
            if item == 499:
                break
    await join(thread)
    assert seen == list(range(500))
    channel.send(1)
    channel.close()
    assert await source(channel) == 1


def test_a_wrong_use_is_refused() -> None:
    with pytest.raises(AuthorError, match="capacity"):
        Channel(0)
    with pytest.raises(AuthorError, match="policy"):
        Channel(policy="shrug")  # type: ignore[arg-type]  # that is the point

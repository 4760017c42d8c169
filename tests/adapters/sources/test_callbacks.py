from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, cast

import pytest

from rxstream.adapters import sources
from rxstream.errors import AuthorError, BufferOverflow
from rxstream.source import Emitter

from .running import until


class Device:
    """Calls back from a thread of its own until it is stopped."""

    def __init__(self, count: int | None) -> None:
        self._count = count
        self._stopped = threading.Event()
        self.thread: threading.Thread | None = None
        self.refused = False

    def register(self, emitter: Emitter[int]) -> Callable[[], None]:
        self.thread = threading.Thread(target=self._run, args=(emitter,))
        self.thread.start()
        return self._stopped.set

    def _run(self, emitter: Emitter[int]) -> None:
        i = 0
        while not self._stopped.is_set() and i != self._count:
            if not emitter.next(i):
                self.refused = True
                break
            i += 1
        emitter.complete()


async def test_everything_a_thread_calls_back_with_arrives_in_order() -> None:
    device = Device(5_000)
    stream = sources.callback(device.register, capacity=16)
    assert [item async for item in stream] == list(range(5_000))


async def test_the_device_is_stopped_when_nobody_wants_more() -> None:
    device = Device(None)
    async for item in sources.callback(device.register, capacity=16):
        if item == 100:
            break
    await until(lambda: device.thread and not device.thread.is_alive())


async def test_an_error_of_the_device_is_the_streams() -> None:
    def register(emitter: Emitter[int]) -> None:
        emitter.next(1)
        emitter.error(OSError("unplugged"))

    items = aiter(sources.callback(register))
    assert await anext(items) == 1
    with pytest.raises(OSError, match="unplugged"):
        await anext(items)


async def test_what_register_returns_is_called_once_at_the_end() -> None:
    stopped: list[bool] = []

    def register(emitter: Emitter[int]) -> Callable[[], None]:
        emitter.next(1)
        return lambda: stopped.append(True)

    async with aclosing(
        cast(AsyncGenerator[int, None], aiter(sources.callback(register)))
    ) as items:
        assert await anext(items) == 1
        assert stopped == []
    await until(lambda: stopped)
    assert stopped == [True]


async def test_every_execution_registers_anew() -> None:
    registered = 0

    def register(emitter: Emitter[int]) -> None:
        nonlocal registered
        registered += 1
        emitter.next(registered)
        emitter.complete()

    stream = sources.callback(register)
    assert registered == 0
    assert [await stream, await stream] == [1, 2]


@pytest.mark.parametrize(
    ("policy", "kept"), [("drop_oldest", [7, 8, 9]), ("drop_newest", [0, 1, 2]), ("latest", [9])]
)
async def test_a_burst_on_the_loop_is_cut_by_the_policy(policy: Any, kept: list[int]) -> None:
    def register(emitter: Emitter[int]) -> None:
        for i in range(10):
            emitter.next(i)
        emitter.complete()

    stream = sources.callback(register, policy=policy, capacity=3)
    assert [item async for item in stream] == kept


@pytest.mark.parametrize("policy", ["block", "fail"])
async def test_a_burst_on_the_loop_that_may_not_be_cut_fails(policy: Any) -> None:
    def register(emitter: Emitter[int]) -> None:
        for i in range(10):
            emitter.next(i)

    with pytest.raises(BufferOverflow):
        await sources.callback(register, policy=policy, capacity=3)


def test_a_wrong_use_is_refused_when_drawn() -> None:
    with pytest.raises(AuthorError, match="capacity"):
        sources.callback(lambda emitter: None, capacity=0)
    with pytest.raises(AuthorError, match="coalesce"):
        sources.callback(lambda emitter: None, policy="coalesce")

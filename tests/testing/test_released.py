"""`assert_released`: it says what is left, by name and place, and nothing of what was there before."""

import asyncio
import inspect
import os
import sys
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

import rxstream as rxs
from rxstream import operators as ops
from rxstream.testing import SlowSink, assert_released, released, virtual_time


@virtual_time
async def test_a_cancelled_graph_has_let_go_of_everything() -> None:
    slow = SlowSink(seconds=5)

    @rxs.graph
    def g() -> Any:
        ticks = rxs.interval(1.0).pipe(ops.map_async(waiting, 4))
        ticks.to(slow)
        return ticks

    async with assert_released(), rxs.Engine() as engine:
        execution = await engine.start(g)
        await asyncio.sleep(30)
        execution.cancel()
        await execution.wait()


async def waiting(item: Any) -> Any:
    await asyncio.sleep(3)
    return item


@virtual_time
async def test_a_stream_that_was_left_early_has_let_go() -> None:
    async with assert_released():
        async for number in rxs.interval(1.0):
            if number == 3:
                break


@virtual_time
async def test_time_that_a_busy_machine_takes_is_not_all_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ten_seconds_each = SimpleNamespace(monotonic=count(0, 10).__next__, sleep=time.sleep)
    monkeypatch.setattr("rxstream.testing.released.time", ten_seconds_each)
    async with assert_released():
        async for _ in rxs.interval(1.0):
            break


async def test_a_child_process_that_has_ended_is_not_left() -> None:
    async with assert_released():
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
        await child.wait()


async def test_threads_of_the_loop_s_executor_are_the_loop_s() -> None:
    async with assert_released():
        await asyncio.to_thread(os.getpid)


async def test_what_was_there_before_is_not_looked_at() -> None:
    before = asyncio.ensure_future(asyncio.Event().wait())
    generator = once()
    next(generator)
    descriptor = os.open(os.devnull, os.O_RDONLY)
    async with assert_released():
        await asyncio.sleep(0)
    os.close(descriptor)
    before.cancel()
    generator.close()


def once() -> Generator[int, None, None]:
    yield 1


async def once_async() -> AsyncGenerator[int, None]:
    yield 1


async def message(leak: Callable[[], Any], release: Callable[[Any], Any]) -> str:
    """What is said when `leak` is not released; it is, in the end."""
    held: list[Any] = []

    async def leaking() -> None:
        async with assert_released(grace=0.01):
            found = leak()
            held.append(await found if inspect.iscoroutine(found) else found)

    try:
        with pytest.raises(AssertionError) as caught:
            await leaking()
    finally:
        for one in held:
            ended = release(one)
            if inspect.iscoroutine(ended):
                await ended
    return str(caught.value)


class TestLeft:
    async def test_a_task(self) -> None:
        def leak() -> Any:
            return asyncio.get_running_loop().create_task(waiting(1), name="mine")

        assert "task 'mine' (waiting)" in await message(leak, asyncio.Task.cancel)

    async def test_a_thread(self) -> None:
        stop = threading.Event()

        def leak() -> Any:
            thread = threading.Thread(target=stop.wait, name="spinner")
            thread.start()
            return thread

        def release(thread: threading.Thread) -> None:
            stop.set()
            thread.join()

        assert "thread 'spinner'" in await message(leak, release)

    async def test_a_child_process(self) -> None:
        async def leak() -> Any:
            return await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=-1)

        async def release(child: asyncio.subprocess.Process) -> None:
            child.kill()
            await child.communicate()

        assert "child process" in await message(leak, release)

    async def test_a_file(self) -> None:
        said = await message(lambda: os.open(os.devnull, os.O_RDONLY), os.close)
        assert "file descriptor" in said
        assert "(/dev/null)" in said

    async def test_a_generator(self) -> None:
        def leak() -> Any:
            generator = once()
            next(generator)
            return generator

        said = await message(leak, lambda generator: generator.close())
        assert "unclosed generator once (" in said
        assert "test_released.py" in said

    async def test_an_asynchronous_generator(self) -> None:
        async def leak() -> Any:
            generator = once_async()
            await anext(generator)
            return generator

        said = await message(leak, lambda generator: generator.aclose())
        assert "unclosed generator once_async (" in said

    @virtual_time
    async def test_an_execution_that_still_runs(self) -> None:
        engine = rxs.Engine()
        await engine.open()

        @rxs.graph
        def counting() -> Any:
            return rxs.source(forever).pipe(ops.count())

        async def leak() -> Any:
            await engine.start(counting)
            await asyncio.sleep(10)

        async def forever() -> AsyncIterator[int]:
            while True:
                await asyncio.sleep(1)
                yield 1

        async def release(_: Any) -> None:
            await engine.close()

        said = await message(leak, release)
        assert "task 'rxstream" in said
        assert "forever" in said


async def test_an_error_inside_goes_on_instead() -> None:
    async def failing() -> None:
        async with assert_released(grace=0):
            next(generator)
            raise ValueError("mine")

    generator = once()
    with pytest.raises(ValueError, match="mine"):
        await failing()
    generator.close()


async def test_the_hooks_of_the_loop_are_put_back() -> None:
    before = sys.get_asyncgen_hooks()
    async with assert_released():
        pass
    assert sys.get_asyncgen_hooks() == before


async def test_a_loop_without_hooks_will_do() -> None:
    before = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        async with assert_released():
            async for _ in once_async():
                pass
    finally:
        sys.set_asyncgen_hooks(*before)


class TestElsewhere:
    """Systems without /proc, as far as they can be stood in for."""

    def test_without_a_list_of_files_there_are_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def absent(path: str) -> list[str]:
            raise FileNotFoundError(path)

        monkeypatch.setattr(os, "listdir", absent)
        assert released._files() == {}
        assert released._children() == {}

    def test_a_process_that_ends_meanwhile_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "listdir", lambda path: ["self", "999999999"])
        assert released._children() == {}

    def test_without_links_a_file_is_just_open(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def no_link(path: str) -> str:
            raise OSError(22, "Invalid argument")

        monkeypatch.setattr(os, "readlink", no_link)
        with open(os.devnull) as file:
            assert released._files()[file.fileno()] == "Invalid argument"

"""What the engine's tests share: what a reader sees, and logs that are slow or full."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import structlog

import rxstream as rxs
from rxstream.errors import LogError
from rxstream.log import Commit

T = TypeVar("T")


async def events_of(execution: rxs.Execution) -> list[rxs.StreamEvent]:
    return [event async for event in execution.events()]


def kinds(events: list[rxs.StreamEvent]) -> list[str]:
    return [f"{e.event_type}:{e.step_id}" if e.step_id else str(e.event_type) for e in events]


async def told(execution: rxs.Execution) -> list[str]:
    """Event types and their nodes, to the end."""
    return kinds(await events_of(execution))


async def outputs(execution: rxs.Execution, node: str | None = None) -> list[Any]:
    """What was published, by one node or by all."""
    return [
        event.data
        for event in await events_of(execution)
        if event.event_type == "step_output" and node in (None, event.step_id)
    ]


async def started(graph: Any, **params: Any) -> rxs.Execution:
    """On the default engine."""
    execution: rxs.Execution = await graph.start(**params)
    return execution


async def within(seconds: float, awaitable: Awaitable[T]) -> T:
    """What takes longer hangs."""
    async with asyncio.timeout(seconds):
        return await awaitable


async def turns_until(condition: Callable[[], bool]) -> int:
    """Give the loop its turn until something holds; returns how many turns that took."""
    for turn in range(1_000_000):
        if condition():
            return turn
        await asyncio.sleep(0)
    raise AssertionError("it never held")


def now() -> float:
    return asyncio.get_running_loop().time()


async def one_second(item: T) -> T:
    await asyncio.sleep(1)
    return item


@contextmanager
def logged() -> Iterator[list[Any]]:
    """What is logged meanwhile, whatever the program's logging is set to."""
    entries: list[Any] = []

    def keep(logger: Any, method: str, event: Any) -> Any:
        entries.append(dict(event, log_level=method))
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[keep], wrapper_class=structlog.BoundLogger)
    try:
        yield entries
    finally:
        structlog.configure(**before)


class SlowLog(rxs.MemoryLog):
    """Takes a while for each commit, as a disk does."""

    delay = 0.5

    def _commit(self, commit: Commit) -> asyncio.Future[int]:
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[int] = loop.create_future()

        def store() -> None:
            done = super(SlowLog, self)._commit(commit)
            if stored.done():
                return
            error = done.exception()
            if error is None:
                stored.set_result(done.result())
            else:
                stored.set_exception(error)

        loop.call_later(self.delay, store)
        return stored


class FullLog(rxs.MemoryLog):
    """A log whose disk is full while `full` is set."""

    full = False
    refused = 0

    def _commit(self, commit: Commit) -> asyncio.Future[int]:
        if not self.full:
            return super()._commit(commit)
        self.refused += 1
        failed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        failed.set_exception(LogError("the disk is full"))
        return failed


def closing(seconds: float, ended: list[float]) -> Callable[[], AsyncIterator[int]]:
    """A source that emits 0, then waits for ever, and takes so long to close."""

    async def source() -> AsyncIterator[int]:
        try:
            yield 0
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(seconds)
            ended.append(now())

    return source

"""Drives a source the way an engine does, and looks at what it holds."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import psutil

from rxstream import statecodec
from rxstream.source import Source
from rxstream.stream import Stream

DEADLINE = 30.0


class FakePort:
    """Remembers what the source said."""

    execution_id = ""
    node_id = "node"

    def __init__(self, start: Any = None, wanted: int = 64) -> None:
        self.start = start
        self.wanted = wanted
        self._point: Any = None
        self.told: list[tuple[float | None, str | None, str | None]] = []

    def seek_point(self, offset: Any) -> None:
        self._point = offset

    @property
    def offset(self) -> Any:
        """What was told last, as it comes back from where it is stored."""
        told = self._point() if callable(self._point) else self._point
        return statecodec.decode(statecodec.encode(told))

    def progress(
        self, percentage: float | None, message: str | None = None, status: str | None = "running"
    ) -> None:
        self.told.append((percentage, message, status))


class Run:
    """One run of a source, advanced only when asked."""

    def __init__(self, iterator: AsyncIterator[Sequence[Any]], port: FakePort) -> None:
        self.port = port
        self._iterator = iterator
        self.items: list[Any] = []
        """What was emitted since it was last looked at by `take`."""

    async def step(self) -> Sequence[Any]:
        """The next batch that has elements; one without says only where a restart goes on."""
        batch: Sequence[Any] = ()
        async with asyncio.timeout(DEADLINE):
            while not batch:
                batch = await anext(self._iterator)
        self.items += batch
        return batch

    async def take(self, count: int) -> list[Any]:
        """The next elements, `count` of them or more, as batches come."""
        while len(self.items) < count:
            await self.step()
        taken, self.items = self.items, []
        return taken

    async def rest(self) -> list[Any]:
        """Everything to the end."""
        async with asyncio.timeout(DEADLINE):
            async for batch in self._iterator:
                self.items += batch
        taken, self.items = self.items, []
        return taken


def source_of(stream: Stream[Any]) -> Source[Any]:
    """What a constructor put into its Stream."""
    assert stream.spec.make is not None
    made = stream.spec.make()
    assert isinstance(made, Source)
    return made


@asynccontextmanager
async def running(
    stream: Stream[Any] | Source[Any], *, start: Any = None, wanted: int = 64
) -> AsyncIterator[Run]:
    """A run that is disposed at the end of the block."""
    port = FakePort(start, wanted)
    origin = source_of(stream) if isinstance(stream, Stream) else stream
    iterator = cast(AsyncGenerator[Sequence[Any], None], origin.open(port))
    try:
        yield Run(iterator, port)
    finally:
        await iterator.aclose()


async def everything(stream: Stream[Any], *, start: Any = None, wanted: int = 64) -> list[Any]:
    async with running(stream, start=start, wanted=wanted) as run:
        return await run.rest()


async def until(condition: Callable[[], object]) -> None:
    """Look again until it holds."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "it did not come true in time"
        await asyncio.sleep(0.005)


def open_files(path: Path) -> list[str]:
    """File descriptors of this process on that path."""
    return [f.path for f in psutil.Process().open_files() if os.path.samefile(f.path, path)]

"""What graphs under torture are made of: a source that can go on, and how much of a stream is compared."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rxstream as rxs
from rxstream.source import Source, SourcePort

Output = Any
"""What a graph's function returns."""


class Ticks(Source[int]):
    """0, 1, 2 … in batches, so many seconds apart; it goes on where it stood."""

    name = "ticks"
    seekable = True

    def __init__(self, count: int, batch: int, apart: float) -> None:
        self.count = count
        self.batch = batch
        self.apart = apart

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[int]]:
        at = port.start or 0
        while at < self.count:
            await asyncio.sleep(self.apart)
            until = min(self.count, at + self.batch)
            port.seek_point(until)
            yield range(at, until)
            at = until


def ticks(count: int, batch: int = 3, apart: float = 0.002) -> rxs.Stream[int]:
    return rxs.source(Ticks(count, batch, apart))


async def slowly(item: Any) -> Any:
    """The same, after a time of its own."""
    await asyncio.sleep(0.001 * (hash(item) % 4))
    return item


def bag(items: Sequence[Any]) -> Any:
    """In any order."""
    return sorted(map(repr, items))


def flat(items: Sequence[Any]) -> Any:
    """Wherever they were cut into lists."""
    return [item for part in items for item in part]


def digests(items: Sequence[Any]) -> Any:
    """Bytes by their digests, wherever they are fetched."""
    return [item["sha256"] for item in items]


@dataclass(frozen=True)
class Shape:
    """Some graphs that run side by side in one engine; `open` says of an output what is compared."""

    graphs: Callable[[Path], Mapping[str, Callable[[], Output]]]
    """By name, made for a folder in which they may keep files."""
    open: Mapping[str, Callable[[Sequence[Any]], Any]] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    """What its sinks write in the folder, in which each element is once."""
    at_once: int = 64
    """How many of them the engine runs at a time; the others wait."""
    loose: bool = False
    """Whether what is told of nodes that are not published is left open: they may be closed at any time."""


def alone(function: Callable[[], Output], **open_: Callable[[Sequence[Any]], Any]) -> Shape:
    """One graph without files."""
    return Shape(lambda folder: {function.__name__: function}, open_)

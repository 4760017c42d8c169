"""A reader that stops never stops whoever writes, and one that leaves is noticed."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator

import pytest

from rxstream.adapters.terminal.outlet import Outlet

LARGE = b"x" * 1_000_000


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        with contextlib.suppress(OSError):  # the test may have closed it
            os.close(descriptor)


async def test_a_held_pipe_leaves_the_loop_free(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    outlet = Outlet(writing)
    outlet.write(LARGE)
    draining = asyncio.create_task(outlet.drain())
    for _ in range(10):
        await asyncio.sleep(0)
    assert outlet.busy
    assert not draining.done()
    taken = b""
    while len(taken) < len(LARGE):
        taken += await asyncio.to_thread(os.read, reading, 65_536)
    await asyncio.wait_for(draining, 30)
    assert taken == LARGE
    assert not outlet.busy
    outlet.close()


async def test_a_reader_that_leaves_is_a_broken_pipe(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    outlet = Outlet(writing)
    outlet.write(LARGE)
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        await asyncio.wait_for(outlet.drain(), 30)
    with pytest.raises(BrokenPipeError):
        outlet.write(b"more")


async def test_pieces_arrive_whole_and_in_order(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    outlet = Outlet(writing)
    pieces = [b"%d," % n for n in range(2_000)]
    for piece in pieces:
        outlet.write(piece)
    await asyncio.wait_for(outlet.drain(), 30)
    assert os.read(reading, 1_000_000) == b"".join(pieces)
    outlet.close()

"""How much of the log a stream holds while it writes."""

from __future__ import annotations

import pytest

from rxstream import Engine
from rxstream.adapters.web import Settings
from rxstream.adapters.web.outlet import pages
from tests.adapters.web import parts


@pytest.mark.parametrize("size", [50, 5_000, 100_000, 900_000])
async def test_pages_follow_the_size_of_the_events(engine: Engine, size: int) -> None:
    await parts.recorded(engine.log, "e", [*parts.outputs(60, size), parts.ENDING], "completed")
    reader = await engine.log.follow("e")
    sizes: list[int] = []
    count = 0
    async for page in pages(reader, Settings(page_bytes=200_000)):
        sizes.append(sum(len(event.json) for event in page))
        count += len(page)
    assert count == 62
    # the first page cannot know; one event always fits
    assert all(held <= 1.1 * max(200_000, size) for held in sizes[1:])

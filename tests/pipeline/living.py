"""A process that runs a pipeline into a log, or goes on with it: `python living.py LOG NOTES DIES`.

It kills itself in the middle of the call of that name.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import rxstream as rxs
from rxstream.pipeline import Pipeline, Result, Step, Streaming

LOG, NOTES, DIES = sys.argv[1], Path(sys.argv[2]), sys.argv[3]


def note(name: str) -> None:
    with NOTES.open("a") as file:
        file.write(f"{name}\n")


class Noted(Step):
    """Writes down each call, and shows ten numbers."""

    async def run(self, data: dict[str, Any]) -> AsyncIterator[Any]:
        name = f"call {data.get('index', 'alone')}"
        note(name)
        for number in range(10):
            yield f"{name}: {number}"
            await asyncio.sleep(0.02)
            if number == 5 and name == DIES:
                os.kill(os.getpid(), signal.SIGKILL)
        yield Result({name: True})


noted = Pipeline("noted", streaming=Streaming(True, flush_interval_ms=0), resumable=True)
noted.add(Noted, name="first")
noted.add(Noted, name="second", after="first", each="items", concurrency=1)


async def live() -> None:
    """Start it, unless the log has it already."""
    async with rxs.Engine(LOG, graphs=[noted.graph]) as engine:
        known = await engine.records()
        if known:
            execution = engine.execution(known[0].execution_id)
        else:
            execution = await engine.start("noted", {"data": {"items": [1, 2]}})
        await execution.wait()


if __name__ == "__main__":
    asyncio.run(live())

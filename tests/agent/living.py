"""A process that runs an agent into a log, or goes on with it: `python living.py LOG NOTES URL`.

Its tool writes down that it was called, and takes a while.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import rxstream as rxs
from rxstream.models import Element

LOG, NOTES, URL = sys.argv[1], Path(sys.argv[2]), sys.argv[3]


def note(line: str) -> None:
    with NOTES.open("a") as file:
        file.write(f"{line}\n")


@rxs.tool
async def send(to: str) -> AsyncIterator[Any]:
    """Send a letter."""
    note(f"send {to}")
    for number in range(40):
        yield f"{number} "
        await asyncio.sleep(0.02)
    yield rxs.ToolResult(f"sent to {to}")


@rxs.graph(resumable=True)
def working() -> rxs.Stream[Element]:
    """An agent with one tool."""
    where = {"base_url": URL, "api_key": "k"}
    return rxs.agent("go", model="openai:m", tools=[send], model_options=where).named("agent")


async def live() -> None:
    """Start it, unless the log has it already."""
    async with rxs.Engine(LOG, graphs=[working]) as engine:
        known = await engine.records()
        if known:
            execution = engine.execution(known[0].execution_id)
        else:
            execution = await engine.start("working")
        await execution.wait()


if __name__ == "__main__":
    asyncio.run(live())

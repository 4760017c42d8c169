"""Asks a model, and goes on with its answer when it is started again; prints what was shown in all.

Run as `python answering.py PROVIDER:NAME URL LOG`.
"""

from __future__ import annotations

import asyncio
import sys

import orjson

import rxstream as rxs
from rxstream.adapters.llm import chat
from rxstream.models import Element


@rxs.graph(resumable=True)
def talk(model: str, url: str) -> rxs.Stream[Element]:
    """One answer."""
    return chat("Speak.", model=model, base_url=url, max_tokens=None).named("answer")


async def main(model: str, url: str, log: str) -> None:
    """Start it, or go on with it."""
    async with rxs.Engine(log, graphs=[talk]) as engine:
        before = await engine.log.records(limit=1)
        if before:
            execution = engine.execution(before[0].execution_id)
        else:
            execution = await engine.start(talk.bind(model=model, url=url))
        await execution.result()
        shown = [e.data async for e in execution.events() if e.event_type == "step_output"]
    sys.stdout.buffer.write(orjson.dumps(shown))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

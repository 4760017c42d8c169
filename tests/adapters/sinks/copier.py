"""Follows a file and writes its lines into another, until the line `end`; goes on when it is started again.

Run as `python copier.py PATH OUT LOG`.
"""

from __future__ import annotations

import asyncio
import sys

import rxstream as rxs
from rxstream.adapters import sinks, sources


@rxs.graph(resumable=True)
def copied(path: str, out: str) -> rxs.Stream[str]:
    """What is in a file, into another."""
    lines = sources.tail(path, poll=0.01).take_while(lambda line: line != "end").named("lines")
    lines.to(sinks.jsonl(out), name="out")
    return lines


async def main(path: str, out: str, log: str) -> None:
    """Start it, or go on with it."""
    async with rxs.Engine(log, graphs=[copied]) as engine:
        before = await engine.log.records(limit=1)
        if before:
            execution = engine.execution(before[0].execution_id)
        else:
            execution = await engine.start(copied.bind(path=path, out=out))
        await execution.result()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

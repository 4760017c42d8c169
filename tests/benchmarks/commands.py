"""What `bash` costs: how fast its output passes through, and how long a command that does nothing takes.

Output is a gigabyte of zeros from `head`, taken and thrown away; the floor is asyncio's subprocess
read in chunks, which decodes nothing and looks for no percentage. Both are wall time, because the
command is another process.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from rxstream.adapters.tools import Limits, Sandbox, bash
from rxstream.errors import WorldError
from rxstream.tools import Output, Tool, ToolContext
from tests.benchmarks.harness import Row, interleave, ratios, spread

_CHUNK: Final = 64 * 1024
_WANTED_MB_S: Final = 200


def tool(folder: str, sandbox: Sandbox | None) -> Tool:
    return bash(
        folder, sandbox=sandbox, allow_unsandboxed=True, limits=Limits(output=1 << 40, seconds=600)
    )


async def called(made: Tool, command: str) -> int:
    """The characters it said."""
    size = 0
    async for said in made.start(made.check({"command": command}), ToolContext()):
        if isinstance(said, Output):
            size += len(said.text)
    return size


async def bare(_: Tool, command: str) -> int:
    """The bytes it said, read by hand."""
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", command, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    size = 0
    while data := await process.stdout.read(_CHUNK):
        size += len(data)
    await process.wait()
    return size


def seconds(
    way: Callable[[Tool, str], Awaitable[int]], sandbox: Sandbox | None, command: str, size: int
) -> float:
    async def once(folder: str) -> float:
        made = tool(folder, sandbox)
        begun = time.perf_counter()
        assert await way(made, command) == size
        return time.perf_counter() - begun

    with tempfile.TemporaryDirectory(prefix="rxstream-benchmark-") as folder:
        return asyncio.run(once(folder))


def measure(short: bool = False) -> list[Row]:
    """Output and start of commands."""
    size, rounds = (100_000_000, 2) if short else (1_000_000_000, 7)
    base = "asyncio's subprocess (floor, base)"
    lines: list[Row] = []
    for figure, command, said, unit in (
        ("output of a command", f"head -c {size} /dev/zero", size, "MB/s"),
        ("a command that does nothing", ":", 0, "ms"),
    ):
        ways = {
            base: partial(seconds, bare, None, command, said),
            "`bash` without a sandbox": partial(seconds, called, None, command, said),
            "`bash` in its sandbox": partial(seconds, called, Sandbox(), command, said),
        }
        try:
            samples = interleave(ways, rounds)
        except WorldError as error:
            if error.code != "no_sandbox":
                raise
            return [Row(figure, "`bash` in its sandbox", None, error.message)]
        for name, costs in samples.items():
            if unit == "ms":
                lines.append(
                    Row(figure, name, spread(costs).scaled(1e3), unit, ratios(samples, name, base))
                )
                continue
            rate = spread([size / 1e6 / cost for cost in costs])
            wanted = f"at least {_WANTED_MB_S} MB/s" if name != base else ""
            held = not wanted or rate.median >= _WANTED_MB_S
            ratio = ratios(
                {key: [1 / c for c in each] for key, each in samples.items()}, name, base
            )
            lines.append(Row(figure, name, rate, unit, ratio, wanted, held))
    return lines

"""`view` and `find` over files of 1 KB, 1 MB and 1 GB, beside reading them and ripgrep alone.

Wall time of a whole call as an agent makes it, from its arguments to its result, from the page cache. What is
looked for stands in the last line, and pages of lines are viewed, so all of a file is read in both.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

from rxstream.adapters.tools import files
from rxstream.tools import Tool, perform
from tests.benchmarks.harness import Row, interleave, rows

LINE = (
    b"a line of a log, in which there is nothing of what anybody would look for".ljust(99, b".")
    + b"\n"
)
LAST = b"the needle\n"
SIZES = {"1 KB": 1_000, "1 MB": 1_000_000, "1 GB": 1_000_000_000}
SHORT = {"1 KB": 1_000, "1 MB": 1_000_000, "50 MB": 50_000_000}


def write(path: Path, size: int) -> int:
    """A file of about that size; how many lines it has."""
    count = max(1, size // len(LINE))
    with path.open("wb") as file:
        for begin in range(0, count, 10_000):
            file.write(LINE * min(10_000, count - begin))
        file.write(LAST)
    return count + 1


async def call(tool: Tool, arguments: dict[str, Any], expected: str) -> None:
    async with aclosing(perform(tool, arguments)) as batches:
        async for batch in batches:
            last = batch[-1]
    assert expected in last["brief"], last["brief"][-100:]


def timed(function: Callable[[], object]) -> float:
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def plain_read(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        while file.read(256 * 1024):
            pass


def by_ripgrep(program: str, path: Path) -> None:
    command = [program, "--no-config", "--line-number", "needle", str(path)]
    done = subprocess.run(command, capture_output=True, check=True, stdin=subprocess.DEVNULL)
    assert b"needle" in done.stdout


def measure(short: bool = False) -> list[Row]:
    """Milliseconds a call."""
    found: list[Row] = []
    program = shutil.which("rg")
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        for name, size in (SHORT if short else SIZES).items():
            path = Path(folder, "file")
            lines = write(path, size)
            rounds = 3 if short or size > 10_000_000 else 21
            view, find, _ = files(folder, seconds=600)
            _, alone, _ = files(folder, seconds=600, ripgrep=False)

            def called(tool: Tool, expected: str, **arguments: Any) -> float:
                work = call(tool, {"path": "file", **arguments}, expected)
                return timed(lambda: runner.run(work))

            base = "reading it (floor, base)"
            ways = {base: partial(timed, partial(plain_read, path))}
            ways["`view`, first 500 lines"] = partial(called, view, "     1  ")
            ways["`view`, last 400 lines"] = partial(
                called, view, "the needle", start=max(1, lines - 399)
            )
            ways["`view`, last 4 KB by offset"] = partial(called, view, "the needle", offset=-4_000)
            samples = interleave(ways, rounds)
            found += rows(f"`view` a file of {name}", samples, base, "ms", 1e3)

            searches = {base: ways[base]}
            if program is not None:
                searches["`rg` alone (floor)"] = partial(timed, partial(by_ripgrep, program, path))
                searches["`find` text, by ripgrep"] = partial(
                    called, find, "the needle", text="needle"
                )
            searches["`find` text, without ripgrep"] = partial(
                called, alone, "the needle", text="needle"
            )
            searches["`find` expression, without ripgrep"] = partial(
                called, alone, "the needle", regex=r"needle$|^haystack"
            )
            samples = interleave(searches, rounds)
            found += rows(f"`find` in a file of {name}", samples, base, "ms", 1e3)
            os.unlink(path)
    return found

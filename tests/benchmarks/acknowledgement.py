"""What the log costs beside throughput: how long a commit waits, what is stored, and what a checkpoint takes.

Acknowledgements are of one execution that commits 50 events 5 ms after the acknowledgement before, as a busy
engine does; the base waits for the disk as often, with nothing else. Checkpoints are of states of so many
keys of 100 bytes: a commit that changes up to ten of them, and folding, with the longest time in which the
event loop did not turn.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

import apsw

from rxstream.adapters.logs.sqlite import SQLiteLog
from rxstream.events import seal
from rxstream.log import Commit, Delta, ExecutionRecord
from tests.benchmarks.durable import GROUP, drafts
from tests.benchmarks.harness import Row, Samples, interleave, percentile, ratios, rows, spread

TICK_S: Final = 0.005
_EVENTS: Final = 50
_KEYS: Final = (1, 100, 10_000)


async def on_log(
    measured: Callable[[SQLiteLog], Awaitable[float]], power_safe: bool = True
) -> float:
    """Measure with a log of its own, which goes with it."""
    with tempfile.TemporaryDirectory(prefix="rxstream-benchmark-") as folder:
        log = SQLiteLog(os.path.join(folder, "events.db"), power_safe=power_safe)
        await log.open()
        try:
            record = ExecutionRecord("measured", "measured", "running", datetime.now(UTC))
            await log.commit(Commit("measured", (), record))
            return await measured(log)
        finally:
            await log.close()


# -- acknowledgement ----------------------------------------------------------------------------


def by_log(count: int) -> list[float]:
    found: list[float] = []

    async def measured(log: SQLiteLog) -> float:
        given = drafts()[:_EVENTS]
        for _ in range(count):
            await asyncio.sleep(TICK_S)
            begun = time.perf_counter()
            await log.commit(Commit("measured", given, states={"n": Delta({"k": b"x" * 100})}))
            found.append(time.perf_counter() - begun)
        return 0.0

    asyncio.run(on_log(measured))
    return found


def by_sqlite(count: int) -> list[float]:
    lines = [seal(d, "measured", "0123abcd", n).json for n, d in enumerate(drafts()[:_EVENTS], 1)]
    chunk = b"\n".join(lines)
    found: list[float] = []
    with tempfile.TemporaryDirectory(prefix="rxstream-benchmark-") as folder:
        connection = apsw.Connection(os.path.join(folder, "events.db"))
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "FULL")
        connection.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, payload BLOB)")
        for _ in range(count):
            time.sleep(TICK_S)
            begun = time.perf_counter()
            connection.execute("INSERT INTO events (payload) VALUES (?)", (chunk,))
            found.append(time.perf_counter() - begun)
        connection.close()
    return found


def acknowledgements(short: bool) -> list[Row]:
    count, rounds = (100, 2) if short else (400, 7)
    tails: Samples = {}

    def once(name: str, way: Callable[[int], list[float]]) -> float:
        found = way(count)
        tails.setdefault(name, []).append(percentile(found, 0.99))
        return percentile(found, 0.5)

    base, ours = "bare SQLite, one row (floor, base)", "`SQLiteLog`, 50 events and a state"
    medians = interleave(
        {base: partial(once, base, by_sqlite), ours: partial(once, ours, by_log)}, rounds
    )
    # the round that only warms up is not counted here either
    tails = {name: tails[name][1:] for name in medians}
    return [
        Row(
            f"acknowledgement at a 5 ms tick, {share}",
            name,
            spread(samples[name]).scaled(1e3),
            "ms",
            ratios(samples, name, base),
        )
        for share, samples in (("p50", medians), ("p99", tails))
        for name in samples
    ]


# -- size ---------------------------------------------------------------------------------------


def stored_bytes(commits_of: int) -> float:
    """Bytes of the file for each event, committed so many at a time."""

    async def measured(log: SQLiteLog) -> float:
        given = drafts()
        for begin in range(0, 20 * GROUP, commits_of):
            at = begin % GROUP
            await log.commit(Commit("measured", given[at : at + commits_of]))
        await log.close()
        return (await asyncio.to_thread(os.path.getsize, log.path)) / (20 * GROUP)

    return asyncio.run(on_log(measured, power_safe=False))


def sizes() -> list[Row]:
    line = len(seal(drafts()[0], "measured", "0123abcd", 10_000).json) + 1
    base = "JSON lines of the same events (base)"
    samples: Samples = {
        base: [float(line)] * 2,
        "`SQLiteLog`, commits of 1,000": [stored_bytes(1_000)] * 2,
        "`SQLiteLog`, commits of 50": [stored_bytes(50)] * 2,
        "`SQLiteLog`, commits of 5": [stored_bytes(5)] * 2,
    }
    return rows("log size", samples, base, "bytes/event")


# -- checkpoints --------------------------------------------------------------------------------


def checkpoints(short: bool) -> list[Row]:
    commits, rounds = (20, 2) if short else (100, 7)
    found: dict[str, Samples] = {"commit with its delta": {}, "checkpoint": {}, "loop held": {}}

    async def measured(keys: int, log: SQLiteLog) -> float:
        name = _named(keys)
        whole = {f"key{i}": os.urandom(100) for i in range(keys)}
        await log.commit(Commit("measured", states={"n": Delta(whole)}))
        begun = time.perf_counter()
        for i in range(commits):
            changed = {f"key{(i + j) % keys}": os.urandom(100) for j in range(min(10, keys))}
            await log.commit(Commit("measured", states={"n": Delta(changed)}))
        spent = {"commit with its delta": (time.perf_counter() - begun) / commits}
        held, begun = 0.0, time.perf_counter()
        folding = asyncio.create_task(log.checkpoint("measured"))
        while not folding.done():
            turn = time.perf_counter()
            await asyncio.sleep(0)
            held = max(held, time.perf_counter() - turn)
        spent |= {"checkpoint": time.perf_counter() - begun, "loop held": held}
        for figure, cost in spent.items():
            found[figure].setdefault(name, []).append(cost)
        return spent["checkpoint"]

    interleave({str(keys): partial(_run, partial(measured, keys)) for keys in _KEYS}, rounds)
    lines: list[Row] = []
    for figure, samples in found.items():
        base = _named(_KEYS[0])
        samples = {_named(keys): samples[_named(keys)][1:] for keys in _KEYS}
        lines += rows(f"state of 100 bytes a key: {figure}", samples, base, "ms", 1e3)
    return lines


def _named(keys: int) -> str:
    return f"{keys:,} key{'s' if keys > 1 else ''}"


def _run(measured: Callable[[SQLiteLog], Awaitable[float]]) -> float:
    return asyncio.run(on_log(measured))


def measure(short: bool = False) -> list[Row]:
    """Acknowledgements, sizes and checkpoints."""
    return acknowledgements(short) + sizes() + checkpoints(short)

"""Events made durable: `SQLiteLog` against bare SQLite that is given the same bytes in groups of 1,000.

All wait for the disk at every commit. Bare SQLite is given JSON that is ready; the log also numbers the
events, writes their JSON, chains digests, keeps them for readers and hands each commit to a thread and back.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import apsw
import orjson

from rxstream.adapters.logs.sqlite import SQLiteLog
from rxstream.events import Draft, EventType, draft, seal
from rxstream.log import Commit, ExecutionRecord
from tests.benchmarks.harness import Row, Samples, interleave, ratios, rows

GROUP = 1_000
DATA = orjson.dumps({"level": "error", "host": "node-7", "message": "x" * 100, "ms": 12})


def drafts() -> list[Draft]:
    return [draft(EventType.STEP_OUTPUT, "node", DATA) for _ in range(GROUP)]


def by_log(groups: int, clock: Callable[[], float], executions: int = 1) -> float:
    async def run(path: str) -> float:
        log = SQLiteLog(path)
        await log.open()
        given = drafts()

        async def execute(name: str) -> None:
            for _ in range(groups // executions):
                await log.commit(Commit(name, given))

        try:
            names = [f"measured{i}" for i in range(executions)]
            for name in names:
                record = ExecutionRecord(name, "measured", "running", datetime.now(UTC))
                await log.commit(Commit(name, (), record))
            begun = clock()
            await asyncio.gather(*map(execute, names))
            return clock() - begun
        finally:
            await log.close()

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(run(os.path.join(folder, "events.db"))) / (groups * GROUP)


def by_sqlite(groups: int, clock: Callable[[], float], rows_of: int) -> float:
    """Rows of so many events each, joined by line breaks."""
    lines = [seal(d, "measured", "0123abcd", n).json for n, d in enumerate(drafts(), 1)]
    chunks = [
        (i, b"\n".join(lines[i : i + rows_of])) for i in range(0, GROUP, rows_of)
    ]  # the same bytes as the log's
    with tempfile.TemporaryDirectory() as folder:
        connection = apsw.Connection(os.path.join(folder, "events.db"))
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "FULL")
        connection.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, first INT, payload BLOB)")
        begun = clock()
        for _ in range(groups):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO events (first, payload) VALUES (?, ?)", chunks)
            connection.execute("COMMIT")
        took = clock() - begun
        connection.close()
    return took / (groups * GROUP)


def measure(short: bool = False) -> list[Row]:
    """Wall and CPU time for each event."""
    groups, rounds = (5, 3) if short else (50, 9)
    lines: list[Row] = []
    base, grouped = "bare SQLite, rows of 250 events (floor, base)", "bare SQLite, a row an event"
    for name, clock in (("wall", time.perf_counter), ("CPU", time.process_time)):
        ways = {
            base: partial(by_sqlite, groups, clock, 250),
            grouped: partial(by_sqlite, groups, clock, 1),
            "`SQLiteLog`": partial(by_log, groups, clock),
            "`SQLiteLog`, 5 executions at a time": partial(by_log, groups, clock, 5),
        }
        samples = interleave(ways, rounds)
        found = rows(f"durable events, {name}", samples, base, "µs/event", 1e6)
        lines += [_asked(row, samples, grouped) for row in found] if name == "wall" else found
    return lines


def _asked(row: Row, samples: Samples, grouped: str) -> Row:
    """At least 0.7 of the events a second of grouped appends of the same bytes."""
    if "SQLiteLog" not in row.way:
        return row
    held = ratios(samples, row.way, grouped).median <= 1 / 0.7
    return replace(row, wanted="0.7 of the events/s of a row an event", held=held)

"""A process that writes a log and says what was acknowledged, until it is killed.

`python -m tests.log.writing PATH` prints `ready`, then a line `EXECUTION LAST` for each commit acknowledged.
"""

from __future__ import annotations

import asyncio
import os
import sys

from rxstream.adapters.logs import SQLiteLog
from rxstream.log import Commit
from tests.log.parts import outputs, record


async def write(log: SQLiteLog, execution_id: str) -> None:
    last = 0
    while True:
        batch = outputs(*range(last + 1, last + 2 + last % 7))
        given = record(execution_id) if last == 0 else None
        last = await log.commit(Commit(execution_id, batch, given))
        os.write(1, f"{execution_id} {last}\n".encode())


async def main(path: str) -> None:
    log = SQLiteLog(path)
    await log.open()
    os.write(1, b"ready\n")
    await asyncio.gather(*(write(log, f"e{i}") for i in range(4)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

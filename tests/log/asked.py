"""A process that commits one event for each line it is given, and says how that went.

`python -m tests.log.asked PATH` prints the number of each event committed, or why it was not.
"""

from __future__ import annotations

import asyncio
import os
import sys

from rxstream.adapters.logs import SQLiteLog
from rxstream.errors import LogError
from rxstream.log import Commit
from tests.log.parts import outputs, record


async def main(path: str) -> None:
    log = SQLiteLog(path)
    await log.open()
    number = 0
    while await asyncio.to_thread(sys.stdin.readline):
        number += 1
        try:
            last = await log.commit(Commit("e1", outputs(number), record("e1")))
            told = str(last)
        except LogError as error:
            told = error.message
        os.write(1, told.encode() + b"\n")
    await log.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

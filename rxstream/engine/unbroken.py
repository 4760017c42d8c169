"""Work that is done to its end once it was begun, also when whoever waits for it has left.

A client that asked for something may be gone before it is recorded; the fact is recorded nevertheless, and
has to take effect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

_under_way: Final[set[asyncio.Task[Any]]] = set()
"""Kept, because the loop does not keep them."""


async def unbroken(work: Coroutine[Any, Any, T]) -> T:
    """Wait for work that goes on when the wait is cancelled. Raises what it raises."""
    task = asyncio.get_running_loop().create_task(work)
    _under_way.add(task)
    task.add_done_callback(_let_go)
    return await asyncio.shield(task)


def _let_go(task: asyncio.Task[Any]) -> None:
    _under_way.discard(task)
    if not task.cancelled():
        task.exception()  # whoever waits has it, and where nobody does it is nobody's

"""How what runs is brought to rest when a process ends and another will follow.

What can go on is suspended: its state is in the log, and the next engine goes on with it. What waits stays
in a durable log as it is. The rest gets its grace to end by itself and is then cancelled. Readers of what was
suspended find their transport aborted, which no client can take for an end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from rxstream.engine.execution import Execution
from rxstream.engine.life import Suspended
from rxstream.errors import LogError

STOPPED: Final = "the server was stopped"

_CLOSE_S: Final = 0.8
"""How long what was cancelled may take to close what it opened, in seconds."""

_BEGIN_POLL_S: Final = 0.01


async def bring_to_rest(
    running: Iterable[Execution],
    waiting: Iterable[Execution],
    *,
    durable: bool,
    grace_s: float,
) -> None:
    """Suspend, leave or cancel all of them; returns when each has ended or been put away."""
    everything = [*running, *waiting]
    resting = [asyncio.ensure_future(_rest(execution, grace_s)) for execution in running]
    for execution in waiting:
        if durable:
            execution.settle(Suspended("the engine was stopped; the next one lets it wait again"))
        elif execution.unsettled():
            execution.cancel(STOPPED)
    try:
        await asyncio.gather(*resting)
        await asyncio.gather(*(execution.wait() for execution in everything))
    finally:
        for task in resting:
            task.cancel()


async def _rest(execution: Execution, grace_s: float) -> None:
    # its start may be on its way into the log, and nobody tells when it is there
    while _begins(execution):  # noqa: ASYNC110
        await asyncio.sleep(_BEGIN_POLL_S)
    try:
        if await execution.suspend():
            return
    except LogError:
        return  # nothing more can be recorded of it, and that has ended it
    with suppress(TimeoutError):
        async with asyncio.timeout(grace_s):
            await execution.wait()
    if execution.unsettled():
        execution.cancel(STOPPED)
        execution.hurry(_CLOSE_S)


def _begins(execution: Execution) -> bool:
    return execution.resumable and execution.unsettled() and not hasattr(execution, "runtime")

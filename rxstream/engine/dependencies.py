"""Which of the executions one waits for have not ended, and which of them failed it already.

An execution of this process has ended when its end is recorded, not before; one of an earlier process when
its record says so. One that this process does not run and that has not ended is waited for: it may yet go on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from rxstream.engine.execution import Execution
from rxstream.engine.requirements import Requirements
from rxstream.engine.states import ENDED, Status
from rxstream.errors import InvalidParameters, UnknownExecution
from rxstream.log.contract import ExecutionRecord

GONE: Final = "no longer in the log"

_ENDED: Final = frozenset({GONE, *(status.value for status in ENDED)})

Known = Mapping[str, "Execution | str"]
"""Executions of this process, and the statuses of others."""


@dataclass(frozen=True)
class Dependencies:
    """What is waited for: ids that have to succeed and to end, and the first that failed, with its status."""

    after_success: list[str]
    after_end: list[str]
    failed: tuple[str, str] | None


async def look_up(
    wanted: Requirements,
    executions: Mapping[str, Execution],
    record: Callable[[str], Awaitable[ExecutionRecord]],
    *,
    strict: bool = True,
) -> Known:
    """Find what is waited for; `strict` raises `InvalidParameters` for ids that nobody knows."""
    known: dict[str, Execution | str] = {}
    for field in ("after_success", "after_end"):
        for name in getattr(wanted, field):
            found = executions.get(name)
            if found is not None:
                known[name] = found
                continue
            try:
                known[name] = (await record(name)).status
            except UnknownExecution as error:
                if strict:
                    detail = {"name": field, "message": error.message, "expected": "known ids"}
                    raise InvalidParameters(f"{field}: {error.message}", detail=[detail]) from None
                known[name] = GONE
    return known


def settle(wanted: Requirements, known: Known) -> Dependencies:
    """What is waited for now. Nothing may be awaited between this and taking a place in the queue."""
    statuses = {name: _status(found) for name, found in known.items()}
    failed = (
        (name, statuses[name])
        for name in wanted.after_success
        if statuses[name] in _ENDED and statuses[name] != Status.COMPLETED
    )
    return Dependencies(
        [name for name in wanted.after_success if statuses[name] not in _ENDED],
        [name for name in wanted.after_end if statuses[name] not in _ENDED],
        next(failed, None),
    )


def _status(found: Execution | str) -> str:
    if isinstance(found, str):
        return found
    return found.record.status if found.ended else Status.RUNNING.value

"""States of an execution and the moves between them: one table, nothing else may change a status.

    queued ──▶ running ◀──▶ waiting        waiting: for a person's answer
       │          │            │
       ▼          ▼            ▼
    cancelled  completed · failed · cancelled · interrupted

An execution is `interrupted` when its process died and its graph cannot be resumed; only the engine that
opens the log afterwards makes that move.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from rxstream.errors import AlreadyEnded


class Status(StrEnum):
    """Where an execution stands."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


ENDED: Final = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.INTERRUPTED})

TRANSITIONS: Final[Mapping[Status, frozenset[Status]]] = {
    Status.QUEUED: frozenset({Status.RUNNING, Status.FAILED, Status.CANCELLED, Status.INTERRUPTED}),
    Status.RUNNING: frozenset({Status.WAITING, *ENDED}),
    Status.WAITING: frozenset({Status.RUNNING, *ENDED}),
    **dict.fromkeys(ENDED, frozenset[Status]()),
}


def move(current: Status, wanted: Status) -> Status:
    """The new status. Raises `AlreadyEnded`, or ValueError for a move the table does not have."""
    if wanted in TRANSITIONS[current]:
        return wanted
    if current in ENDED:
        raise AlreadyEnded(f"the execution has ended: it is {current}")
    raise ValueError(f"an execution cannot go from {current} to {wanted}")

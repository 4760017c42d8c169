"""A checkpoint: an execution's deltas put together into one state that gives the same.

Reading and folding is done beside the writer, from a snapshot; the writer then only exchanges rows, those up
to the snapshot for what they come to. So commits go on meanwhile, and a crash leaves the ones or the others.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import apsw

from rxstream.adapters.logs.reading import state_rows
from rxstream.adapters.logs.rows import look_up, store_states
from rxstream.adapters.logs.states import fold, pack_whole
from rxstream.errors import UnknownExecution
from rxstream.log.values import CheckpointInfo

_TURN_S: Final = 0.001


@dataclass(frozen=True)
class Folded:
    """What rows of states come to."""

    info: CheckpointInfo
    row: int
    count: int
    """Rows that were folded."""
    upto: int
    """Position of the last of them."""
    payloads: Sequence[bytes]
    """What is to be stored for them."""


def folded(connection: apsw.Connection, execution_id: str) -> Folded:
    """Fold from one snapshot. Raises `UnknownExecution`, `LogError` when a row is damaged."""
    connection.execute("BEGIN")
    try:
        tail = look_up(connection, execution_id)
        if tail is None:
            raise UnknownExecution(f"no execution has the id {execution_id[:80]!r}")
        rows = list(state_rows(connection, execution_id))
    finally:
        connection.execute("ROLLBACK")
    states = fold(_politely(rows))
    size = sum(len(k) + len(v) for state in states.values() for k, v in state.items())
    payloads = list(_politely(pack_whole(states)))
    info = CheckpointInfo(tail.last, size)
    return Folded(info, tail.row, len(rows), tail.position, payloads)


def exchange(connection: apsw.Connection, execution_id: str, of: Folded) -> bool:
    """Store what was folded in the place of the rows it is of; False when they are gone, as at the end."""
    count = connection.execute(
        "SELECT count(*) FROM states WHERE execution = ? AND position <= ?", (of.row, of.upto)
    ).get
    if count != of.count:
        return False
    connection.execute(
        "DELETE FROM states WHERE execution = ? AND position <= ?", (of.row, of.upto)
    )
    store_states(connection, of.row, execution_id, of.upto - len(of.payloads), of.payloads)
    return True


def _politely(rows: Iterable[bytes]) -> Iterator[bytes]:
    """The same, letting the event loop have the interpreter every millisecond."""
    due = time.perf_counter() + _TURN_S
    for row in rows:
        yield row
        if time.perf_counter() >= due:
            time.sleep(0)
            due = time.perf_counter() + _TURN_S

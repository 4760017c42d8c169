"""Questions to a log's file, each answered from one connection in one thread.

Nothing here loads more than about 1 MiB of events and one chunk, however long an execution is. Must not know
threads, nor what is not on the disk yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

import apsw
import orjson

from rxstream.adapters.logs import digests, schema
from rxstream.adapters.logs.states import States, fold
from rxstream.codec import Binary
from rxstream.errors import InvalidCursor, LogError, UnknownExecution
from rxstream.events import StreamEvent, unseal
from rxstream.log.ring import READ_BYTES
from rxstream.log.values import ExecutionRecord, Head

P = ParamSpec("P")
R = TypeVar("R")


def answered(
    path: str,
    connection: apsw.Connection,
    question: Callable[Concatenate[apsw.Connection, P], R],
    *args: P.args,
    **kwargs: P.kwargs,
) -> R:
    """Ask; raises `LogError` for whatever the file makes go wrong."""
    try:
        return question(connection, *args, **kwargs)
    except apsw.Error as error:
        raise schema.explained(path, error) from error
    except (TypeError, ValueError, KeyError, OverflowError) as error:  # of a row with flipped bits
        raise LogError(
            f"{path}: a row is not what was written ({error}): see `rxstream log verify`",
            code="log_corrupt",
        ) from error


def head(connection: apsw.Connection, execution_id: str) -> Head | None:
    """What can be read of an execution; None when there is none of that id."""
    row = connection.execute(
        """SELECT ended, trimmed, (SELECT max(last) FROM events WHERE execution = executions.id)
           FROM executions WHERE execution_id = ?""",
        (execution_id,),
    ).fetchone()
    return None if row is None else Head(row[1] + 1, row[2] or 0, bool(row[0]))


def events(
    connection: apsw.Connection, execution_id: str, after: int, limit: int
) -> list[StreamEvent]:
    """At most `limit` events past `after`, and about 1 MiB.

    Raises `LogError` when the next are damaged; the number of the last of those is its detail.
    """
    found: list[StreamEvent] = []
    try:
        _read(connection, execution_id, after, limit, found)
    except (apsw.CorruptError, LogError) as error:
        if found:
            return found  # what is whole comes first
        if isinstance(error, LogError):
            raise
        # the index may still know what cannot be read
        last = connection.execute(
            """SELECT min(last) FROM events WHERE last > ? AND execution =
               (SELECT id FROM executions WHERE execution_id = ?)""",
            (after, execution_id),
        ).get
        raise damaged(execution_id, after + 1, int(last or after + 1)) from error
    return found


def _read(
    connection: apsw.Connection,
    execution_id: str,
    after: int,
    limit: int,
    found: list[StreamEvent],
) -> None:
    size = 0
    chunks = connection.execute(
        """SELECT first, last, at, digest, payload FROM events
           WHERE execution = (SELECT id FROM executions WHERE execution_id = ?) AND last > ?
           ORDER BY last""",
        (execution_id, after),
    )
    for first, last, at, digest, payload in chunks:
        if found and first > (found[-1].sequence or 0) + 1:
            return  # some are missing: the next page begins behind them, which readers notice
        if digests.of_events(execution_id, first, last, at, payload) != digest:
            raise damaged(execution_id, max(first, after + 1), last)
        lines = payload.split(b"\n")
        begin = max(0, after + 1 - first)
        for number, line in enumerate(lines[begin:], first + begin):
            size += len(line)
            if found and (len(found) == limit or size > READ_BYTES):
                return
            found.append(unseal(line, execution_id, number))
        if len(found) == limit or size > READ_BYTES:
            return


def damaged(execution_id: str, first: int, last: int) -> LogError:
    """These events are not what was written."""
    return LogError(
        f"events {first} to {last} of {execution_id} are damaged: go on after {last}, and see "
        "`rxstream log verify`",
        code="log_corrupt",
        detail={"last": last},
    )


def record(connection: apsw.Connection, execution_id: str) -> ExecutionRecord:
    """The execution's record. Raises `UnknownExecution`."""
    row = connection.execute(
        "SELECT record FROM executions WHERE execution_id = ?", (execution_id,)
    ).fetchone()
    if row is None or row[0] is None:
        raise UnknownExecution(f"no execution has the id {execution_id[:80]!r}")
    return _record(row[0])


def records(
    connection: apsw.Connection,
    statuses: Sequence[str],
    graph: str | None,
    limit: int,
    after: str | None,
) -> list[ExecutionRecord]:
    """Records, newest first. Raises `InvalidCursor` when no execution has the id `after`."""
    wanted = ["record IS NOT NULL"]
    values: list[Any] = []
    if after is not None:
        row = connection.execute(
            "SELECT id FROM executions WHERE execution_id = ?", (after,)
        ).fetchone()
        if row is None:
            raise InvalidCursor(f"no execution has the id {after[:80]!r}: ask from the start")
        wanted.append("id < ?")
        values.append(row[0])
    if statuses:
        wanted.append(f"status IN ({', '.join('?' * len(statuses))})")
        values += statuses
    if graph is not None:
        wanted.append("graph = ?")
        values.append(graph)
    found = connection.execute(
        f"SELECT record FROM executions WHERE {' AND '.join(wanted)} ORDER BY id DESC LIMIT ?",
        (*values, limit),
    )
    return [_record(stored) for (stored,) in found]


def states(connection: apsw.Connection, execution_id: str) -> States:
    """Every node's state at the last commit. Raises `LogError` when a row of it is damaged."""
    return fold(state_rows(connection, execution_id))


def state_rows(connection: apsw.Connection, execution_id: str) -> Iterator[bytes]:
    """What the state is folded from, in order. Raises `LogError` when a row is damaged or missing."""
    expected = None
    for position, digest, payload in connection.execute(
        """SELECT position, digest, payload FROM states
           WHERE execution = (SELECT id FROM executions WHERE execution_id = ?) ORDER BY position""",
        (execution_id,),
    ):
        whole = expected in (None, position)
        if not whole or digests.of_state(execution_id, position, payload) != digest:
            raise LogError(
                f"the stored state of {execution_id} is damaged at its row {position}",
                code="log_corrupt",
            )
        expected = position + 1
        yield payload


def blob(connection: apsw.Connection, execution_id: str, sha256: str) -> Binary | None:
    """The bytes of that digest. Raises `LogError` when they are damaged."""
    row = connection.execute(
        """SELECT data, media_type, digest FROM blobs
           WHERE execution = (SELECT id FROM executions WHERE execution_id = ?) AND sha256 = ?""",
        (execution_id, sha256),
    ).fetchone()
    if row is None:
        return None
    data, media_type, digest = row
    found = Binary(data, media_type)
    if found.sha256 != sha256 or digests.of_blob(execution_id, sha256, media_type) != digest:
        raise LogError(f"the stored bytes of {sha256} are damaged", code="log_corrupt")
    return found


def _record(stored: bytes) -> ExecutionRecord:
    fields = orjson.loads(stored)
    for name in ("created_at", "started_at", "ended_at"):
        if fields[name] is not None:
            fields[name] = datetime.fromisoformat(fields[name])
    return ExecutionRecord(**fields)

"""What a log's file holds, counted: for people who look after it. Reads every page, in one snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import apsw

from rxstream.adapters.logs.pruning import used


@dataclass(frozen=True)
class LogStatistics:
    """Sizes are in bytes; times are those of events."""

    executions: dict[str, int]
    """How many by status."""
    graphs: dict[str, int]
    """How many by graph."""
    events: int
    event_bytes: int
    """JSON of events."""
    state_bytes: int
    """Checkpoints and deltas of executions that have not ended."""
    largest_state_bytes: int
    blobs: int
    blob_bytes: int
    file_bytes: int
    """The file without its write-ahead log."""
    used_bytes: int
    """What of the file holds something; the rest is used again first."""
    oldest: datetime | None
    newest: datetime | None

    @property
    def bytes_per_event(self) -> float:
        """Used bytes without states and blobs, for each event."""
        rest = self.used_bytes - self.state_bytes - self.blob_bytes
        return rest / self.events if self.events else 0.0


def statistics(connection: apsw.Connection) -> LogStatistics:
    """Count. Raises `apsw.Error` where the file is damaged."""
    connection.execute("BEGIN")
    try:
        events, size, oldest, newest = _row(
            connection,
            """SELECT coalesce(sum(last - first + 1), 0), coalesce(sum(length(payload)), 0),
               min(at), max(at) FROM events""",
        )
        states, largest = _row(
            connection,
            """SELECT coalesce(sum(size), 0), coalesce(max(size), 0) FROM
               (SELECT sum(length(payload)) AS size FROM states GROUP BY execution)""",
        )
        blobs, blob_bytes = _row(
            connection, "SELECT count(*), coalesce(sum(length(data)), 0) FROM blobs"
        )
        return LogStatistics(
            _counts(connection, "status"),
            _counts(connection, "graph"),
            events,
            size,
            states,
            largest,
            blobs,
            blob_bytes,
            connection.pragma("page_count") * connection.pragma("page_size"),
            used(connection),
            _time(oldest),
            _time(newest),
        )
    finally:
        connection.execute("ROLLBACK")


def _row(connection: apsw.Connection, query: str) -> tuple[Any, ...]:
    return connection.execute(query).fetchall()[0]


def _counts(connection: apsw.Connection, column: str) -> dict[str, int]:
    rows: Any = connection.execute(
        f"""SELECT {column}, count(*) FROM executions WHERE record IS NOT NULL
            GROUP BY {column} ORDER BY {column}"""
    )
    return {str(name): int(count) for name, count in rows}


def _time(at: int | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at / 1_000, UTC)

"""Takes old executions and old events out of the file, some at a time.

Every step leaves a whole log: what was cut off an execution is remembered by its number and the chain up to
there, so that what is left can still be verified. What goes is decided from a snapshot, beside the writer.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import apsw

from rxstream.adapters.logs.rows import sign
from rxstream.log.pruning import Stored, Taking, plan
from rxstream.log.retention import Retention, Scope

STEP_ROWS: Final = 256
"""Rows one transaction takes, about: what commits may have to wait for."""

_STEP_PAGES: Final = 512
_FREE_PAGES: Final = 1_024
_FREE_SHARE: Final = 0.1


class FileShelf:
    """A log's file, as pruning asks it. An execution's key is its row."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def stored(self, scope: Scope, *, sizes: bool) -> list[Stored]:
        """See `Shelf`."""
        limit = scope.limits.max_bytes
        if sizes and limit is not None and used(self._connection) <= limit:
            sizes = False  # the whole file is smaller, so nothing has to be counted
        names = scope.only or scope.without
        marks = ", ".join("?" * len(names))
        which = f"graph {'IN' if scope.only else 'NOT IN'} ({marks})" if names else "true"
        rows = self._connection.execute(
            f"""SELECT id, execution_id, ended, trimmed,
                (SELECT max(last) FROM events WHERE execution = executions.id) AS newest,
                (SELECT at FROM events WHERE execution = executions.id ORDER BY last DESC LIMIT 1)
                FROM executions WHERE {which}""",
            names,
        )
        found = [
            Stored(row, execution_id, bool(ended), at / 1_000, trimmed + 1, last)
            for row, execution_id, ended, trimmed, last, at in rows
            if last is not None
        ]
        return [e._replace(bytes=self.size(e)) for e in found] if sizes else found

    def size(self, of: Stored) -> int:
        """See `Shelf`."""
        size = 0
        for table, column in (("events", "payload"), ("states", "payload"), ("blobs", "data")):
            size += self._connection.execute(
                f"SELECT coalesce(sum(length({column})), 0) FROM {table} WHERE execution = ?",
                (of.key,),
            ).get
        return size

    def older(self, of: Stored, than: float) -> int:
        """See `Shelf`."""
        young = self._connection.execute(
            "SELECT first FROM events WHERE execution = ? AND at >= ? ORDER BY last LIMIT 1",
            (of.key, int(than * 1_000)),
        ).fetchone()
        return of.last if young is None else int(young[0]) - 1

    def heavy(self, of: Stored, size: int) -> int:
        """See `Shelf`."""
        for last, length in self._connection.execute(
            "SELECT last, length(payload) FROM events WHERE execution = ? ORDER BY last", (of.key,)
        ):
            size -= length
            if size <= 0:
                return int(last)
        return of.last

    def piece(self, of: Stored, upto: int) -> Taking | None:
        """See `Shelf`: whole rows, and never the last one."""
        last, size = self._connection.execute(
            """SELECT max(last), coalesce(sum(length(payload)), 0) FROM events
               WHERE execution = ? AND last <= ? AND last < ?""",
            (of.key, upto, of.last),
        ).fetchone() or (None, 0)
        if last is None:
            return None
        size += self._connection.execute(
            "SELECT coalesce(sum(length(data)), 0) FROM blobs WHERE execution = ? AND last <= ?",
            (of.key, last),
        ).get
        return Taking(of.key, of.execution_id, last, last - of.first + 1, size)


def planned(connection: apsw.Connection, retention: Retention, graph: str | None) -> list[Taking]:
    """What goes under these limits, from one snapshot."""
    connection.execute("BEGIN")
    try:
        return plan(FileShelf(connection), retention, graph, time.time())
    finally:
        connection.execute("ROLLBACK")


def take(
    connection: apsw.Connection, takings: Sequence[Taking]
) -> tuple[list[Taking], list[tuple[str, int | None]]]:
    """One step, for one transaction: what is left to take, and for each execution that lost something its
    first event, None if it is gone."""
    budget = STEP_ROWS
    done: list[tuple[str, int | None]] = []
    for index, taking in enumerate(takings):
        if budget <= 0:
            return list(takings[index:]), done
        row = connection.execute(
            "SELECT id FROM executions WHERE execution_id = ?", (taking.execution_id,)
        ).fetchone()
        if row is None or row[0] != taking.key:
            continue  # somebody else took it
        rows = connection.execute(
            """SELECT last FROM events WHERE execution = ?1 AND last <= coalesce(?2, last)
               ORDER BY last LIMIT ?3""",
            (taking.key, taking.upto, budget + 1),
        ).fetchall()
        more = len(rows) > budget
        if taking.upto is None and not more:
            budget -= len(rows) + 1
            _remove(connection, taking.key)
            done.append((taking.execution_id, None))
            continue
        budget -= len(rows)
        if rows:
            upto = int(rows[-2 if more else -1][0])  # type: ignore[arg-type]  # a column of integers
            _trim(connection, taking.key, upto)
            done.append((taking.execution_id, upto + 1))
        if more:
            return list(takings[index:]), done
    return [], done


def _remove(connection: apsw.Connection, row: int) -> None:
    for table in ("events", "states", "blobs"):
        connection.execute(f"DELETE FROM {table} WHERE execution = ?", (row,))
    connection.execute("DELETE FROM executions WHERE id = ?", (row,))


def _trim(connection: apsw.Connection, row: int, upto: int) -> None:
    anchor = connection.execute(
        "SELECT chain FROM events WHERE execution = ? AND last = ?", (row, upto)
    ).get
    connection.execute("DELETE FROM events WHERE execution = ? AND last <= ?", (row, upto))
    connection.execute("DELETE FROM blobs WHERE execution = ? AND last <= ?", (row, upto))
    connection.execute(
        "UPDATE executions SET trimmed = ?, anchor = ? WHERE id = ?", (upto, anchor, row)
    )
    sign(connection, row)


def used(connection: apsw.Connection) -> int:
    """Bytes of the file that hold something."""
    pages = connection.pragma("page_count") - connection.pragma("freelist_count")
    return int(pages * connection.pragma("page_size"))


def give_back(connection: apsw.Connection) -> bool:
    """Return some unused pages to the system; whether there are more worth it. Not in a transaction."""
    free, pages = connection.pragma("freelist_count"), connection.pragma("page_count")
    if free <= max(_FREE_PAGES, pages * _FREE_SHARE):
        return False
    connection.execute(f"PRAGMA incremental_vacuum({_STEP_PAGES})").fetchall()
    return True

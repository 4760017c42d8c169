"""Looks for damage in a log's file: reads all of it, and goes on behind what cannot be read.

Each row is fetched by itself, so that a damaged page hides only what is on it. An execution is looked at in
one snapshot, so a log that is being written can be verified. Must not know how damage is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import apsw
import orjson

from rxstream.adapters.logs import digests
from rxstream.adapters.logs.wal import lost_commits
from rxstream.codec import Binary

UNREADABLE: Final = (apsw.Error, UnicodeDecodeError)
"""What reading a damaged row raises; the second where it is in a text."""

_CHECKS: Final = 20


class Damage(NamedTuple):
    """One place that is not what was written."""

    execution_id: str | None
    """None where it is the file's and not of one execution."""
    first: int | None
    """First and last event, where it is events."""
    last: int | None
    what: str

    def __str__(self) -> str:
        return f"{self.execution_id or 'the file'}: {self.what}"


class Verified(NamedTuple):
    """What was read."""

    executions: int
    events: int
    damage: list[Damage]


def verify(connection: apsw.Connection) -> Verified:
    """Read everything. Only a file that cannot be opened at all raises."""
    damage = list(_of_file(connection))
    rows = _keys(connection, "executions", "id", (), damage)
    events = 0
    for row in rows:
        connection.execute("BEGIN")
        try:
            events += _execution(connection, row, damage)
        finally:
            connection.execute("ROLLBACK")
    return Verified(len(rows), events, damage)


def _of_file(connection: apsw.Connection) -> Iterator[Damage]:
    try:
        meta = dict(connection.execute("SELECT key, value FROM meta"))
        if meta.get("check") != digests.of_meta(meta.get("format"), meta.get("epoch")):
            yield Damage(None, None, None, "its epoch or its format is not what was written")
        for (said,) in connection.execute(f"PRAGMA integrity_check({_CHECKS})"):
            if said != "ok":
                yield Damage(None, None, None, str(said).replace("\n", " "))
    except UNREADABLE as error:
        yield Damage(None, None, None, f"it cannot be checked: {error}")
    lost = lost_commits(connection.filename)
    if lost:
        yield Damage(
            None, None, None, f"{lost} commits in its write-ahead log cannot be read any more"
        )


def _execution(connection: apsw.Connection, row: int, damage: list[Damage]) -> int:
    """Look at one execution; the result is how many events are as they were."""
    found = _fetched(
        connection,
        """SELECT digest, execution_id, status, graph, ended, trimmed, anchor, record
           FROM executions WHERE id = ?""",
        (row,),
    )
    if found is None:
        return 0  # pruned since
    if isinstance(found, UNREADABLE):
        damage.append(Damage(None, None, None, f"an execution cannot be read: {found}"))
        return 0
    digest, execution_id, *fields = found
    name = str(execution_id)[:128]

    def note(what: str, first: int | None = None, last: int | None = None) -> None:
        damage.append(Damage(name, first, last, what))

    if not _same(digest, digests.of_execution, execution_id, *fields):
        note("its record is not what was written")
    trimmed, anchor = fields[3], fields[4]
    events = _events(connection, row, name, trimmed, anchor, note)
    _states(connection, row, name, note)
    _blobs(connection, row, name, note)
    return events


def _events(
    connection: apsw.Connection,
    row: int,
    execution_id: str,
    trimmed: Any,
    anchor: Any,
    note: Callable[..., None],
) -> int:
    good = 0
    before = trimmed if isinstance(trimmed, int) else 0
    chain: bytes | None = anchor if isinstance(anchor, bytes) else None
    for last in _keys(connection, "events", "last", (row,), note):
        found = _fetched(
            connection,
            """SELECT first, last, at, digest, payload, chain FROM events
               WHERE execution = ? AND last = ?""",
            (row, last),
        )
        if found is None or isinstance(found, UNREADABLE):
            said = f": {found}" if found is not None else ""
            note(f"events {before + 1} to {last} cannot be read{said}", before + 1, last)
            before, chain = last, None
            continue
        first, _, _, digest, payload, linked = found
        if not isinstance(first, int) or not before < first <= last:
            first = before + 1
        if first > before + 1:
            note(f"events {before + 1} to {first - 1} are missing", before + 1, first - 1)
            chain = None
        whole = _same(digest, digests.of_events, execution_id, *found[:3], payload)
        whole = whole and payload.count(b"\n") == last - first
        linked_well = chain is None or not whole or digests.chained(chain, digest) == linked
        if whole and linked_well:
            good += last - first + 1
        else:
            note(f"events {first} to {last} are not what was written", first, last)
        before = last
        chain = linked if isinstance(linked, bytes) else None
    return good


def _states(
    connection: apsw.Connection, row: int, execution_id: str, note: Callable[..., None]
) -> None:
    expected = None
    for position in _keys(connection, "states", "position", (row,), note):
        found = _fetched(
            connection,
            "SELECT position, payload, digest FROM states WHERE execution = ? AND position = ?",
            (row, position),
        )
        if found is None or isinstance(found, UNREADABLE):
            note(f"its state cannot be read at row {position}")
        elif expected not in (None, position):
            note(f"its state misses rows {expected} to {position - 1}")
        elif not _same(found[2], digests.of_state, execution_id, found[0], found[1]):
            note(f"its state is not what was written at row {position}")
        expected = position + 1


def _blobs(
    connection: apsw.Connection, row: int, execution_id: str, note: Callable[..., None]
) -> None:
    for sha256 in _keys(connection, "blobs", "sha256", (row,), note):
        found = _fetched(
            connection,
            "SELECT data, media_type, digest FROM blobs WHERE execution = ? AND sha256 = ?",
            (row, sha256),
        )
        if found is None or isinstance(found, UNREADABLE):
            note(f"its blob {sha256} cannot be read")
            continue
        data, media_type, digest = found
        whole = _same(digest, digests.of_blob, execution_id, sha256, media_type)
        if not whole or not _same(sha256, lambda data: Binary(data).sha256, data):
            note(f"its blob {sha256} is not what was written")


def _same(stored: Any, digest: Callable[..., Any], *fields: Any) -> bool:
    """Whether a digest is that of the fields; a flipped bit can give them another type."""
    try:
        return bool(digest(*fields) == stored)
    except (TypeError, ValueError, AttributeError):
        return False


def _keys(
    connection: apsw.Connection,
    table: str,
    column: str,
    of: tuple[int, ...],
    note: list[Damage] | Callable[..., None],
) -> list[Any]:
    """Keys of rows in order, from an index alone; what is behind a damaged page is found from the end."""
    where = "WHERE execution = ?" if of else ""
    found: list[list[Any]] = []
    failed: Exception | None = None
    for order in ("ASC", "DESC"):
        keys: list[Any] = []
        found.append(keys)
        try:
            for (key,) in connection.execute(
                f"SELECT {column} FROM {table} {where} ORDER BY {column} {order}", of
            ):
                keys.append(key)
        except UNREADABLE as error:
            failed = error
            continue
        break
    if failed is not None:
        what = f"some of the {table} cannot be listed: {failed}"
        if isinstance(note, list):
            note.append(Damage(None, None, None, what))
        else:
            note(what)
    both = set(found[0]).union(*found[1:])
    return sorted(both, key=lambda key: (str(type(key)), key))


def _fetched(
    connection: apsw.Connection, query: str, of: tuple[Any, ...]
) -> tuple[Any, ...] | apsw.Error | UnicodeDecodeError | None:
    try:
        found: tuple[Any, ...] | None = connection.execute(query, of).fetchone()
    except UNREADABLE as error:
        return error
    return found


def plain(damage: Damage) -> bytes:
    """As JSON."""
    return orjson.dumps(
        {
            "execution_id": damage.execution_id,
            "first": damage.first,
            "last": damage.last,
            "what": damage.what,
        }
    )

"""The SQLite file of a log: its tables, its versions, how it is opened, and what its errors mean.

Events are stored in chunks of JSON lines, because a row for each event costs 2.6 times as much. Every row
carries a digest (see `digests`), and the chunks of an execution a chain of them, so that flipped bits and
lost rows are found. States are stored as deltas, a row for each commit, folded from time to time. `meta` says
which format the file has, which epoch its cursors are of, and which generation of owners may write.
"""

from __future__ import annotations

import os
import secrets
import shutil
from typing import Any, Final

import apsw
import structlog

from rxstream.adapters.logs import digests
from rxstream.adapters.logs.wal import lost_commits
from rxstream.errors import LogError

FORMAT: Final = 2
"""Raised when a file of the new kind cannot be read by the old code."""

_log = structlog.get_logger("rxstream.log")

_APPLICATION_ID: Final = 0x72787331  # "rxs1": SQLite's own mark for whose file it is

_TABLES: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE executions (
    id INTEGER PRIMARY KEY,              -- order of creation
    execution_id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL DEFAULT '',
    graph TEXT NOT NULL DEFAULT '',
    ended INTEGER NOT NULL DEFAULT 0,    -- whether a terminal event is stored
    trimmed INTEGER NOT NULL DEFAULT 0,  -- number of the last event that was taken by pruning
    anchor BLOB NOT NULL DEFAULT x'',    -- the chain up to there
    digest BLOB NOT NULL DEFAULT x'',    -- of all of the row except the id
    record BLOB                          -- JSON
);
CREATE INDEX executions_by_status ON executions (status, id);
CREATE INDEX executions_by_graph ON executions (graph, id);
CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    execution INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    at INTEGER NOT NULL,                 -- time of the last of them, milliseconds since 1970
    digest BLOB NOT NULL,                -- of whose they are, their numbers, time and bytes
    chain BLOB NOT NULL,                 -- of the chain before it and the digest
    payload BLOB NOT NULL                -- events first to last, a line of JSON each
);
CREATE UNIQUE INDEX events_by_number ON events (execution, last);
CREATE TABLE states (
    id INTEGER PRIMARY KEY,
    execution INTEGER NOT NULL,
    position INTEGER NOT NULL,           -- order of application, without a gap
    digest BLOB NOT NULL,
    payload BLOB NOT NULL
);
CREATE UNIQUE INDEX states_by_position ON states (execution, position);
CREATE TABLE blobs (
    id INTEGER PRIMARY KEY,
    execution INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    media_type TEXT NOT NULL,
    last INTEGER NOT NULL,               -- number of the last event that mentions it
    digest BLOB NOT NULL,                -- of whose it is, its SHA-256 and its type
    data BLOB NOT NULL
);
CREATE UNIQUE INDEX blobs_by_digest ON blobs (execution, sha256);
"""

_WRITE: Final = apsw.SQLITE_OPEN_READWRITE
_READ: Final = apsw.SQLITE_OPEN_READONLY


def prepare(path: str) -> None:
    """Make the folder and the file, for nobody else to read. Raises `LogError`."""
    folder = os.path.dirname(path)
    if os.path.isdir(path):
        raise LogError(f"{path} is a folder: name a file in it")
    try:
        os.makedirs(folder, exist_ok=True)
        if not os.path.exists(path):
            # never one that is there: closing it would take SQLite's locks away from this process
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        # a file whose name was not written through is lost with the power
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _of_os(path, error) from error


def connect(path: str, *, write: bool = False, vfs: str | None = None) -> apsw.Connection:
    """A connection for one thread at a time. Raises `apsw.Error`."""
    connection = apsw.Connection(path, flags=_WRITE if write else _READ, vfs=vfs)
    connection.set_busy_timeout(10_000)  # milliseconds; only a foreign program makes us wait
    return connection


def open_writer(
    path: str, *, power_safe: bool, vfs: str | None = None
) -> tuple[apsw.Connection, str, int]:
    """Open the file for writing, make its tables if it is new, and become its owner.

    The results are the connection, the epoch and the owner's generation. Raises `LogError`.
    """
    try:
        connection = connect(path, write=True, vfs=vfs)
        try:
            return connection, *_take_over(path, connection, power_safe)
        except BaseException:
            connection.close()
            raise
    except apsw.Error as error:
        raise explained(path, error) from error


def _take_over(path: str, connection: apsw.Connection, power_safe: bool) -> tuple[str, int]:
    mark = connection.pragma("application_id")
    is_new = connection.pragma("schema_version") == 0
    if not is_new and mark != _APPLICATION_ID:
        raise LogError(f"{path} is a database of another program: name another file")
    if is_new:
        connection.pragma("auto_vacuum", 2)  # so that what is pruned can be given back, in steps
    if connection.pragma("journal_mode", "wal") != "wal":
        raise LogError(
            f"{path}: its file system cannot hold a write-ahead log: choose another place"
        )
    seen, _ = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    lost = lost_commits(path, seen)
    # FULL waits for the disk at every commit; NORMAL keeps all after a kill but not after a power cut
    connection.pragma("synchronous", "FULL" if power_safe else "NORMAL")
    connection.pragma("fullfsync", power_safe)  # where fsync alone does not reach the disk
    connection.pragma("checkpoint_fullfsync", power_safe)
    connection.pragma("journal_size_limit", 64 * 1024 * 1024)
    connection.execute("BEGIN IMMEDIATE")
    try:
        if is_new:
            connection.execute(_TABLES)
            connection.pragma("application_id", _APPLICATION_ID)
            epoch = secrets.token_hex(4)
            check = digests.of_meta(FORMAT, epoch)
            connection.executemany(
                "INSERT INTO meta VALUES (?, ?)",
                [("format", FORMAT), ("epoch", epoch), ("check", check), ("generation", 0)],
            )
        meta = _meta(path, connection)
        if lost:
            # the numbers of what was lost are given again, to other events: old cursors must not fit
            kept = shutil.copy(f"{path}-wal", f"{path}-wal.damaged")
            _log.error(
                "commits of the event log are lost: its write-ahead log is damaged",
                path=path,
                commits=lost,
                kept=kept,
            )
            meta["epoch"] = secrets.token_hex(4)
            connection.executemany(
                "UPDATE meta SET value = ?2 WHERE key = ?1",
                [("epoch", meta["epoch"]), ("check", digests.of_meta(FORMAT, meta["epoch"]))],
            )
        generation = int(meta["generation"]) + 1
        connection.execute("UPDATE meta SET value = ? WHERE key = 'generation'", (generation,))
        connection.execute("COMMIT")
    except BaseException:
        roll_back(connection)
        raise
    if lost:  # else what is behind its end would be found again
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    return str(meta["epoch"]), generation


def recognized(path: str, connection: apsw.Connection) -> str:
    """The epoch of a log's file, which is only read. Raises `LogError` when it is no log."""
    if connection.pragma("application_id") != _APPLICATION_ID:
        raise LogError(f"{path} is not an event log of rxstream: name another file")
    return str(_meta(path, connection)["epoch"])


def _meta(path: str, connection: apsw.Connection) -> dict[str, Any]:
    try:
        meta: dict[str, Any] = {
            key: value for key, value in connection.execute("SELECT key, value FROM meta")
        }
    except UnicodeDecodeError:
        meta = {}
    if not {"format", "epoch", "generation"} <= meta.keys():
        raise LogError(
            f"{path}: what it says of itself is damaged: restore it, or use another log",
            code="log_corrupt",
        )
    if meta["format"] != FORMAT:
        raise LogError(
            f"{path} has format {meta['format']} and this version of rxstream reads {FORMAT}: "
            "use the version that wrote it, or another log"
        )
    return meta


def roll_back(connection: apsw.Connection) -> None:
    """Undo the open transaction, unless SQLite has done so itself."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def explained(path: str, error: Exception) -> LogError:
    """What an error of SQLite or the system means for whoever runs this, in one line."""
    if isinstance(error, OSError):
        return _of_os(path, error)
    for kind, code, advice in _MEANING:
        if isinstance(error, kind):
            return LogError(f"{path}: {advice}", code=code)
    return LogError(f"{path}: {type(error).__name__}: {error}".replace("\n", " "))


_MEANING: Final = (
    (apsw.FullError, "log_full", "no room is left: free space on its disk"),
    (apsw.NotADBError, "log_error", "not an SQLite database: name another file"),
    (apsw.CorruptError, "log_corrupt", "the database is damaged: restore it, or use another log"),
    (apsw.ReadOnlyError, "log_error", "not writable: change its permissions, or use another log"),
    (apsw.CantOpenError, "log_error", "cannot be opened: look at its permissions and its folder's"),
    (apsw.BusyError, "log_error", "another program holds a lock on it: close that one"),
    (apsw.IOError, "log_error", "its disk failed to read or write: look at the disk"),
)


def _of_os(path: str, error: OSError) -> LogError:
    return LogError(f"{path} cannot be used: {error.strerror or error}: choose another place")

"""The thread that writes: whatever waits becomes one transaction, and one call tells the loop.

While one group is on its way to the disk the next gathers, so the group is as wide as the disk is slow.
Sequence numbers are given here, within the transaction that stores them. When a group cannot be stored, its
commits are tried one by one, so that a bad or a large one does not take the others with it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final, NamedTuple

import apsw

from rxstream.adapters.logs.schema import explained, roll_back
from rxstream.adapters.logs.states import fold, pack, pack_whole
from rxstream.codec import Encoder
from rxstream.errors import LogError, LogLocked, RxStreamError
from rxstream.events import TERMINAL, StreamEvent, seal
from rxstream.log.contract import Commit, ExecutionRecord, ended_already

CHUNK_BYTES: Final = 128 * 1024
"""A row holds events of about this many bytes at most, and always at least one."""

_FOLD_BYTES: Final = 256 * 1024
_FOLD_ROW: Final = 64  # what a row costs beside its payload
_KNOWN: Final = 4_096


class Outcome(NamedTuple):
    """What became of one commit: its events with the first one's number, or why nothing was stored."""

    commit: Commit
    first: int
    events: Sequence[StreamEvent]
    error: RxStreamError | None = None


@dataclass(frozen=True)
class _Tail:
    """Where an execution's rows end; kept, so that a commit need not look."""

    row: int
    last: int = 0
    digest: bytes = b""
    ended: bool = False
    whole_bytes: int = 0
    """Bytes of its states when they were last folded."""
    delta_bytes: int = 0
    """Bytes of its states' rows since then."""


class Writer:
    """Owns the connection that writes. `deliver` is called on its thread, once for each group."""

    def __init__(
        self,
        connection: apsw.Connection,
        path: str,
        epoch: str,
        generation: int,
        deliver: Callable[[list[Outcome]], None],
    ) -> None:
        self._connection = connection
        self._path = path
        self._epoch = epoch
        self._generation = generation
        self._deliver = deliver
        # bounded by whoever submits: an execution has at most one commit under way
        self._queue: queue.SimpleQueue[Commit | None] = queue.SimpleQueue()
        self._tails: dict[str, _Tail] = {}
        self._thread = threading.Thread(target=self._run, name="rxstream log", daemon=True)
        self._thread.start()

    def submit(self, commit: Commit) -> None:
        """Store it soon."""
        self._queue.put(commit)

    def stop(self) -> None:
        """Store what was submitted, close the file and wait until that is done."""
        self._queue.put(None)
        self._thread.join()

    # -- the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            for group in self._groups():
                self._deliver(self._stored(group))
        finally:
            self._connection.close()

    def _groups(self) -> Iterator[list[Commit]]:
        stopping = False
        while not stopping:
            taken = [self._queue.get()]
            while not self._queue.empty():
                taken.append(self._queue.get())
            group = [commit for commit in taken if commit is not None]
            stopping = len(group) < len(taken)
            if group:
                yield group

    def _stored(self, group: list[Commit]) -> list[Outcome]:
        try:
            return self._transaction(group)
        except Exception as error:
            if len(group) > 1:
                return [outcome for commit in group for outcome in self._stored([commit])]
            known = error if isinstance(error, RxStreamError) else explained(self._path, error)
            return [Outcome(group[0], 0, (), known)]

    def _transaction(self, group: list[Commit]) -> list[Outcome]:
        changed: dict[str, _Tail] = {}
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._check_owner()
            outcomes = [self._store(commit, changed) for commit in group]
            self._connection.execute("COMMIT")
        except BaseException:
            roll_back(self._connection)
            raise
        for execution_id, tail in changed.items():
            self._tails.pop(execution_id, None)
            if not tail.ended:
                self._tails[execution_id] = tail
        while len(self._tails) > _KNOWN:
            del self._tails[next(iter(self._tails))]
        return outcomes

    def _check_owner(self) -> None:
        now = self._connection.execute("SELECT value FROM meta WHERE key = 'generation'").get
        if now != self._generation:
            raise LogLocked(
                f"{self._path} was taken over by another process: this one cannot write it any more"
            )

    # -- one commit ----------------------------------------------------------------------------

    def _store(self, commit: Commit, changed: dict[str, _Tail]) -> Outcome:
        execution_id = commit.execution_id
        tail = (
            changed.get(execution_id)
            or self._tails.get(execution_id)
            or self._look_up(execution_id)
        )
        if tail.ended and commit.events:
            raise ended_already(execution_id)
        first = tail.last + 1
        events = [
            seal(drafted, execution_id, self._epoch, number)
            for number, drafted in enumerate(commit.events, first)
        ]
        tail = self._store_events(events, tail)
        if commit.events and commit.events[-1].event_type in TERMINAL:
            tail = replace(tail, ended=True)
            self._connection.execute("UPDATE executions SET ended = 1 WHERE id = ?", (tail.row,))
            self._connection.execute("DELETE FROM states WHERE execution = ?", (tail.row,))
        elif commit.states:
            tail = self._store_states(commit, tail)
        if commit.record is not None:
            self._store_record(commit.record, tail.row)
        self._connection.executemany(
            "INSERT OR IGNORE INTO blobs (execution, sha256, media_type, data) VALUES (?, ?, ?, ?)",
            [(tail.row, key, blob.media_type, blob.data) for key, blob in commit.blobs.items()],
        )
        changed[execution_id] = tail
        return Outcome(commit, first, events)

    def _look_up(self, execution_id: str) -> _Tail:
        row = self._connection.execute(
            "SELECT id, ended FROM executions WHERE execution_id = ?", (execution_id,)
        ).fetchone()
        if row is None:
            self._connection.execute(
                "INSERT INTO executions (execution_id) VALUES (?)", (execution_id,)
            )
            return _Tail(self._connection.last_insert_rowid())
        last, digest = self._connection.execute(
            "SELECT last, digest FROM events WHERE execution = ? ORDER BY last DESC LIMIT 1",
            (row[0],),
        ).fetchone() or (0, b"")
        size = self._connection.execute(
            "SELECT total(length(payload)) FROM states WHERE execution = ?", (row[0],)
        ).get
        return _Tail(row[0], last, digest, bool(row[1]), whole_bytes=int(size))

    def _store_events(self, events: Sequence[StreamEvent], tail: _Tail) -> _Tail:
        last, digest = tail.last, tail.digest
        for lines in _chunks(events):
            payload = b"\n".join(lines)
            if payload.count(b"\n") != len(lines) - 1:
                raise LogError("an event's JSON holds a line break", code="log_invalid")
            first, last = last + 1, last + len(lines)
            digest = chained(digest, first, payload)
            self._connection.execute(
                "INSERT INTO events (execution, first, last, digest, payload) VALUES (?, ?, ?, ?, ?)",
                (tail.row, first, last, digest, payload),
            )
        return replace(tail, last=last, digest=digest)

    def _store_states(self, commit: Commit, tail: _Tail) -> _Tail:
        added = self._store_rows(tail.row, pack(commit.states))
        tail = replace(tail, delta_bytes=tail.delta_bytes + added)
        if tail.delta_bytes <= max(_FOLD_BYTES, tail.whole_bytes):
            return tail
        # each byte is folded about twice in its life, and a restore reads at most twice the state
        rows = self._connection.execute(
            "SELECT payload FROM states WHERE execution = ? ORDER BY id", (tail.row,)
        )
        states = fold(payload for (payload,) in rows)
        self._connection.execute("DELETE FROM states WHERE execution = ?", (tail.row,))
        whole = self._store_rows(tail.row, pack_whole(states))
        return replace(tail, whole_bytes=whole, delta_bytes=0)

    def _store_rows(self, execution: int, payloads: Iterator[bytes]) -> int:
        size = 0
        for payload in payloads:
            self._connection.execute(
                "INSERT INTO states (execution, payload) VALUES (?, ?)", (execution, payload)
            )
            size += len(payload) + _FOLD_ROW
        return size

    def _store_record(self, record: ExecutionRecord, row: int) -> None:
        self._connection.execute(
            "UPDATE executions SET status = ?, graph = ?, record = ? WHERE id = ?",
            (record.status, record.graph, Encoder().encode(record), row),
        )


def chained(before: bytes, first: int, payload: bytes) -> bytes:
    """The digest of a chunk: of the digest before it, its first number and its bytes."""
    return blake2b(b"%b%d\n%b" % (before, first, payload), digest_size=16).digest()


def _chunks(events: Sequence[StreamEvent]) -> Iterator[list[bytes]]:
    lines: list[bytes] = []
    size = 0
    for event in events:
        if lines and size + len(event.json) > CHUNK_BYTES:
            yield lines
            lines, size = [], 0
        lines.append(event.json)
        size += len(event.json)
    if lines:
        yield lines

"""The thread that writes: whatever waits becomes one transaction, and one call tells the loop.

While one group is on its way to the disk the next gathers, so the group is as wide as the disk is slow.
Sequence numbers are given here, within the transaction that stores them. When a group cannot be stored, its
commits are tried one by one, so that a bad or a large one does not take the others with it. What else has to
be written (checkpoints, pruning) comes between groups, a transaction for each piece of it.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from itertools import repeat
from operator import contains
from typing import Any, Final, NamedTuple, TypeVar

import apsw

from rxstream.adapters.logs import digests
from rxstream.adapters.logs.rows import ROW, Tail, chunks, look_up, sign, store_states, time_of
from rxstream.adapters.logs.schema import explained, roll_back
from rxstream.adapters.logs.states import pack
from rxstream.codec import Binary, Encoder
from rxstream.errors import LogError, LogLocked, RxStreamError
from rxstream.events import TERMINAL, sealed
from rxstream.log.contract import ended_already
from rxstream.log.values import Commit, ExecutionRecord

T = TypeVar("T")

_KNOWN: Final = 4_096

_BREAK: Final = ord("\n")

_MENTION: Final = re.compile(rb'"sha256":"([0-9a-f]{64})"')


class Outcome(NamedTuple):
    """What became of one commit: its events' JSON with the first one's number, or why nothing was stored."""

    commit: Commit
    first: int
    lines: Sequence[bytes]
    error: RxStreamError | None = None
    oldest: int = 1
    """The first event that is stored of the execution."""
    fold: bool = False
    """Whether its deltas have grown so that they should be folded."""


class _Job(NamedTuple):
    function: Callable[[apsw.Connection], Any]
    done: Future[Any]
    in_transaction: bool


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
        self._queue: queue.SimpleQueue[Commit | _Job | None] = queue.SimpleQueue()
        self._tails: dict[str, Tail] = {}
        self._thread = threading.Thread(target=self._run, name="rxstream log", daemon=True)
        self._thread.start()

    def submit(self, commit: Commit) -> None:
        """Store it soon."""
        self._queue.put(commit)

    def ask(
        self, function: Callable[[apsw.Connection], T], *, in_transaction: bool = True
    ) -> Future[T]:
        """Run a function on the thread, in a transaction of its own, after what was submitted before."""
        done: Future[T] = Future()
        self._queue.put(_Job(function, done, in_transaction))
        return done

    def stop(self) -> None:
        """Store what was submitted, close the file and wait until that is done."""
        self._queue.put(None)
        self._thread.join()

    # -- the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            for group, jobs in self._groups():
                if group:
                    self._deliver(self._stored(group))
                for job in jobs:
                    self._do(job)
        finally:
            self._connection.close()

    def _groups(self) -> Iterator[tuple[list[Commit], list[_Job]]]:
        stopping = False
        while not stopping:
            taken = [self._queue.get()]
            while not self._queue.empty():
                taken.append(self._queue.get())
            group = [one for one in taken if isinstance(one, Commit)]
            jobs = [one for one in taken if isinstance(one, _Job)]
            stopping = len(group) + len(jobs) < len(taken)
            yield group, jobs

    def _do(self, job: _Job) -> None:
        if not job.done.set_running_or_notify_cancel():
            return
        try:
            result = self._done(job)
        except Exception as error:
            known = isinstance(error, RxStreamError)
            job.done.set_exception(error if known else explained(self._path, error))
        else:
            job.done.set_result(result)

    def _done(self, job: _Job) -> Any:
        if not job.in_transaction:
            self._check_owner()
            return job.function(self._connection)
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._check_owner()
            result = job.function(self._connection)
            self._connection.execute("COMMIT")
        except BaseException:
            roll_back(self._connection)
            raise
        return result

    def _stored(self, group: list[Commit]) -> list[Outcome]:
        try:
            return self._transaction(group)
        except Exception as error:
            if len(group) > 1:
                return [outcome for commit in group for outcome in self._stored([commit])]
            known = error if isinstance(error, RxStreamError) else explained(self._path, error)
            return [Outcome(group[0], 0, (), known)]

    def _transaction(self, group: list[Commit]) -> list[Outcome]:
        changed: dict[str, Tail] = {}
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

    def forget(self, execution_id: str) -> None:
        """For jobs: the execution's rows were changed beside the commits, so look where they end."""
        self._tails.pop(execution_id, None)

    # -- one commit ----------------------------------------------------------------------------

    def _store(self, commit: Commit, changed: dict[str, Tail]) -> Outcome:
        execution_id = commit.execution_id
        tail = (
            changed.get(execution_id)
            or self._tails.get(execution_id)
            or look_up(self._connection, execution_id)
        )
        if tail is None:
            self._connection.execute(
                "INSERT INTO executions (execution_id) VALUES (?)", (execution_id,)
            )
            tail = Tail(self._connection.last_insert_rowid())
            sign(self._connection, tail.row)
        if tail.ended and commit.events:
            raise ended_already(execution_id)
        first = tail.last + 1
        lines = sealed(commit.events, execution_id, self._epoch, first)
        tail = self._store_events(execution_id, lines, tail)
        ending = bool(commit.events) and commit.events[-1].event_type in TERMINAL
        if ending:
            tail = replace(tail, ended=True)
            self._connection.execute("UPDATE executions SET ended = 1 WHERE id = ?", (tail.row,))
            self._connection.execute("DELETE FROM states WHERE execution = ?", (tail.row,))
        elif commit.states:
            tail = self._store_states(commit, tail)
        if commit.blobs:
            self._store_blobs(execution_id, commit.blobs, tail)
            tail = replace(tail, has_blobs=True)
        if commit.record is not None:
            self._store_record(commit.record, tail)
        if ending or commit.record is not None:
            sign(self._connection, tail.row)
        fold = tail.due and not tail.folding and not tail.ended
        if fold:
            tail = replace(tail, folding=True)
        changed[execution_id] = tail
        return Outcome(commit, first, lines, oldest=tail.oldest, fold=fold)

    def _store_events(self, execution_id: str, lines: Sequence[bytes], tail: Tail) -> Tail:
        last, chain = tail.last, tail.chain
        for chunk in chunks(lines):
            # four times as fast as to count them in the payload
            if any(map(contains, chunk, repeat(_BREAK))):
                raise LogError("an event's JSON holds a line break", code="log_invalid")
            payload = b"\n".join(chunk)
            first, last = last + 1, last + len(chunk)
            at = time_of(chunk[-1])
            digest = digests.of_events(execution_id, first, last, at, payload)
            chain = digests.chained(chain, digest)
            self._connection.execute(
                """INSERT INTO events (execution, first, last, at, digest, chain, payload)
                   VALUES (?, ?, ?, ?, ?, ?, ?)""",
                (tail.row, first, last, at, digest, chain, payload),
            )
            if tail.has_blobs:
                self._mention(payload, tail.row, last)
        return replace(tail, last=last, chain=chain)

    def _store_states(self, commit: Commit, tail: Tail) -> Tail:
        rows = list(pack(commit.states))
        store_states(self._connection, tail.row, commit.execution_id, tail.position, rows)
        return replace(
            tail,
            position=tail.position + len(rows),
            delta_bytes=tail.delta_bytes + sum(map(len, rows)) + ROW * len(rows),
            delta_rows=tail.delta_rows + len(rows),
        )

    def _store_blobs(self, execution_id: str, blobs: Mapping[str, Binary], tail: Tail) -> None:
        self._connection.executemany(
            """INSERT INTO blobs (execution, sha256, media_type, last, digest, data)
               VALUES (?, ?, ?, ?, ?, ?)
               ON CONFLICT (execution, sha256) DO UPDATE SET last = excluded.last""",
            [
                (
                    tail.row,
                    key,
                    blob.media_type,
                    tail.last,
                    digests.of_blob(execution_id, key, blob.media_type),
                    blob.data,
                )
                for key, blob in blobs.items()
            ],
        )

    def _store_record(self, record: ExecutionRecord, tail: Tail) -> None:
        encoded = Encoder().encode(record)
        self._connection.execute(
            "UPDATE executions SET status = ?, graph = ?, record = ? WHERE id = ?",
            (record.status, record.graph, encoded, tail.row),
        )
        if tail.has_blobs:
            self._mention(encoded, tail.row, tail.last)

    def _mention(self, json: bytes, row: int, last: int) -> None:
        """A blob stays as long as the last event that mentions it."""
        if b'"sha256":"' in json:
            self._connection.executemany(
                "UPDATE blobs SET last = ? WHERE execution = ? AND sha256 = ?",
                [(last, row, found.decode()) for found in set(_MENTION.findall(json))],
            )

    def folded(self, execution_id: str, upto: int, rows: Sequence[bytes]) -> None:
        """For a job: these rows are in the place of the states up to a position now."""
        tail = self._tails.get(execution_id)
        if tail is not None:
            size, count = self._connection.execute(
                "SELECT total(length(payload)), count(*) FROM states WHERE execution = ? AND position > ?",
                (tail.row, upto),
            ).fetchone() or (0, 0)
            self._tails[execution_id] = replace(
                tail,
                whole_bytes=sum(map(len, rows)) + ROW * len(rows),
                delta_bytes=int(size) + ROW * count,
                delta_rows=count,
                folding=False,
            )

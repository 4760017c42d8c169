"""Turns what happens into drafts, and drafts into commits: the only way out of an execution.

Drafts wait for their commit in a list with an allowance of events and bytes; when it is used up the nodes
that publish have no room, so producers wait for the log. A commit is due at once after a quiet moment, else
5 ms after the last, or when half the allowance waits; one is under way at a time. A failed one is given
again, byte for byte, before the next. Where a result is what counts (`patient`), a log that refuses for a
minute holds nothing back any more: items are left out, facts wait, as many as may. What changed in the
graph goes with the events; where nothing is published it is stored once a second. Must not know what runs.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson
import structlog

from rxstream.codec import Encoder
from rxstream.errors import CodecError, LogError, classify
from rxstream.events import MAX_EVENT_BYTES, TERMINAL, Draft, EventType, Progress, draft, timestamp
from rxstream.log.contract import Commit, Delta, EventLog, ExecutionRecord

TICK_S: Final = 0.005
"""Least time between the ends of two commits of a busy execution, in seconds."""

QUIET_CUT_S: Final = 1.0
"""How long changes of state wait for an event to go with, in seconds."""

MAX_PENDING_EVENTS: Final = 2_048
MAX_PENDING_BYTES: Final = 8 * 1024 * 1024

_RETRY_FIRST_S: Final = 0.05
_RETRY_MOST_S: Final = 1.0
_RETRY_BUDGET_S: Final = 60.0

_FINAL: Final = frozenset({"log_locked", "log_closed", "log_ended", "log_invalid"})
"""Refusals that giving the same commit again cannot change."""

_log = structlog.get_logger("rxstream.engine")


class Recorder:
    """The pending events of one execution. Used on the event loop only."""

    def __init__(
        self,
        log: EventLog,
        execution_id: str,
        on_room: Callable[[], None],
        url_prefix: str = "",
    ) -> None:
        self.cut: Callable[[], Mapping[str, Delta]] = dict
        """What changed in the graph since it was called last; must not raise."""
        self._log = log
        self._execution_id = execution_id
        self._on_room = on_room
        self._loop = asyncio.get_running_loop()
        self._encoder = Encoder(f"{url_prefix}/api/executions/{execution_id}/blobs/{{}}".format)
        self._pending: list[Draft] = []
        self._pending_bytes = 0
        self._under_way: Commit | None = None
        self._under_way_bytes = 0
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self._last_commit = float("-inf")
        self._noted: ExecutionRecord | None = None
        self._changed = False
        self._wanted = False
        """Somebody waits until what changed is stored."""
        self._quiet: asyncio.TimerHandle | None = None
        self._closing = False
        self._held = False
        self._idle: asyncio.Future[None] | None = None
        self._retry_since: float | None = None
        self._retry_budget = _RETRY_BUDGET_S
        self._retry_delay = _RETRY_FIRST_S
        self.failed: LogError | None = None
        """Why nothing more can be recorded."""
        self.patient = False
        """Whether what runs goes on while the log refuses, for its result."""
        self.refused: LogError | None = None
        """Why it goes on without the log, as long as it does."""
        self._left_out: Counter[str] = Counter()
        """Items that were not recorded, by node."""
        self.on_failed: Callable[[LogError], None] = lambda error: None
        self.on_fact: Callable[[str, str | None, Any], None] | None = None
        """Told the type, step and data of each fact but most outputs; may add some."""
        self.events = 0
        self.commits = 0
        self._full_since: float | None = None
        self._full_s = 0.0

    # -- taking in -----------------------------------------------------------------------------

    def room(self) -> int:
        """How many more events may wait."""
        if self.refused is not None:
            return MAX_PENDING_EVENTS
        room = MAX_PENDING_EVENTS - self.pending
        if self._pending_bytes + self._under_way_bytes >= MAX_PENDING_BYTES:
            room = 0
        if room <= 0 and self._full_since is None:
            self._full_since = self._loop.time()
        return room

    @property
    def blocked_s(self) -> float:
        """Seconds in which somebody had no room for an event."""
        since = self._full_since
        return self._full_s + (0.0 if since is None else self._loop.time() - since)

    @property
    def pending(self) -> int:
        """Events that wait for their commit."""
        under_way = len(self._under_way.events) if self._under_way is not None else 0
        return len(self._pending) + under_way

    @property
    def busy(self) -> bool:
        """Whether a commit is due or under way, which will make room."""
        return self._under_way is not None or self._timer is not None

    def add(
        self,
        event_type: str,
        step_id: str | None,
        data: Any,
        *,
        at: bytes | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Record a fact. Raises `CodecError` when it has no JSON form or is over 1 MiB."""
        encoded = self._encoded(data, step_id)
        if self.refused is not None and not self._takes(data):
            return
        if self.on_fact is not None and event_type in TERMINAL:
            self.on_fact(event_type, step_id, data)
        made = draft(
            event_type,
            step_id,
            encoded,
            at=at,
            metadata=b"null" if metadata is None else orjson.dumps(metadata),
        )
        self._pending.append(made)
        self._pending_bytes += len(made.body)
        if self.on_fact is not None and event_type not in TERMINAL:
            self.on_fact(event_type, step_id, data)
        self._added()

    def add_outputs(
        self, step_id: str, items: Sequence[Any]
    ) -> tuple[int, bytes | None, CodecError | None]:
        """Record a batch as `step_output` facts of one moment.

        Returns how many were, the JSON of the last of them, and why the next was not: it has no JSON form, or
        is over 1 MiB.
        """
        if self.refused is not None:
            self._left_out[step_id] += len(items)
            return len(items), self._encoded(items[-1], step_id), None
        head = b'"timestamp":"%b","step_id":%b,"data":' % (timestamp(), orjson.dumps(step_id))
        pending, size, count = self._pending, 0, 0
        refused: CodecError | None = None
        encoded: bytes | None = None
        last: bytes | None = None
        try:
            for item in items:
                encoded = self._encoded(item, step_id)
                body = b'%b%b,"metadata":null}' % (head, encoded)
                pending.append(Draft(EventType.STEP_OUTPUT, body))
                size += len(body)
                count += 1
                last = encoded
                if self.on_fact is not None and b'"tool_' in encoded:
                    self.on_fact(EventType.STEP_OUTPUT, step_id, item)
        except CodecError as error:
            refused = error
        self._pending_bytes += size
        self._added()
        return count, last, refused

    def _encoded(self, data: Any, step_id: str | None) -> bytes:
        encoded = self._encoder.encode(data)
        if len(encoded) > MAX_EVENT_BYTES:
            raise CodecError(
                f"an element is {len(encoded)} bytes of JSON, over the limit of {MAX_EVENT_BYTES}: "
                "split it, or wrap large data in rxstream.Binary",
                code="element_too_large",
                node=step_id,
            )
        return encoded

    def _added(self) -> None:
        if not self._closing:
            self._schedule()

    def note(self, record: ExecutionRecord) -> None:
        """Store this record with the next commit, soon."""
        self._noted = record
        self.changed()

    async def flush(self) -> None:
        """Wait until all that is pending now is committed. Raises `LogError`."""
        until = self.events + self.pending
        while self.events < until and self.failed is None:
            await self._next_commit()
        self._check()

    async def stored(self) -> None:
        """Wait until what has changed by now is committed, with an event or without. Raises `LogError`."""
        until = self.commits + (1 if self._under_way is None else 2)
        self._wanted = True
        self._added()
        while self.commits < until and self.failed is None:
            await self._next_commit()
        self._check()

    async def wait_room(self) -> None:
        """Wait until an event may wait. Raises `LogError`."""
        while self.room() <= 0 and self.failed is None:
            await self._next_commit()
        self._check()

    def _check(self) -> None:
        if self.failed is not None:
            raise self.failed

    # -- committing ----------------------------------------------------------------------------

    def changed(self) -> None:
        """Something in the graph has changed since the last cut."""
        self._changed = True
        if self._quiet is None and not self._closing:
            self._quiet = self._loop.call_later(QUIET_CUT_S, self._store_quietly)

    def _store_quietly(self) -> None:
        self._quiet = None
        if self._changed and not self._closing and self._under_way is None and self._timer is None:
            self._commit_pending()

    def hold(self, held: bool) -> None:
        """Begin no commit until it is let go: a crash behind it would find an end that is told in part."""
        self._held = held
        self._schedule()

    def _schedule(self) -> None:
        if self._under_way is not None or self._timer is not None or self._held:
            return
        if not self._pending and not self._wanted:
            return
        due = self._last_commit + TICK_S
        half = (
            len(self._pending) * 2 >= MAX_PENDING_EVENTS
            or self._pending_bytes * 2 >= MAX_PENDING_BYTES
        )
        # call_soon and not now: a commit is taken between steps, when no element is on the stack
        if half or due <= self._loop.time():
            self._timer = self._loop.call_soon(self._commit_pending)
        else:
            self._timer = self._loop.call_at(due, self._commit_pending)

    def _commit_pending(self) -> None:
        self._timer = None
        if not self._held:
            self._begin(self._commit())

    def _commit(self, record: ExecutionRecord | None = None) -> Commit:
        """All that is pending, and what has changed by now."""
        self._changed = self._wanted = False
        record, self._noted = record or self._noted, None
        states = self.cut()  # may add events: of what cannot be stored
        return Commit(
            self._execution_id, self._take(), record, states, blobs=self._encoder.take_blobs()
        )

    def _take(self) -> list[Draft]:
        taken, self._pending = self._pending, []
        self._under_way_bytes, self._pending_bytes = self._pending_bytes, 0
        return taken

    def _begin(self, commit: Commit) -> None:
        self._under_way = commit
        try:
            future = self._log.commit(commit)
        except LogError as error:
            self._lost(error)
            return
        except (
            Exception
        ) as error:  # of a log of the user's: nothing may wait for ever because of it
            self._lost(LogError(f"the event log failed: {classify(error)['message']}"))
            return
        if future.done():
            self._committed(future)
        else:
            future.add_done_callback(self._committed)

    def _committed(self, future: asyncio.Future[int]) -> None:
        if future.cancelled():
            self._lost(LogError("the event log was closed during a commit", code="log_closed"))
            return
        error = future.exception()
        if error is not None:
            self._retry(error if isinstance(error, LogError) else LogError(str(error)))
            return
        assert self._under_way is not None
        self.events += len(self._under_way.events)
        self.commits += 1
        self._under_way = None
        self._under_way_bytes = 0
        self._full_s, self._full_since = self.blocked_s, None
        self._last_commit = self._loop.time()
        self._retry_since = None
        self._retry_delay = _RETRY_FIRST_S
        self._tell_left_out()
        self._wake()
        if not self._closing:
            self._schedule()
            if self._changed:
                self.changed()
            self._on_room()

    def _retry(self, error: LogError) -> None:
        """Give the same commit again, later, for a minute at most (see `hurry`)."""
        now = self._loop.time()
        if self._retry_since is None:
            self._retry_since = now
        if error.code in _FINAL or now - self._retry_since > self._retry_budget:
            if error.code in _FINAL or not self.patient or not self._retry_budget:
                self._lost(error)
                return
            self._go_without(error)
        _log.error(
            "the event log refused a commit"
            if self.refused
            else "the event log refused a commit; producers wait",
            execution_id=self._execution_id,
            error=error.message,
            retry_in_s=self._retry_delay,
        )
        commit = self._under_way
        assert commit is not None
        self._timer = self._loop.call_later(self._retry_delay, self._again, commit)
        self._retry_delay = min(_RETRY_MOST_S, self._retry_delay * 2)

    def _again(self, commit: Commit) -> None:
        self._timer = None
        self._begin(commit)

    def _lost(self, error: LogError) -> None:
        self.failed, self.refused = error, None
        self._wake()
        self.on_failed(error)

    def _wake(self) -> None:
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    # -- going on without a log that refuses ---------------------------------------------------

    def _go_without(self, error: LogError) -> None:
        """Hold nothing back any more."""
        self.refused = error
        self._wake()
        self._on_room()

    def _takes(self, data: Any) -> bool:
        """Whether a fact waits for a log that refuses: progress does not, and no more than may wait."""
        if getattr(data, "status", None) == "running":
            return False
        if self.pending < 2 * MAX_PENDING_EVENTS:
            return True
        assert self.refused is not None
        self._lost(self.refused)
        return False

    def _tell_left_out(self) -> None:
        """The log takes commits again."""
        self.refused = None
        for node_id, count in self._left_out.items():
            message = f"{count} items were not recorded while the log refused"
            self.add(EventType.STEP_PROGRESS, node_id, Progress(None, message, "degraded"))
        self._left_out.clear()

    # -- beginning and end ---------------------------------------------------------------------

    async def record(self, record: ExecutionRecord) -> None:
        """Commit the record together with all that is pending. Raises `LogError`."""
        self._closing = True
        try:
            await self._settle()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._begin(self._commit(record))
            await self._settle()
        finally:
            self._closing = False
        self._schedule()
        if self._changed:
            self.changed()
        self._on_room()

    async def _settle(self) -> None:
        """Wait for the commit under way; several may. Raises `LogError`, also where it goes on without."""
        while self._under_way is not None and self.failed is None and self.refused is None:
            await self._next_commit()
        self._check()
        if self.refused is not None:
            raise self.refused

    async def _next_commit(self) -> None:
        if self._idle is None or self._idle.done():
            self._idle = self._loop.create_future()
        await asyncio.wait((self._idle,))

    def hurry(self) -> None:
        """Ask a log that refuses once more and then no longer: that is within a second."""
        self._retry_budget = 0.0
        self._tell_left_out()  # now: nothing follows the terminal event

    def close(self) -> None:
        """Commit nothing more."""
        self._closing = True
        for timer in (self._timer, self._quiet):
            if timer is not None:
                timer.cancel()
        self._timer = self._quiet = None

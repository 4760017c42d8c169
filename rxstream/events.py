"""What an execution tells the world: facts, their numbers, and the bytes both have on every wire.

A fact is a `Draft` until the log commits it. The commit gives it a sequence number and writes its JSON,
once; that never changes. Whoever reads it gets a `StreamEvent`. This module knows neither logs nor
executions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from sys import intern
from typing import Any, Final, NamedTuple, cast

import orjson

from rxstream.errors import InvalidCursor


class EventType(StrEnum):
    """Names of facts, as in `event_type`."""

    PIPELINE_START = "pipeline_start"
    STEP_START = "step_start"
    STEP_PROGRESS = "step_progress"
    STEP_OUTPUT = "step_output"
    STEP_COMPLETE = "step_complete"
    STEP_ERROR = "step_error"
    PIPELINE_COMPLETE = "pipeline_complete"
    PIPELINE_ERROR = "pipeline_error"
    PIPELINE_CANCELLED = "pipeline_cancelled"
    CHECKPOINT_SAVED = "checkpoint_saved"
    INPUT_REQUESTED = "input_requested"
    INPUT_RECEIVED = "input_received"
    SLO_BREACHED = "slo_breached"
    GAP = "gap"


TERMINAL: Final = frozenset(
    {EventType.PIPELINE_COMPLETE, EventType.PIPELINE_ERROR, EventType.PIPELINE_CANCELLED}
)

MAX_EVENT_BYTES: Final = 1024 * 1024
"""One event is at most 1 MiB of JSON; larger data travels as `Binary`."""


@dataclass(frozen=True)
class Progress:
    """How far a node is: `percentage` from 0 to 100 or None, a message, a status word."""

    percentage: float | None = None
    message: str | None = None
    status: str | None = "running"


class Draft(NamedTuple):
    """A fact before its commit: the JSON from `"timestamp"` to the closing brace."""

    event_type: str
    body: bytes


def timestamp() -> bytes:
    """Now, in UTC, as ISO 8601 with microseconds."""
    # a third faster than strftime
    return b"%bZ" % datetime.now(UTC).isoformat(timespec="microseconds")[:26].encode()


def draft(
    event_type: str,
    step_id: str | None,
    data: bytes,
    *,
    at: bytes | None = None,
    metadata: bytes = b"null",
) -> Draft:
    """Make a draft of data that is already JSON."""
    step = b"null" if step_id is None else orjson.dumps(step_id)
    return Draft(
        event_type,
        b'"timestamp":"%b","step_id":%b,"data":%b,"metadata":%b}'
        % (at or timestamp(), step, data, metadata),
    )


_last_read: tuple[StreamEvent | None, dict[str, Any]] = (None, {})


class StreamEvent:
    """One recorded fact. Its JSON is kept; the other fields are read from it when asked for.

    Not a dataclass, because a great many are made only to be passed on as bytes. What was read is not
    kept, because a log shares its recent events among all readers and its memory is bounded by their
    JSON; only the last event anybody looked at is remembered, so treat `data` as read-only. `wire`
    belongs to whoever frames events for a protocol: the frame is made once and shared by all readers.
    """

    __slots__ = ("_fields", "event_type", "execution_id", "json", "sequence", "wire")

    def __init__(
        self, event_type: str, execution_id: str, sequence: int | None, json: bytes
    ) -> None:
        self.event_type = event_type
        self.execution_id = execution_id
        self.sequence = sequence
        self.json = json
        self.wire: dict[str, bytes] | None = None
        self._fields: dict[str, Any] | None = None

    @classmethod
    def parse(cls, json: bytes | str) -> StreamEvent:
        """Read an event from its JSON, as a client receives it."""
        raw = json.encode() if isinstance(json, str) else json
        fields = orjson.loads(raw)
        event = cls(fields["event_type"], fields["execution_id"], fields["sequence"], raw)
        event._fields = fields  # this event is its reader's own
        return event

    @property
    def _parsed(self) -> dict[str, Any]:
        if self._fields is not None:
            return self._fields
        global _last_read
        event, fields = _last_read  # one tuple, so that threads never see half of it
        if event is not self:
            fields = cast("dict[str, Any]", orjson.loads(self.json))
            _last_read = (self, fields)
        return fields

    @property
    def cursor(self) -> str:
        """Where a reader that has seen this event goes on."""
        return cast(str, self._parsed["cursor"])

    @property
    def timestamp(self) -> datetime:
        """When it happened, in UTC."""
        return datetime.fromisoformat(self._parsed["timestamp"])

    @property
    def step_id(self) -> str | None:
        """The node it happened in; None for facts about the whole execution."""
        return cast("str | None", self._parsed["step_id"])

    @property
    def data(self) -> Any:
        """Plain data: what JSON can say."""
        return self._parsed["data"]

    @property
    def metadata(self) -> dict[str, Any] | None:
        """Attempt, replayed, trace ids; usually None."""
        return cast("dict[str, Any] | None", self._parsed["metadata"])

    @property
    def terminal(self) -> bool:
        """Whether nothing can follow it."""
        return self.event_type in TERMINAL

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain data."""
        return dict(self._parsed)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StreamEvent) and self.json == other.json

    def __hash__(self) -> int:
        return hash(self.json)

    def __repr__(self) -> str:
        step = f" {self.step_id}" if self.step_id else ""
        return f"<{self.sequence} {self.event_type}{step} {self.data!r}>"


def seal(drafted: Draft, execution_id: str, epoch: str, sequence: int) -> StreamEvent:
    """Give a draft its number."""
    return unseal(sealed((drafted,), execution_id, epoch, sequence)[0], execution_id, sequence)


def sealed(drafted: Sequence[Draft], execution_id: str, epoch: str, first: int) -> list[bytes]:
    """Give drafts their numbers, from `first` on: the only place where an event's JSON is put together."""
    forms: dict[str, Callable[[tuple[int, int, bytes]], bytes]] = {}
    lines = []
    for sequence, (event_type, body) in enumerate(drafted, first):
        form = forms.get(event_type)
        if form is None:
            form = forms[event_type] = _form(event_type, execution_id, epoch)
        lines.append(form((sequence, sequence, body)))
    return lines


def _form(
    event_type: str, execution_id: str, epoch: str
) -> Callable[[tuple[int, int, bytes]], bytes]:
    """Puts a number, once more for the cursor, and a body into the JSON of an event."""
    head = f'{{"event_type":"{event_type}","execution_id":"{execution_id}","sequence":'
    head, cursor = head.replace("%", "%%"), epoch.replace("%", "%%")
    return f'{head}%d,"cursor":"{cursor}:%d",%b'.encode().__mod__


def unseal(json: bytes, execution_id: str, sequence: int) -> StreamEvent:
    """Read back what `seal` wrote without parsing more than the event type."""
    return StreamEvent(type_of(json), execution_id, sequence, json)


def unseal_all(lines: Sequence[bytes], execution_id: str, first: int) -> list[StreamEvent]:
    """The same of many, the first of which has the number `first`."""
    events = []
    event_type, begin = "", b"?"
    for sequence, json in enumerate(lines, first):
        if not json.startswith(begin):  # most are of the same type as the one before
            event_type = type_of(json)
            begin = b'{"event_type":"%b"' % event_type.encode()
        events.append(StreamEvent(event_type, execution_id, sequence, json))
    return events


def type_of(json: bytes) -> str:
    """The `event_type` of an event, without parsing the event."""
    return intern(json[15 : json.index(b'"', 15)].decode())  # many events are held, of few types


def step_json(event: StreamEvent) -> bytes:
    """The event's step id as JSON (`null` or quoted), without parsing the event."""
    return _between(event.json, b'"step_id":', b',"data":')


def time_of(event: StreamEvent) -> datetime:
    """The event's timestamp, without parsing the event."""
    return datetime.fromisoformat(_between(event.json, b'"timestamp":"', b'"').decode())


def data_json(event: StreamEvent) -> bytes:
    """The event's data as the JSON that was recorded."""
    if not event.json.endswith(_NO_METADATA):
        return orjson.dumps(event.data)
    begin = event.json.index(b',"data":') + 8
    return event.json[begin : -len(_NO_METADATA)]


_NO_METADATA: Final = b',"metadata":null}'


def _between(json: bytes, before: bytes, after: bytes) -> bytes:
    # only for what stands before the data, so that what is found first is the event's own
    start = json.index(before) + len(before)
    return json[start : json.index(after, start)]


def replayed(event: StreamEvent) -> StreamEvent:
    """The same event, number and cursor, marked as told again: `metadata.replayed` is true."""
    if event.json.endswith(_NO_METADATA):
        json = event.json[:-5] + b'{"replayed":true}}'
    else:
        fields = event.to_dict()
        json = orjson.dumps(
            {**fields, "metadata": {**(fields["metadata"] or {}), "replayed": True}}
        )
    return StreamEvent(event.event_type, event.execution_id, event.sequence, json)


def gap(
    execution_id: str, epoch: str, requested: str, first: int, missed: int | None
) -> StreamEvent:
    """Say that the reader's cursor cannot be served and where it goes on; never stored."""
    data = orjson.dumps({"requested": requested, "first_available": first, "missed": missed})
    json = b'{"event_type":"gap","execution_id":%b,"sequence":null,"cursor":"%b:%d",%b' % (
        orjson.dumps(execution_id),
        epoch.encode(),
        first - 1,
        draft(EventType.GAP, None, data).body,
    )
    return StreamEvent(EventType.GAP, execution_id, None, json)


class Cursor(NamedTuple):
    """A place in an execution's log: everything up to `sequence` has been seen.

    `epoch` is None for a bare sequence number, which is taken to be of the present epoch.
    """

    epoch: str | None
    sequence: int

    @classmethod
    def parse(cls, text: str | int | Cursor | None) -> Cursor:
        """Read a cursor; None is the beginning. Raises `InvalidCursor`."""
        if isinstance(text, Cursor):
            return text
        if text is None:
            return cls(None, 0)
        epoch, colon, number = str(text).rpartition(":")
        # 18 digits stay below 2**63; isdecimal alone would accept digits of other scripts
        good = number.isascii() and number.isdecimal() and len(number) <= 18
        if not good or (colon and not (epoch.isascii() and epoch.isalnum() and len(epoch) <= 32)):
            shown = str(text)[:80]
            raise InvalidCursor(
                f"{shown!r} is not a cursor: give one from an event, or a sequence number"
            )
        return cls(epoch or None, int(number))

    def __str__(self) -> str:
        return f"{self.epoch}:{self.sequence}" if self.epoch else str(self.sequence)

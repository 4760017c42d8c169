"""The multiplexed protocol: what a client may say, and what it is told, without a socket.

A client says one JSON object a message and chooses the `stream_id` its answers carry:

    subscribe    stream_id?, execution_id?, after?, filter?, replay?, window?
                 one of the ids stands for both
    unsubscribe  stream_id
    ack          stream_id, cursor
    start        graph, params?, priority?, detached?, on_last_listener?,
                 user?, resources?, after_success?, after_end?, stream_id?, after?, filter?, subscribe?
    cancel       stream_id?, execution_id?, reason?
    answer       stream_id?, execution_id?, request_id?, value, to?
    ping

`filter` is `{event_types?: [...], step_ids?: [...]}`; an event passes when both lists have it, and facts
about the whole execution have the step id null, so only a filter without `step_ids` passes them. A `gap`
always passes. `replay` is true, or `{speed?, max_pause?}` in which 1 is the original pace: what is recorded
is marked and paced. With a `window` only so many events are given before an `ack` of them, or of a later one.
`start` subscribes from the first event unless `subscribe` is false. It is told

    subscribed       {execution_id, cursor}      stream_update    an event
    unsubscribed     {}                          stream_complete  {execution_id, status, cursor}
    started          {execution_id, status}      cancelling       {execution_id, status}
    answered         {execution_id, status}      pong             {}

as `{type, stream_id, data}`, and `{type: "error", stream_id?, error: {code, message, detail?}}`. An `ack` is
answered only where something is wrong with it.

The socket of one execution takes `cancel`, `answer` and `ping`, which need no id there, and answers the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from rxstream.adapters.web import body, frames
from rxstream.adapters.web.commands import START_FIELDS
from rxstream.adapters.web.window import MOST
from rxstream.errors import BadRequest, ClientError
from rxstream.events import EventType, StreamEvent

MAX_ID: Final = 200
"""Characters a stream id may have."""

MAX_FILTER: Final = 256
"""Names a list of a filter may have."""


@dataclass(frozen=True)
class Filter:
    """Which events of a stream are wanted; None is all. Step ids are kept as their JSON."""

    event_types: frozenset[str] | None = None
    step_ids: frozenset[bytes] | None = None

    def passes(self, event: StreamEvent) -> bool:
        """Whether the client wants this event."""
        if event.event_type == EventType.GAP:
            return True
        if self.event_types is not None and event.event_type not in self.event_types:
            return False
        return self.step_ids is None or frames.step_id(event) in self.step_ids


ALL: Final = Filter()


@dataclass(frozen=True)
class Pace:
    """How what is recorded is told again; None is without pauses."""

    speed: float | None = None
    max_pause_s: float | None = None


@dataclass(frozen=True)
class Subscribe:
    """Follow an execution after a cursor."""

    stream_id: str
    execution_id: str
    after: str | int | None = None
    filter: Filter = ALL
    replay: Pace | None = None
    window: int | None = None


@dataclass(frozen=True)
class Ack:
    """Everything up to a cursor was taken in."""

    stream_id: str
    cursor: str


@dataclass(frozen=True)
class Unsubscribe:
    """Follow it no more."""

    stream_id: str


@dataclass(frozen=True)
class Start:
    """Start an execution, and follow it unless `subscribe` is false."""

    stream_id: str | None
    fields: Mapping[str, Any] = field(default_factory=dict)
    after: str | int | None = None
    filter: Filter = ALL
    subscribe: bool = True


@dataclass(frozen=True)
class Cancel:
    """End an execution now. `execution_id` None is the one the stream follows."""

    stream_id: str | None
    execution_id: str | None
    reason: str | None = None


@dataclass(frozen=True)
class Answer:
    """Answer an input request; without a request, send the value to the node `to` or the one that listens."""

    stream_id: str | None
    execution_id: str | None
    request_id: str | None = None
    value: Any = None
    to: str | None = None


@dataclass(frozen=True)
class Ping:
    """Ask for a sign of life, for clients that cannot send WebSocket pings."""

    stream_id: str | None = None


Command = Subscribe | Unsubscribe | Ack | Start | Cancel | Answer | Ping


class Refused(Exception):
    """A message that cannot be done, and the stream it was about when that much was understood."""

    def __init__(self, error: ClientError, stream_id: str | None) -> None:
        super().__init__(error.message)
        self.error = error
        self.stream_id = stream_id


def parse(message: str | bytes, implied: str | None = None) -> Command:
    """Read one message; `implied` is the stream it is about where it names none. Raises `Refused`."""
    stream_id: str | None = None
    try:
        if isinstance(message, bytes):
            raise BadRequest("the message is binary: it must be text")
        said = body.parse_json(message, "the message")
        if not isinstance(said, dict):
            raise BadRequest("the message must be an object with a type")
        name = said.get("type")
        read = _READERS.get(name) if isinstance(name, str) else None
        stream_id = _id(said, "stream_id") or implied
        if read is None:
            known = ", ".join(sorted(_READERS))
            raise BadRequest(f"type is {str(name)[:40]!r}: it must be one of {known}")
        reader, allowed = read
        unknown = sorted(said.keys() - allowed - {"type", "stream_id"})
        if unknown:
            raise BadRequest(f"the field {unknown[0][:80]!r} is not known in {name}")
        return reader(said, stream_id)
    except ClientError as error:
        raise Refused(error, stream_id) from None


def reply(kind: str, stream_id: str | None, data: Mapping[str, Any] | None = None) -> bytes:
    """One message to the client."""
    return orjson.dumps({"type": kind, "stream_id": stream_id, "data": data or {}}, default=str)


def refusal(error: Mapping[str, Any], stream_id: str | None) -> bytes:
    """One message that says an error."""
    told: dict[str, Any] = {"type": "error", "error": error}
    if stream_id is not None:
        told["stream_id"] = stream_id
    return orjson.dumps(told, default=str)


def _subscribe(said: Mapping[str, Any], stream_id: str | None) -> Command:
    execution_id = _id(said, "execution_id") or stream_id
    if execution_id is None:
        raise BadRequest("execution_id is missing: say which execution to follow")
    window: int | None = body.field(said, "window", "an integer")
    if window is not None and not 1 <= window <= MOST:
        raise BadRequest(f"window is {str(window)[:40]}: it must be 1 to {MOST:,} events")
    stream_id = stream_id or execution_id
    return Subscribe(stream_id, execution_id, _after(said), _filter(said), _replay(said), window)


def _replay(said: Mapping[str, Any]) -> Pace | None:
    wanted = said.get("replay")
    if wanted is None or wanted is False:
        return None
    if wanted is True:
        return Pace()
    if not isinstance(wanted, dict):
        raise BadRequest("replay must be true, or an object with a speed and a max_pause")
    unknown = sorted(wanted.keys() - {"speed", "max_pause"})
    if unknown:
        raise BadRequest(f"the field {unknown[0][:80]!r} is not known in replay")
    return Pace(_number(wanted, "speed"), _number(wanted, "max_pause"))


def _number(wanted: Mapping[str, Any], name: str) -> float | None:
    value = wanted.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRequest(f"{name} must be a number")
    try:
        return float(value)
    except OverflowError:
        raise BadRequest(f"{name} is too large") from None


def _ack(said: Mapping[str, Any], stream_id: str | None) -> Command:
    cursor = body.field(said, "cursor", "a string")
    if stream_id is None or cursor is None:
        raise BadRequest("stream_id and cursor are needed: they say what was taken in")
    return Ack(stream_id, cursor)


def _unsubscribe(said: Mapping[str, Any], stream_id: str | None) -> Command:
    if stream_id is None:
        raise BadRequest("stream_id is missing: say which stream to follow no more")
    return Unsubscribe(stream_id)


def _start(said: Mapping[str, Any], stream_id: str | None) -> Command:
    fields = {name: said[name] for name in START_FIELDS & said.keys()}
    follow = body.field(said, "subscribe", "true or false", True)
    return Start(stream_id, fields, _after(said), _filter(said), follow)


def _cancel(said: Mapping[str, Any], stream_id: str | None) -> Command:
    return Cancel(stream_id, _target(said, stream_id), body.field(said, "reason", "a string"))


def _answer(said: Mapping[str, Any], stream_id: str | None) -> Command:
    target, request_id = _target(said, stream_id), body.field(said, "request_id", "a string")
    to = body.field(said, "to", "a string")
    if "value" not in said:
        raise BadRequest("value is missing: it must be the answer")
    if to is not None and request_id is not None:
        raise BadRequest("to is only for what answers no request: leave out request_id")
    return Answer(stream_id, target, request_id, said["value"], to)


def _target(said: Mapping[str, Any], stream_id: str | None) -> str | None:
    execution_id = _id(said, "execution_id")
    if execution_id is None and stream_id is None:
        raise BadRequest("execution_id is missing: say which execution is meant")
    return execution_id


def _ping(said: Mapping[str, Any], stream_id: str | None) -> Command:
    return Ping(stream_id)


def _after(said: Mapping[str, Any]) -> str | int | None:
    after = said.get("after")
    if isinstance(after, bool) or not isinstance(after, str | int | None):
        raise BadRequest("after must be a cursor or a sequence number")
    return after


def _id(said: Mapping[str, Any], name: str) -> str | None:
    value: str | None = body.field(said, name, "a string")
    if value is not None and not 0 < len(value) <= MAX_ID:
        raise BadRequest(f"{name} must have 1 to {MAX_ID} characters")
    return value


def _filter(said: Mapping[str, Any]) -> Filter:
    wanted = body.field(said, "filter", "an object", {})
    unknown = sorted(wanted.keys() - {"event_types", "step_ids"})
    if unknown:
        raise BadRequest(f"the field {unknown[0][:80]!r} is not known in filter")
    types = _names(wanted, "event_types")
    steps = _names(wanted, "step_ids")
    known = {str(kind) for kind in EventType}
    strange = sorted((types or frozenset()) - known)
    if strange:
        raise BadRequest(f"event_types has {strange[0][:40]!r}, which is no event type")
    return Filter(types, None if steps is None else frozenset(map(orjson.dumps, steps)))


def _names(wanted: Mapping[str, Any], name: str) -> frozenset[str] | None:
    names = body.field(wanted, name, "a list of strings")
    if names is None:
        return None
    if len(names) > MAX_FILTER:
        raise BadRequest(f"{name} has {len(names)} names: at most {MAX_FILTER} are possible")
    return frozenset(names)


_Read = Callable[[Mapping[str, Any], "str | None"], Command]

_READERS: Final[Mapping[str, tuple[_Read, Collection[str]]]] = {
    "subscribe": (_subscribe, {"execution_id", "after", "filter", "replay", "window"}),
    "unsubscribe": (_unsubscribe, set()),
    "ack": (_ack, {"cursor"}),
    "start": (_start, START_FIELDS | {"after", "filter", "subscribe"}),
    "cancel": (_cancel, {"execution_id", "reason"}),
    "answer": (_answer, {"execution_id", "request_id", "value", "to"}),
    "ping": (_ping, set()),
}

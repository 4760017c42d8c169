"""What a client may ask of the engine, the same over HTTP and over a WebSocket.

Takes parsed fields, checks what each must be, and turns "it ran in an earlier process" into the answer
a client can use. Knows no protocol.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from rxstream.adapters.web.body import field, required
from rxstream.engine.states import ENDED
from rxstream.errors import (
    AlreadyEnded,
    BadRequest,
    Draining,
    InvalidParameters,
    UnknownExecution,
)
from rxstream.log import ExecutionRecord

if TYPE_CHECKING:
    from rxstream.engine import Engine, Execution
    from rxstream.graph import Graph, Plan

STATUSES: Final = (
    "queued",
    "running",
    "waiting",
    "completed",
    "failed",
    "cancelled",
    "interrupted",
)

QUEUE_FIELDS: Final = frozenset({"user", "resources", "after_success", "after_end"})
"""What an execution asks of the queue; the engine says what is wrong with each."""

START_FIELDS: Final = QUEUE_FIELDS | {
    "graph",
    "params",
    "priority",
    "detached",
    "on_last_listener",
}

Action = Literal["cancel", "stop", "detach"]

_INTEGERS: Final = range(-(2**31), 2**31)


async def start(engine: Engine, fields: Mapping[str, Any]) -> Execution:
    """Start what `START_FIELDS` say; returns when the start is recorded."""
    name = cast(str, required(fields, "graph", "a string"))
    params = cast("dict[str, Any]", field(fields, "params", "an object", {}))
    _check_names(engine.graph(name), params)
    priority = cast(int, field(fields, "priority", "an integer", 0))
    if priority not in _INTEGERS:
        raise BadRequest(f"priority is {str(priority)[:40]}: it must fit in 32 bits")
    last = field(fields, "on_last_listener", "a string")
    if last not in (None, "cancel"):
        raise BadRequest(f"on_last_listener is {last[:40]!r}: it must be 'cancel' or null")
    detached = cast(bool, field(fields, "detached", "true or false", last is None))
    asked = {name: fields[name] for name in QUEUE_FIELDS if fields.get(name) is not None}
    return await engine.start(
        name, params, priority=priority, detached=detached, on_last_listener=last, **asked
    )


async def act(engine: Engine, execution_id: str, action: Action, reason: str | None = None) -> str:
    """Cancel, stop or detach; the result is the status. Raises `AlreadyEnded`."""
    execution = await running(engine, execution_id)
    if execution.ended and execution.status not in ENDED:  # it was suspended
        raise Draining("the server is restarting, and the execution goes on then: ask again soon")
    if action == "cancel":
        execution.cancel(reason or "cancelled")
    elif action == "stop":
        execution.stop()
    else:
        execution.detach()
    return execution.status


async def answer(engine: Engine, execution_id: str, request_id: str, value: Any) -> str:
    """Answer a question of the execution; the result is the status. Returns when that is recorded."""
    execution = await running(engine, execution_id)
    await execution.answer(request_id, value)
    return execution.status


async def running(engine: Engine, execution_id: str) -> Execution:
    """An execution of this process. Raises `AlreadyEnded` for one of an earlier process."""
    try:
        return engine.execution(execution_id)
    except UnknownExecution:
        record = await engine.record(execution_id)
        raise AlreadyEnded(f"the execution has ended: it is {record.status}") from None


async def send(engine: Engine, execution_id: str, value: Any, to: str | None) -> str:
    """Send a value to the execution; the result is the status. Returns when that is recorded."""
    execution = await running(engine, execution_id)
    await execution.send(value, to=to)
    return execution.status


@contextmanager
def listening(engine: Engine, execution_id: str) -> Iterator[None]:
    """Count one listener of the execution, if it runs in this process."""
    try:
        execution = engine.execution(execution_id)
    except UnknownExecution:
        yield
        return
    with execution.listening():
        yield


def plan_of(graph: Graph[..., Any], params: Mapping[str, Any]) -> Plan | None:
    """The graph built with these parameters; None when only required ones are missing."""
    _check_names(graph, params)
    try:
        return graph.build(**params)
    except InvalidParameters as error:
        needed = set(graph.parameters.get("required", ()))
        told = {entry.get("name") for entry in error.detail or ()}
        if told and told <= needed - params.keys():
            return None
        raise


def _check_names(graph: Graph[..., Any], params: Mapping[str, Any]) -> None:
    """Refuse the one name that Python would take for the graph itself and not for a parameter."""
    if "self" in params and "self" not in graph.parameters.get("properties", {}):
        message = "self is not a parameter"
        detail = [{"name": "self", "message": message, "expected": "nothing"}]
        raise InvalidParameters(message, detail=detail)


async def describe(
    engine: Engine, record: ExecutionRecord, queue: Mapping[str, Any]
) -> dict[str, Any]:
    """An execution as clients see it; `result` or `error` is there once it has ended.

    `queue` is where those stand that wait, as the engine says it; `inputs` is what can be answered, and
    `listens` who takes what is sent.
    """
    try:
        head = await engine.log.head(record.execution_id)
        last_cursor: str | None = f"{engine.log.epoch}:{head.last}"
    except UnknownExecution:  # pruned since the record was read
        last_cursor = None
    told: dict[str, Any] = {
        "execution_id": record.execution_id,
        "graph": record.graph,
        "status": record.status,
        "created_at": _time(record.created_at),
        "ended_at": _time(record.ended_at),
        "last_cursor": last_cursor,
    }
    if record.status == "waiting":
        told["inputs"] = questions(engine, record.execution_id)
    if record.ended_at is None and (nodes := listens(engine, record.execution_id)):
        told["listens"] = nodes
    if record.execution_id in queue:
        told["queue"] = queue[record.execution_id]
    if record.status == "completed":
        told["result"] = record.result
    elif record.status in ("failed", "cancelled", "interrupted"):
        told["error"] = record.error
    return told


def questions(engine: Engine, execution_id: str) -> list[dict[str, Any]]:
    """What an execution of this process waits to be answered."""
    try:
        open_ones = engine.execution(execution_id).questions
    except UnknownExecution:
        return []
    return [{**q.describe(), "expires_at": _time(q.expires_at)} for q in open_ones]


def listens(engine: Engine, execution_id: str) -> list[str]:
    """The nodes of an execution of this process that take what is sent to them now."""
    try:
        return engine.execution(execution_id).listens
    except UnknownExecution:
        return []


def bottleneck(engine: Engine, execution_id: str) -> dict[str, Any] | None:
    """The node that makes the others wait, of an execution of this process, if one does."""
    try:
        found = engine.execution(execution_id).statistics().bottleneck
    except UnknownExecution:
        return None
    if found is None:
        return None
    return {**asdict(found), "share": round(found.share, 3), "message": str(found)}


def tallies(engine: Engine, execution_id: str) -> dict[str, float]:
    """What nodes of an execution of this process count of their own, as tokens of models."""
    try:
        return engine.execution(execution_id).statistics().tallies
    except UnknownExecution:
        return {}


def _time(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat().replace("+00:00", "Z")

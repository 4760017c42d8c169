"""The elements one node published, read back from a log: what a recorded stream is made of again.

A stream ends where its node's did: well at `step_complete`, with the recorded error at a `step_error` that
was not followed by another attempt. A record that ends before its node did says so. Must not know what the
elements are for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import orjson

from rxstream.engine.stored_error import ERROR_CLASSES
from rxstream.errors import AuthorError, RxStreamError, WorldError
from rxstream.events import EventType, StreamEvent, data_json, step_json
from rxstream.log import EventLog, Position, Reader

_PAGE: Final = 1_024

_BINARY: Final = b'"type":"binary"'


class CutShort(WorldError):
    """The record of a node ends before the node did."""

    code = "cut_short"


class StepFailed(Exception):
    """The node failed in the record: with this error."""

    def __init__(self, error: RxStreamError) -> None:
        super().__init__(error.message)
        self.error = error


class UnknownStep(AuthorError):
    """The execution has no node of that id."""

    code = "unknown_step"


async def outputs(
    log: EventLog, execution_id: str, step: str, *, after: int = 0, until: int | None = None
) -> AsyncIterator[list[StreamEvent]]:
    """Pages of a node's `step_output` events past `after`, as they come; none but the last are empty.

    `until` is the last event that counts. Raises `UnknownStep` at the end of an execution that never said
    anything of the node, `StepFailed` where the node failed, and `CutShort` where the
    execution failed or was cancelled before the node had ended, or what counts of it ends.
    """
    mine = orjson.dumps(step)
    reader = Reader(log, execution_id, Position(after, None))
    nodes: set[bytes] = set()
    while True:
        page: list[StreamEvent] = []
        ending: BaseException | None = None
        over = False
        for event in await reader.next(limit=_PAGE):
            if event.sequence is None:
                raise WorldError(f"the log forgot events of {execution_id} that were to be read")
            if until is not None and event.sequence > until:
                over, ending = True, _cut_short(step, execution_id, "what is read of it ends")
                break
            node = step_json(event)
            nodes.add(node)
            if node == mine:
                if event.event_type == EventType.STEP_OUTPUT:
                    page.append(event)
                elif event.event_type == EventType.STEP_COMPLETE:
                    over = True
                    break
                elif event.event_type == EventType.STEP_ERROR and _is_final(event.data):
                    over, ending = True, StepFailed(_recorded_error(event.data["error"], step))
                    break
            elif event.terminal:
                over = True
                if not after and mine not in nodes:
                    ending = _unknown(step, execution_id, nodes)
                elif event.event_type != EventType.PIPELINE_COMPLETE:
                    ending = _cut_short(step, execution_id, _ENDED[event.event_type])
            if event.sequence == until and not over:
                over, ending = True, _cut_short(step, execution_id, "what is read of it ends")
        if page:
            yield page
        if ending is not None:
            raise ending
        if over or reader.ended:
            return


_ENDED: Final[Mapping[str, str]] = {
    EventType.PIPELINE_ERROR: "the execution failed",
    EventType.PIPELINE_CANCELLED: "the execution was cancelled",
}


def _unknown(step: str, execution_id: str, nodes: set[bytes]) -> UnknownStep:
    known = ", ".join(sorted(node.decode().strip('"') for node in nodes - {b"null"})) or "none"
    return UnknownStep(
        f"execution {execution_id} recorded nothing of a node {step!r}: its nodes are {known}"
    )


def _is_final(data: Any) -> bool:
    return not data["will_retry"] and "handled" not in data


def _cut_short(step: str, execution_id: str, why: str) -> CutShort:
    return CutShort(
        f"the record of {step!r} in execution {execution_id} is cut short: {why} before it"
    )


def _recorded_error(error: dict[str, Any], step: str) -> RxStreamError:
    """The error an event tells, with its kind, code and message."""
    kind = ERROR_CLASSES.get(error["kind"], WorldError)
    return kind(error["message"], code=error["code"], node=step)


async def element(log: EventLog, event: StreamEvent) -> Any:
    """What an event holds, as plain data; a `Binary` in it comes back with its bytes."""
    json = data_json(event)
    value = orjson.loads(json)
    return await _with_bytes(log, event.execution_id, value) if _BINARY in json else value


async def _with_bytes(log: EventLog, execution_id: str, value: Any) -> Any:
    if isinstance(value, list):
        return [await _with_bytes(log, execution_id, item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("type") == "binary" and isinstance(value.get("sha256"), str):
        blob = await log.blob(execution_id, value["sha256"])
        if blob is None:
            raise WorldError(f"the bytes of {value['sha256']} are not in the log any more")
        return blob
    return {key: await _with_bytes(log, execution_id, item) for key, item in value.items()}

"""Makes one call of a tool that a model wanted: checked, agreed to, in its turn, started, performed.

Whatever goes wrong is a result the model is told, never a failure of the agent. A call that may have effects
has its start stored before it is made; one that was started in an earlier life and has no result is `unknown`
and is not made again, unless its tool is idempotent. Must not know what follows from a result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import orjson
from pydantic import Field

from rxstream.agent.call import AgentCall
from rxstream.engine.asking import CALL, put
from rxstream.errors import ClientError, ExecutionCancelled, WorldError
from rxstream.models import Element
from rxstream.tools import Tool, perform
from rxstream.tools.calling import as_object
from rxstream.tools.telling import failure, shortened, told

if TYPE_CHECKING:
    from rxstream.agent.unit import AgentUnit

_SHOWN: Final = 8_000
"""Characters of arguments a question shows."""


class Refused(ClientError):
    """A person did not agree to a call, or could not be asked."""

    code = "refused"


class OutcomeUnknown(WorldError):
    """A call was started before a crash, and nobody knows what it did."""

    code = "unknown"


async def make_call(unit: AgentUnit, call: AgentCall) -> None:
    """Make a call, or say why not; in the end it has a result."""
    CALL.set(call)
    again = call.state == "started"
    try:
        element = await _made(unit, call, again)
    finally:
        if call.placed:
            unit.places.release()
    call.end(told(element, unit.settings.limits))
    for sent in unit.memory.waiting("cancel_call", call.id):
        if sent.recorded:
            unit.memory.take(sent)
    unit.changed(call)
    await unit.say([element])


async def _made(unit: AgentUnit, call: AgentCall, again: bool) -> Element:
    """The result of a call, also of one that is not made."""
    try:
        async with asyncio.timeout(None) as call.watch:
            tool = await _ready(unit, call)
    except Exception as error:
        watch, call.watch = call.watch, None
        if isinstance(error, TimeoutError) and watch is not None and watch.expired():
            error = ExecutionCancelled(call.token.reason or "cancelled")
        return failure(call.id, call.name, error)
    call.watch = None
    return await _performed(unit, call, tool, again)


async def _ready(unit: AgentUnit, call: AgentCall) -> Tool:
    """Everything that comes before the call itself. Raises why it is not made."""
    tools = unit.settings.tools
    harmless = call.name in tools and tools.get(call.name).settings.idempotent
    if call.state == "started" and not harmless:
        raise OutcomeUnknown(
            f"{call.name} was started before a crash and nobody knows what it did: look before it is "
            "called again"
        )
    tool = tools.get(call.name)
    values = tool.check(as_object(call.given))
    if call.state == "found":
        await _agreed(unit, call, tool, values)
    for other in unit.memory.calls[: call.index]:
        if not (tool.settings.parallel and _parallel(unit, other)):
            await other.ended.wait()
    await unit.places.acquire()
    call.placed = True
    call.token.check()
    await unit.thawed()
    call.state, call.asked = "started", call.at
    unit.changed(call)
    if not tool.settings.idempotent:
        await unit.stored()
    return tool


def _parallel(unit: AgentUnit, call: AgentCall) -> bool:
    tools = unit.settings.tools
    return call.name not in tools or tools.get(call.name).settings.parallel


async def _agreed(unit: AgentUnit, call: AgentCall, tool: Tool, values: Mapping[str, Any]) -> None:
    """Ask a person, where the tool wants that. Raises `Refused`, and `ExecutionTimeout`."""
    asked = call.questions or ()  # in an earlier life
    wanted = tool.settings.approval
    question = wanted(values) if callable(wanted) and not asked else None
    if not asked and not (question if callable(wanted) else wanted):
        return
    asker = unit.runtime.asker
    if asker is None:
        raise Refused(
            f"{call.name} needs a person's agreement and nobody can be asked: run the agent in an engine",
            code="nobody_to_ask",
        )
    seconds = unit.settings.approval_timeout
    expires_at = None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)
    exact = {"id": call.id, "name": call.name, "arguments": orjson.loads(call.given or "{}")}
    kind = Annotated[bool, Field(title=f"Run {call.name}?", json_schema_extra={"call": exact})]
    message = f"{question or f'Run {call.name}?'} {call.name}({shortened(call.given, _SHOWN)})"
    if not await put(asker, unit.node.id, call, kind, message, expires_at):
        raise Refused(f"a person did not agree to this call of {call.name}")


async def _performed(unit: AgentUnit, call: AgentCall, tool: Tool, again: bool) -> Element:
    """Call the tool; live output is given on, the result returned."""
    settings = unit.settings
    before = dict(call.shown) if again else {}
    call.shown = dict(before)
    batches = perform(
        tool,
        call.given,
        call_id=call.id,
        stream=settings.stream_tools,
        token=call.token,
        timeout=settings.tool_timeout,
        limits=settings.limits,
    )
    result: Element | None = None
    async with aclosing(batches):
        async for batch in batches:
            found = []
            for element in batch:
                if element["type"] == "tool_result":
                    result = element
                elif (piece := call.unseen(element, before)) is not None:
                    found.append(piece)
            if found:
                unit.changed(call)
                await unit.say(found)
    assert result is not None
    return result

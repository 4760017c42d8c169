"""One call of a tool as a Stream of its elements, or as its value.

The Stream is cold: each reader makes a call of its own. It cannot be resumed, because nobody knows what the
call had done; an agent keeps its calls itself. Must not know which tools there are.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, ClassVar
from uuid import uuid4

from rxstream.graph.params import shown
from rxstream.models.contract import Element
from rxstream.plugins.running import CancellationToken
from rxstream.source import Source, SourcePort
from rxstream.stream import Stream, make_source
from rxstream.tools.calling import perform
from rxstream.tools.declaring import Tool
from rxstream.tools.errors import ToolError
from rxstream.tools.telling import LIMITS, Limits


class ToolSource(Source[Element]):
    """One call of a tool, made when it is opened."""

    name: ClassVar[str] = "tool"
    endless = False

    def __init__(self, tool: Tool, given: Mapping[str, Any] | str, **how: Any) -> None:
        self._tool = tool
        self._given = given
        self._how = how

    @property
    def arguments(self) -> Mapping[str, Any]:
        return {"tool": self._tool.name, "arguments": shown(self._given)}

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[Element]]:
        call_id = self._how.get("call_id") or f"call-{uuid4().hex[:12]}"
        batches = perform(self._tool, self._given, **{**self._how, "call_id": call_id})
        async with aclosing(batches):
            async for batch in batches:
                for element in batch:
                    if element.get("channel") == "progress":
                        port.progress(element["percentage"], element["text"] or None)
                yield batch


def stream(
    tool: Tool,
    arguments: Mapping[str, Any] | str,
    *,
    call_id: str = "",
    stream: bool = True,
    token: CancellationToken | None = None,
    timeout: float | None = None,
    limits: Limits = LIMITS,
) -> Stream[Element]:
    """A Stream of one call; see `perform`."""
    origin = ToolSource(
        tool,
        arguments,
        call_id=call_id,
        stream=stream,
        token=token,
        timeout=timeout,
        limits=limits,
    )
    return make_source(origin)


async def call(
    tool: Tool,
    arguments: Mapping[str, Any] | str,
    *,
    token: CancellationToken | None = None,
    timeout: float | None = None,
    limits: Limits = LIMITS,
) -> Any:
    """The value of one call, without live output. Raises `ToolError`."""
    batches = perform(tool, arguments, stream=False, token=token, timeout=timeout, limits=limits)
    async with aclosing(batches):
        async for batch in batches:
            last = batch[-1]
    if "error" in last:
        raise ToolError(tool.name, last["error"])
    return last["result"]

"""One call of a tool, from its start to its result, and what it left running."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psutil

from rxstream.tools import Output, Tool, ToolContext, ToolResult


@dataclass
class Called:
    """What a call said and gave."""

    outputs: list[Output] = field(default_factory=list)
    progress: list[float | None] = field(default_factory=list)
    result: ToolResult | None = None

    @property
    def value(self) -> Any:
        assert self.result is not None, "it gave no result"
        return self.result.value

    @property
    def brief(self) -> str:
        assert self.result is not None
        assert self.result.brief is not None
        return self.result.brief

    def text(self, channel: str) -> str:
        return "".join(each.text for each in self.outputs if each.channel == channel)


async def called(
    tool: Tool,
    *,
    when: Callable[[Called, ToolContext], None] | None = None,
    **arguments: Any,
) -> Called:
    """Call it and wait; `when` is told of each piece of output and may cancel."""
    found = Called()
    context = ToolContext(told=lambda percentage, message: found.progress.append(percentage))
    async for said in tool.start(tool.check(arguments), context):
        if isinstance(said, ToolResult):
            found.result = said
            continue
        found.outputs.append(said)
        if when is not None:
            when(found, context)
    return found


def alive(mark: str) -> list[psutil.Process]:
    """What runs on this machine with the mark among its words or its variables."""
    found = []
    for each in psutil.process_iter():
        try:
            said = [*each.cmdline(), *each.environ().values()]
        except psutil.Error:
            continue
        if any(mark in word for word in said):
            found.append(each)
    return found

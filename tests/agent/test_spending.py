"""Streaming tools cost no token more than plain ones: the model is told the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from rxstream.agent import agent
from rxstream.models import Question
from rxstream.testing import run
from rxstream.tools import ToolContext, ToolResult, tool
from tests.agent.scripted import Scripted, calls


@tool(parallel=True)
async def count(text: str, context: ToolContext) -> AsyncIterator[Any]:
    """Count the words of a text, showing each."""
    words = text.split()
    for number, word in enumerate(words, 1):
        yield f"{word}\n"
        context.progress(100 * number / len(words), word)
        await asyncio.sleep(0.01)
    yield ToolResult({"words": len(words)})


@tool(parallel=True)
async def fetch(lines: int) -> AsyncIterator[str]:
    """Lines, live; what was shown is the result."""
    for number in range(lines):
        yield f"line {number}\n"


@tool
async def copied(lines: int) -> AsyncIterator[Any]:
    """Many lines live, a number as result."""
    yield "x" * lines
    yield ToolResult(lines, brief=f"{lines} lines were copied")


@copied.plain
async def copied_plainly(lines: int) -> ToolResult:
    return ToolResult(lines, brief=f"{lines} lines were copied")


SCRIPT = (
    [calls("count", text="to be or not " * 50), calls("fetch", lines=200), "both"],
    [calls("copied", lines=50_000), calls("count", text="x")],
    ["All", " done"],
)


def spent(stream_tools: bool) -> tuple[dict[str, int], list[Question]]:
    """What a run uses, and what the model was asked."""

    async def live() -> Any:
        model = Scripted(*SCRIPT)
        tools = [count, fetch, copied]
        stream = agent("go", model=model, tools=tools, stream_tools=stream_tools)
        found = [element async for element in stream]
        return found[-1]["usage"], model.asked

    usage, asked = run(live())
    return usage, asked


def test_a_run_with_streaming_tools_uses_the_same_tokens_as_with_plain_ones() -> None:
    live, live_asked = spent(True)
    plain, plain_asked = spent(False)
    assert live == plain
    assert live["prompt_tokens"] > 500
    assert [question.messages for question in live_asked] == [q.messages for q in plain_asked]

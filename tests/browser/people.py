"""Graphs that ask people, and an agent that can be told something."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

import rxstream as rxs
from rxstream.codec import Binary
from rxstream.testing import ScriptedModel, call
from rxstream.tools import Output, ToolResult

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""A picture of one point."""


class Order(BaseModel):
    name: str
    amount: Annotated[int, Field(le=10)]
    size: Literal["S", "M"] = "M"
    express: bool = False
    tags: list[str] = []


async def ordered(what: str) -> dict[str, Any]:
    order = await rxs.ask(Order, f"how much {what}?", timeout=600)
    return order.model_dump()


async def agreed(what: str) -> str:
    return "yes" if await rxs.ask(bool, f"publish {what}?", timeout=3600) else "no"


@rxs.graph(resumable=True)
def ordering():  # type: ignore[no-untyped-def]  # as a user writes it
    """Asks for an object."""
    return rxs.of("tea").map_async(ordered).named("order")


@rxs.graph(resumable=True)
def publishing():  # type: ignore[no-untyped-def]  # as a user writes it
    """Asks for a yes."""
    return rxs.of("it").map_async(agreed).named("gate")


class Choosing(rxs.Step):
    name = "choosing"

    async def run(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"chosen": await self.ask(Literal["ship", "hold"], "what now?"), "rows": 1790}


shipping = rxs.Pipeline("shipping").add(Choosing)


@rxs.tool
async def look(at: str) -> AsyncIterator[Any]:
    """Look at something."""
    yield f"{at} is there\n"
    yield Output("\x1b[1mand 10 %\rand it is", "stderr")
    yield Output(" old\n", "stderr")
    yield ToolResult({"image": Binary(PIXEL, "image/png")}, "a picture")


@rxs.tool
async def fail() -> str:
    """Fail."""
    raise ValueError("no disk")


@rxs.tool
async def wait(context: rxs.ToolContext) -> AsyncIterator[str]:
    """Wait until it is cancelled."""
    context.progress(50, "waiting")
    yield "still here\n"
    await asyncio.Event().wait()


@rxs.graph
def assistant():  # type: ignore[no-untyped-def]  # as a user writes it
    """Looks, fails, waits, and stays."""
    lines: list[list[Any]] = [
        ["Let me ", "look.", call("look", at="x"), call("fail"), "Mean", "**while** `x`."],
        ["Now ", "wait.", call("wait")],
        ["Well."],
        ["And on", 3600.0],
    ]
    model = ScriptedModel(*lines)
    return rxs.agent("go", tools=[look, fail, wait], model=model, stay=True).named("agent")


GRAPHS = [ordering, publishing, assistant]

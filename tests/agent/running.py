"""Runs agents in an engine and looks at what they recorded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import rxstream as rxs
from rxstream.log.contract import EventLog
from rxstream.models import Element


def graph_of(make: Callable[[], rxs.Stream[Element]]) -> Any:
    """A graph with one agent, as node `agent`."""
    return rxs.Graph(lambda: make().named("agent"), "working")


@asynccontextmanager
async def started(
    make: Callable[[], rxs.Stream[Element]], log: EventLog | str | None = None
) -> AsyncIterator[rxs.Execution]:
    """A running agent."""
    async with rxs.Engine(log) as engine:
        execution = await engine.start(graph_of(make))
        yield execution
        if not execution.ended:
            execution.cancel()


async def elements(execution: rxs.Execution) -> list[Element]:
    """All it said, once it has ended."""
    events = [event async for event in execution.events()]
    return [each.data for each in events if each.event_type == "step_output"]


async def events_of(execution: rxs.Execution, kind: str) -> list[Any]:
    """Data of all events of a type, once it has ended."""
    return [event.data async for event in execution.events() if event.event_type == kind]


async def until(
    execution: rxs.Execution, condition: Callable[[Element], bool], seconds: float = 600
) -> Element:
    """The first element for which that holds."""
    async with asyncio.timeout(seconds):
        async for event in execution.events():
            if event.event_type == "step_output" and condition(event.data):
                found: Element = event.data
                return found
    raise AssertionError("it ended before")


async def asked(execution: rxs.Execution) -> Any:
    """The question that is open, once there is one."""
    async with asyncio.timeout(600):
        while not execution.questions:  # noqa: ASYNC110  # an open question wakes nobody
            await asyncio.sleep(0.01)
    return execution.questions[0]

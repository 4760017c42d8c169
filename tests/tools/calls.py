"""Reads one call of a tool to its end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from rxstream.models import Element
from rxstream.tools import Tool, perform


async def elements(tool: Tool, arguments: Any = None, **how: Any) -> list[Element]:
    """All that a call gives."""
    found: list[Element] = []
    async with aclosing(perform(tool, arguments or {}, call_id="1", **how)) as batches:
        async for batch in batches:
            found += batch
    return found


async def result(tool: Tool, arguments: Any = None, **how: Any) -> Element:
    """What a call ends with."""
    last = (await elements(tool, arguments, **how))[-1]
    assert last["type"] == "tool_result"
    return last


async def error(tool: Tool, arguments: Any = None, **how: Any) -> dict[str, Any]:
    """The error a call ends with."""
    found: dict[str, Any] = (await result(tool, arguments, **how))["error"]
    return found


def shown(found: list[Element], channel: str = "stdout") -> str:
    """The live output of one channel."""
    return "".join(
        each["text"]
        for each in found
        if each["type"] == "tool_output" and each["channel"] == channel
    )


def until(condition: Callable[[], bool]) -> None:
    """Wait for a thread, ten seconds at most."""
    import time

    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.001)

"""Random scripts of models and tools crash at random commits: what comes is what would have come."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

import rxstream as rxs
from rxstream.agent import agent
from rxstream.models import Budget, Element
from rxstream.testing import crash_everywhere
from rxstream.tools import Tool, ToolContext, ToolResult
from tests.agent.scripted import Line, Scripted, calls, results


async def work(
    seconds: float, pieces: int, fails: bool, context: ToolContext
) -> AsyncIterator[Any]:
    """Say some pieces, then fail or give how many they were."""
    for number in range(pieces):
        await asyncio.sleep(seconds / pieces)
        context.progress(100 * number / pieces)
        yield f"<{number}>" * (number + 1)
    if fails:
        raise OSError("it failed")
    yield ToolResult(pieces)


TOOLS = [
    Tool(
        work,
        name=f"{'p' * parallel}{'i' * idempotent}work",
        parallel=parallel,
        idempotent=idempotent,
    )
    for parallel in (False, True)
    for idempotent in (False, True)
]


def script_of(chance: random.Random) -> list[Line]:
    """A few answers; all but the last have calls."""

    def call() -> Element:
        name = chance.choice([*(each.name for each in TOOLS), "nobody"])
        pieces, fails = chance.randint(1, 4), chance.random() < 0.2
        return calls(name, seconds=chance.choice([0, 0.1, 1, 3]), pieces=pieces, fails=fails)

    def line(calling: bool) -> Line:
        words = [f"w{number} " for number in range(chance.randint(1, 6))]
        said: list[Any] = [*words, *(chance.choice([0.0, 0.3, 2.0]) for _ in range(2))]
        said += [call() for _ in range(chance.randint(1, 4) if calling else 0)]
        chance.shuffle(said)
        return said

    return [*(line(True) for _ in range(chance.randint(1, 3))), line(False)]


@pytest.mark.parametrize(
    "seed", [*range(6), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(6, 300))]
)
def test_a_random_agent_survives_crashes(seed: int) -> None:
    chance = random.Random(seed)
    script, pace = script_of(chance), chance.choice([0, 0.003, 0.1])
    streaming, limit = chance.random() < 0.8, chance.choice([None, 200])

    @rxs.graph(resumable=True)
    def working() -> rxs.Stream[Element]:
        model = Scripted(*script, pace=pace)
        how: dict[str, Any] = {"stream_tools": streaming, "budget": Budget(turns=9)}
        return agent("go", model=model, tools=TOOLS, history=limit, **how).named("agent")

    def seen_by(seen: Any) -> Any:
        found = seen["agent"]
        told = results(found)
        live: dict[str, str] = {}
        for each in found:
            if each["type"] == "tool_output" and each["channel"] != "progress":
                live[each["id"]] = live.get(each["id"], "") + each["text"]
        unknown = {call for call, how in told.items() if how == "unknown"}
        names = {each["id"]: each["name"] for each in found if each["type"] == "tool_call"}
        assert all("i" not in names[call][:2] for call in unknown)
        texts = [[each["text"] for each in found if each["type"] == "token"]]
        turns = [each["turn"] for each in found if each["type"] == "turn"]
        harmless = {c: told[c] for c in told if "i" in names[c][:2] or names[c] == "nobody"}
        shown = {c: live.get(c) for c in harmless}
        return (texts, turns, list(names), sorted(told), harmless, shown, seen[""][0])

    crash_everywhere(working, by=seen_by, most=12, seed=seed)

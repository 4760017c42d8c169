"""Agents of real parts: the local model makes real calls, and a script calls real tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rxstream.adapters.llm import LocalEndpoint
from rxstream.adapters.tools import bash, files
from rxstream.agent import agent
from rxstream.models import Budget, Element, open_model
from rxstream.tools import ToolResult, tool
from tests.agent.running import asked, elements, started
from tests.agent.scripted import Scripted, calls, kinds, results


@tool
async def get_weather(city: str) -> Any:
    """Tell the weather in a city."""
    yield "looking"
    yield ToolResult(f"sunny in {city}")


@pytest.mark.asyncio(loop_scope="module")
async def test_the_local_model_calls_a_tool_and_streaming_costs_it_no_token(
    running: LocalEndpoint,
) -> None:
    model = open_model("local:smollm2", base_url=running.base_url, api_key=running.api_key)

    async def ran(stream_tools: bool) -> list[Element]:
        stream = agent(
            "What is the weather in Paris?",
            model=model,
            tools=[get_weather],
            stream_tools=stream_tools,
            budget=Budget(turns=4),
            temperature=0,
            max_tokens=24,
        )
        return [element async for element in stream]

    live = await ran(True)
    call = next(each for each in live if each["type"] == "tool_call")
    assert (call["name"], list(call["arguments"])) == ("get_weather", ["city"])
    assert any(each["type"] == "tool_output" for each in live)
    assert results(live)[call["id"]] == f"sunny in {call['arguments']['city']}"
    assert live[-1]["turns"] >= 2
    plain = await ran(False)
    assert "tool_output" not in kinds(plain)
    for name in ("prompt_tokens", "completion_tokens"):
        assert plain[-1]["usage"][name] == live[-1]["usage"][name] > 0


async def test_an_agent_uses_the_real_shell_and_real_files(tmp_path: Path, boundary: str) -> None:
    (tmp_path / "notes.txt").write_text("to be or not to be\n")
    script = (
        [
            calls("view", path="notes.txt"),
            calls("bash", command="wc -w < notes.txt; echo seen >> notes.txt"),
        ],
        [calls("find", text="seen"), calls("view", path="../../etc/passwd")],
        ["six words"],
    )
    model = Scripted(*script)
    tools = [bash(tmp_path, approval=True), *files(tmp_path)]
    async with started(lambda: agent("count", model=model, tools=tools)) as execution:
        question = await asked(execution)
        assert "wc -w < notes.txt" in question.message
        await execution.answer(question.request_id, True)
        found = await elements(execution)
    told = {
        each["tool_call_id"]: each["content"]
        for each in model.asked[-1].messages
        if each["role"] == "tool"
    }
    assert "to be or not to be" in told["c0-1"]
    assert "6" in told["c0-2"]
    assert "notes.txt" in told["c1-1"]
    assert told["c1-2"].startswith("error (")
    assert found[-1]["text"] == "six words"

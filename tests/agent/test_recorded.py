"""What an agent recorded is told again, and fed to a changed graph without a model being asked."""

from __future__ import annotations

from typing import Any

import rxstream as rxs
from rxstream.agent import agent, messages_of
from rxstream.models import Element, Question
from rxstream.testing import virtual_time
from rxstream.tools import tool
from tests.agent.running import elements, started, until
from tests.agent.scripted import Line, Scripted, calls


@tool(parallel=True)
async def double(number: int) -> int:
    """Twice a number."""
    return 2 * number


SCRIPT: list[Line] = [
    ["let me ", calls("double", number=3), "see", calls("double", number=4), calls("nobody")],
    ["6 ", "and 8"],
]


def results_of(element: Element) -> bool:
    kind: str = element["type"]
    return kind == "tool_result"


@virtual_time
async def test_a_replay_tells_what_was_said_without_asking_anybody() -> None:
    model = Scripted(*SCRIPT)
    async with rxs.Engine() as engine:
        graph = rxs.Graph(
            lambda: agent("go", model=model, tools=[double]).named("agent"), "working"
        )
        execution = await engine.start(graph)
        said = await elements(execution)
        told = [e.data async for e in rxs.replay(engine.log, execution.id, types=["step_output"])]
    assert told[:-1] == said
    assert len(model.asked) == 2


@virtual_time
async def test_a_changed_graph_is_fed_what_the_agent_had_said() -> None:
    model = Scripted(*SCRIPT)

    def before() -> dict[str, rxs.Stream[Any]]:
        said = agent("go", model=model, tools=[double]).named("agent")
        return {"agent": said, "results": said.filter(results_of).named("results")}

    def after() -> rxs.Stream[Any]:
        said = agent("go", model=model, tools=[double]).named("agent")
        return said.filter(lambda e: results_of(e) and "error" not in e).named("results")

    async with rxs.Engine() as engine:
        execution = await engine.start(rxs.Graph(before, "working"))
        await execution.result()
        again = await rxs.rerun(engine.log, execution.id, rxs.Graph(after, "working"))
    (difference,) = again.outputs.values()
    assert (difference.same, difference.missing) == (2, 1)
    assert len(model.asked) == 2


@virtual_time
async def test_messages_made_of_what_was_said_are_those_the_model_is_told() -> None:
    """So a conversation that was recorded goes on in another execution."""

    class Asked(Scripted):
        def line(self, question: Question) -> Line:
            return self.script[len(self.asked) - 1]

    model = Asked(*SCRIPT, ["and more"], ["end"])
    async with started(lambda: agent("go", model=model, tools=[double], stay=True)) as execution:
        await until(execution, lambda each: each["type"] == "done")
        await execution.send("more?")
        await until(execution, lambda each: each.get("text") == "and more" and "turns" in each)
        await execution.send("last")
        await until(execution, lambda each: each.get("text") == "end" and "turns" in each)
        execution.stop()
        said = await elements(execution)
    found = messages_of("go", said)
    assert found[:-1] == list(model.asked[-1].messages)
    assert found[-1] == {"role": "assistant", "content": "end"}


def test_messages_of_what_broke_off_are_a_conversation_still() -> None:
    said: list[Element] = [
        {"type": "token", "text": "wrong"},
        {"type": "restarted", "message": "again"},
        {"type": "token", "text": "right "},
        {
            "type": "tool_call",
            "id": "1",
            "name": "double",
            "arguments": {"number": 1},
            "carry": "x",
        },
        {"type": "tool_output", "id": "1", "channel": "stdout", "text": "…"},
    ]
    call = {"id": "1", "name": "double", "arguments": {"number": 1}, "carry": "x"}
    result = {"role": "tool", "tool_call_id": "1", "name": "double", "content": "it broke off"}
    assert messages_of([{"role": "user", "content": "go"}], said) == [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": "right ", "tool_calls": [call]},
        {**result, "content": "error (unknown): it has no result"},
    ]
    ended = [*said, {"type": "tool_result", "id": "1", "name": "double", "result": 2}]
    assert messages_of("go", ended)[-1] == {**result, "content": "2"}

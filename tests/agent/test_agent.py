"""Turns of a model and its tools: what comes, in which order, and what the model is told."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

import rxstream as rxs
from rxstream.agent import agent
from rxstream.codec import Binary
from rxstream.errors import AuthorError, WorldError
from rxstream.models import Budget, Element
from rxstream.testing import virtual_time
from rxstream.tools import ToolContext, ToolResult, tool
from tests.agent.running import started
from tests.agent.scripted import Scripted, calls, kinds, results, text_of


@tool(parallel=True)
async def wait(seconds: float, context: ToolContext) -> AsyncIterator[Any]:
    """Wait a while."""
    context.progress(0, "waiting")
    await asyncio.sleep(seconds)
    yield f"{seconds:g} s"
    yield ToolResult(seconds)


@tool
async def alone(seconds: float) -> float:
    """Wait a while, beside nothing else."""
    await asyncio.sleep(seconds)
    return seconds


async def all_of(stream: rxs.Stream[Element]) -> list[Element]:
    return [element async for element in stream]


async def ended(stream: rxs.Stream[Element]) -> tuple[list[Element], BaseException | None]:
    """All that came before the error, and the error."""
    found: list[Element] = []
    try:
        async for element in stream:
            found.append(element)
    except Exception as error:
        return found, error
    return found, None


async def timed(stream: rxs.Stream[Element]) -> list[tuple[float, str]]:
    """When calls were found and had their results."""
    loop = asyncio.get_running_loop()
    return [
        (round(loop.time(), 3), f"{each['type'].removeprefix('tool_')} {each['id']}")
        async for each in stream
        if each["type"] in ("tool_call", "tool_result")
    ]


@virtual_time
async def test_an_answer_without_calls_is_one_turn() -> None:
    found = await all_of(agent("hi", model=Scripted(["Hel", "lo"], pace=1), system="Be short."))
    assert kinds(found) == ["token", "turn", "done"]
    assert found[-1] == {
        "type": "done",
        "text": "Hello",
        "usage": {"prompt_tokens": 4, "completion_tokens": 2},
        "timings": {"duration_ms": 2_000.0, "first_token_ms": 1_000.0},
        "finish_reason": "stop",
        "turns": 1,
        "metadata": {"model": "test", "calls": 0},
    }


@virtual_time
async def test_results_go_back_in_order_and_the_model_is_asked_again() -> None:
    model = Scripted(["a", calls("wait", seconds=2), calls("wait", seconds=1)], ["b"])
    found = await all_of(agent("go", model=model, tools=[wait]))
    assert [each["id"] for each in found if each["type"] == "tool_result"] == ["c0-2", "c0-1"]
    first, second = model.asked
    assert [spec.name for spec in first.tools] == ["wait"]
    assert second.messages == [
        {"role": "user", "content": "go"},
        {
            "role": "assistant",
            "content": "a",
            "tool_calls": [
                {"id": "c0-1", "name": "wait", "arguments": {"seconds": 2}},
                {"id": "c0-2", "name": "wait", "arguments": {"seconds": 1}},
            ],
        },
        {"role": "tool", "tool_call_id": "c0-1", "name": "wait", "content": "2.0"},
        {"role": "tool", "tool_call_id": "c0-2", "name": "wait", "content": "1.0"},
    ]
    assert (found[-1]["turns"], found[-1]["metadata"]["calls"]) == (2, 2)


@virtual_time
async def test_a_call_begins_where_the_model_says_it_and_parallel_ones_run_together() -> None:
    model = Scripted([calls("wait", seconds=5), 1, calls("wait", seconds=2), 9, "…"], ["b"])
    assert await timed(agent("go", model=model, tools=[wait])) == [
        (0, "call c0-1"),
        (1, "call c0-2"),
        (3, "result c0-2"),
        (5, "result c0-1"),
    ]


@virtual_time
async def test_what_is_not_parallel_waits_for_all_before_it_and_all_behind_it_wait() -> None:
    script = [calls("wait", seconds=2), calls("alone", seconds=1), calls("wait", seconds=1)]
    found = await timed(agent("go", model=Scripted(script, ["b"]), tools=[wait, alone]))
    assert [each for each in found if "result" in each[1]] == [
        (2, "result c0-1"),
        (3, "result c0-2"),
        (4, "result c0-3"),
    ]


@virtual_time
async def test_so_many_calls_run_at_once_and_no_more() -> None:
    script = [calls("wait", seconds=1) for _ in range(7)]
    model = Scripted(script, ["b"])
    found = await timed(agent("go", model=model, tools=[wait], concurrency=3))
    assert [at for at, what in found if "result" in what] == [1, 1, 1, 2, 2, 2, 3]
    with pytest.raises(AuthorError, match="concurrency is at least 1, not 0"):
        agent("go", concurrency=0)


@virtual_time
async def test_live_output_and_progress_of_each_call_can_be_seen() -> None:
    found = await all_of(
        agent("go", model=Scripted([calls("wait", seconds=1)], ["b"]), tools=[wait])
    )
    live = [(each["channel"], each["text"]) for each in found if each["type"] == "tool_output"]
    assert live == [("progress", "waiting"), ("stdout", "1 s")]


@virtual_time
async def test_without_streaming_tools_only_their_results_are_seen() -> None:
    model = Scripted([calls("wait", seconds=1)], ["b"])
    found = await all_of(agent("go", model=model, tools=[wait], stream_tools=False))
    assert "tool_output" not in kinds(found)
    assert results(found) == {"c0-1": 1.0}


@virtual_time
async def test_what_goes_wrong_with_a_call_is_told_to_the_model_and_is_no_failure() -> None:
    model = Scripted([calls("wait", second=1), calls("nap"), calls("wait", seconds=-1)], ["sorry"])
    model.script[0][2]["arguments"] = "{broken"
    found = await all_of(agent("go", model=model, tools=[wait], tool_timeout=5))
    assert results(found) == {
        "c0-1": "invalid_parameters",
        "c0-2": "unknown_tool",
        "c0-3": "invalid_parameters",
    }
    told = [each["content"] for each in model.asked[1].messages if each["role"] == "tool"]
    assert "seconds is missing" in told[0]
    assert "no tool is named 'nap': there are wait" in told[1]
    assert text_of(found) == "sorry"


@virtual_time
async def test_calls_have_ids_of_their_own_also_where_the_model_repeats_one() -> None:
    class Same(Scripted):
        async def answer(self, *given: Any, **more: Any) -> AsyncIterator[Any]:
            async for batch in super().answer(*given, **more):
                yield [{**e, "id": "1"} if e["type"] == "tool_call" else e for e in batch]

    two = [calls("wait", seconds=0), calls("wait", seconds=0)]
    found = await all_of(agent("go", model=Same(two, two[:1], ["b"]), tools=[wait]))
    assert len(results(found)) == 3


@virtual_time
async def test_reasoning_and_other_elements_pass_and_a_restart_begins_the_text_anew() -> None:
    class Odd(Scripted):
        async def answer(self, *given: Any, **more: Any) -> AsyncIterator[Any]:
            yield [{"type": "reasoning", "text": "hm"}, {"type": "token", "text": "wrong"}]
            yield [{"type": "restarted", "message": "again"}]
            async for batch in super().answer(*given, **more):
                yield batch

    model = Odd(["right", calls("wait", seconds=0)], ["b"])
    found = await all_of(agent("go", model=model, tools=[wait]))
    assert kinds(found)[:4] == ["reasoning", "token", "restarted", "token"]
    assert model.asked[1].messages[1]["content"] == "right"


async def test_an_answer_without_its_end_is_an_error() -> None:
    class Cut(Scripted):
        def done(self, *given: Any) -> Element:
            return {"type": "token", "text": "…"}

    found, error = await ended(agent("go", model=Cut(["half"])))
    assert isinstance(error, WorldError)
    assert error.message == "the answer of scripted:test ended without its end: ask again"
    assert text_of(found) == "half…"


async def test_what_a_model_raises_ends_the_agent_behind_what_came() -> None:
    model = Scripted(["half", ConnectionError("gone")])
    found, error = await ended(agent("go", model=model))
    assert isinstance(error, ConnectionError)
    assert (text_of(found), model.closed) == ("half", 1)


async def test_a_timeout_of_the_model_is_its_own() -> None:
    _, error = await ended(agent("go", model=Scripted([TimeoutError("slow")])))
    assert isinstance(error, TimeoutError)


async def test_what_a_model_gives_need_not_be_a_generator() -> None:
    class Once:
        """An iterator that cannot be closed."""

        def __init__(self) -> None:
            done = {"type": "done", "text": "", "usage": None, "finish_reason": "stop"}
            self.left: list[Any] = [[done]]

        def __aiter__(self) -> Once:
            return self

        async def __anext__(self) -> Any:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop()

    class Plain(Scripted):
        def answer(self, *given: Any, **more: Any) -> Any:
            return Once()

    assert kinds(await all_of(agent("go", model=Plain()))) == ["turn", "done"]


async def test_a_model_that_awaits_something_cancelled_fails() -> None:
    class Odd(Scripted):
        async def answer(self, *given: Any, **more: Any) -> AsyncIterator[Any]:
            raise asyncio.CancelledError
            yield []

    with pytest.raises(RuntimeError, match="what the model awaited was cancelled"):
        await all_of(agent("go", model=Odd(["x"])))


@virtual_time
async def test_whoever_stops_reading_stops_the_model_and_its_calls() -> None:
    model = Scripted([calls("wait", seconds=100), "a", 100, "b"])
    stream = agent("go", model=model, tools=[wait])
    async for element in stream:
        if element["type"] == "token":
            break
    await asyncio.sleep(1)
    assert model.closed == 1


async def test_a_blocking_tool_runs_in_a_thread_which_sees_that_the_run_is_over() -> None:
    began, ended = threading.Event(), threading.Event()

    @tool
    def blocks(context: ToolContext) -> Any:
        yield "begun"
        began.set()
        while not context.token.is_cancelled:
            time.sleep(0.001)
        ended.set()

    async with started(
        lambda: agent("go", model=Scripted([calls("blocks")]), tools=[blocks])
    ) as run:
        await asyncio.to_thread(began.wait, 10)
        run.cancel()
        await run.wait()
    assert ended.is_set()


@virtual_time
async def test_more_than_the_reader_takes_waits_with_the_model() -> None:
    model = Scripted(["x"] * 1_000)
    pieces = agent("go", model=model).map(lambda element: element["type"])
    taken = 0
    async for _ in pieces.pipe(rxs.operators.block(8)):
        taken += 1
        await asyncio.sleep(0.1)
    assert taken == 1_002


async def test_pictures_and_other_parts_are_given_to_the_model_as_they_are() -> None:
    picture = {"type": "image", "data": Binary(b"png", "image/png")}
    given = [{"role": "user", "content": [{"type": "text", "text": "what?"}, picture]}]
    model = Scripted(["a cat"])
    await all_of(agent(given, model=model))
    assert model.asked[0].messages == given


def test_what_is_no_message_no_model_or_no_tool_is_refused() -> None:
    with pytest.raises(AuthorError, match="a text or a list of messages, not a int"):
        agent(3)  # type: ignore[arg-type]  # what is refused
    with pytest.raises(AuthorError, match="a int is no model: write PROVIDER:NAME"):
        agent("x", model=3)  # type: ignore[arg-type]  # what is refused
    with pytest.raises(AuthorError, match="a budget of many tokens is none"):
        Budget(tokens="many")  # type: ignore[arg-type]  # what is refused
    with pytest.raises(AuthorError, match="message 0 is not one: it is "):
        agent([{"role": "boss", "content": "x"}])
    with pytest.raises(AuthorError, match="the content of message 0 is neither"):
        agent([{"role": "user", "content": 3}])
    with pytest.raises(
        AuthorError, match="there is nothing to answer: give a message, or stay=True"
    ):
        agent([], system="be brief")
    with pytest.raises(AuthorError, match="there are two tools named 'wait'"):
        agent("x", tools=[wait, wait])


def test_the_graph_shows_the_model_and_the_tools_by_name() -> None:
    @rxs.graph
    def working() -> rxs.Stream[Element]:
        return agent("go", model=Scripted(["x"]), tools=[wait], stay=True)

    (node,) = working.build().nodes
    assert node.arguments["model"] == "scripted:test"
    assert node.arguments["tools"] == ["wait"]
    assert node.arguments["stay"] is True
    assert not working.build().obstacles


class Garbled:
    """A model whose first two answers lost pieces on the way."""

    name = "test:garbled"

    def __init__(self) -> None:
        self.lost = [1, 2, 0]

    async def answer(self, question: Any, delivered: Any = None, tell: Any = None) -> Any:
        lost, last = self.lost.pop(0), not self.lost
        if not last:
            yield [{"type": "tool_call", "id": str(lost), "name": "none", "arguments": {}}]
        yield [
            {
                "type": "done",
                "text": "",
                "usage": None,
                "timings": {},
                "finish_reason": "stop",
                "metadata": {"malformed": lost},
            }
        ]


@virtual_time
async def test_pieces_of_answers_that_could_not_be_read_are_counted_over_all_turns() -> None:
    found = await all_of(agent("hi", model=Garbled()))
    assert found[-1]["metadata"]["malformed"] == 3

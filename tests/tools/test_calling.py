"""One call of a tool: what it says while it runs, what it ends with, and who may stop it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

import rxstream.tools.calling as calling
from rxstream.codec import Binary
from rxstream.plugins.running import CancellationToken
from rxstream.testing import virtual_time
from rxstream.tools import Limits, Output, Tool, ToolContext, ToolResult, perform, tool
from rxstream.tools.calling import _Run
from rxstream.tools.inbox import Inbox
from rxstream.tools.threads import _Worker
from tests.tools.calls import elements, error, result, shown, until


@tool
async def words(text: str, context: ToolContext) -> AsyncIterator[Any]:
    """The words of a text, one by one."""
    found = text.split()
    for number, word in enumerate(found, 1):
        yield Output(word, "word")
        context.progress(100 * number / len(found), word)
        await asyncio.sleep(1)
    yield ToolResult(len(found), brief=f"{len(found)} words")


@tool
def double(number: int) -> int:
    """Twice a number."""
    return 2 * number


@virtual_time
async def test_what_a_generator_yields_is_shown_as_it_comes_and_its_result_ends_it() -> None:
    found = await elements(words, {"text": "to be"})
    assert found == [
        {"type": "tool_output", "id": "1", "channel": "word", "text": "to"},
        {
            "type": "tool_output",
            "id": "1",
            "channel": "progress",
            "text": "to",
            "percentage": 50.0,
        },
        {"type": "tool_output", "id": "1", "channel": "word", "text": "be"},
        {
            "type": "tool_output",
            "id": "1",
            "channel": "progress",
            "text": "be",
            "percentage": 100.0,
        },
        {"type": "tool_result", "id": "1", "name": "words", "result": 2, "brief": "2 words"},
    ]


@virtual_time
async def test_without_streaming_only_the_same_result_comes() -> None:
    live = await elements(words, {"text": "to be"})
    assert await elements(words, {"text": "to be"}, stream=False) == live[-1:]


async def test_a_plain_function_runs_in_a_thread_and_gives_its_value() -> None:
    threads: list[str] = []

    def where() -> str:
        threads.append(threading.current_thread().name)
        return "here"

    assert (await result(Tool(where)))["result"] == "here"
    assert threads == ["rxstream tool where"]


async def test_a_coroutine_function_an_object_and_a_partial_are_tools_too() -> None:
    async def half(number: int) -> float:
        return number / 2

    class Add:
        def __call__(self, a: int, b: int = 1) -> ToolResult:
            return ToolResult(a + b, brief="a sum")

    assert (await result(Tool(half), {"number": 3}))["result"] == 1.5
    assert (await result(Tool(Add(), name="add"), {"a": 3}))["brief"] == "a sum"
    assert (await result(Tool(partial(Add(), b=5), name="add5"), {"a": 3}))["result"] == 8


async def test_a_function_may_return_something_to_iterate_or_to_await() -> None:
    async def letters() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    async def later() -> int:
        return 3

    async def gives() -> Any:
        return letters()

    class Letters:
        """An iterator that cannot be closed."""

        def __init__(self) -> None:
            self.left = ["b", "a"]

        def __aiter__(self) -> Letters:
            return self

        async def __anext__(self) -> str:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop()

    async def iterates() -> Any:
        return Letters()

    for given in (gives, iterates, lambda: letters()):
        found = await elements(Tool(given, name="letters"))
        assert shown(found) == found[-1]["result"] == "ab"
    assert (await result(Tool(lambda: later(), name="later")))["result"] == 3


async def test_a_generator_without_a_result_has_its_text_as_result() -> None:
    @tool
    def lines(count: int) -> Iterator[Any]:
        for number in range(count):
            yield f"{number}\n"
        yield {"count": count}

    found = await elements(lines, {"count": 3})
    assert shown(found) == found[-1]["result"] == '0\n1\n2\n{"count":3}'


async def test_a_generator_in_a_thread_may_end_with_a_result_too() -> None:
    @tool
    def shows(count: int) -> Iterator[Any]:
        yield "live"
        yield ToolResult(count)
        raise AssertionError("nothing follows a result")

    found = await elements(shows, {"count": 3})
    assert (shown(found), found[-1]["result"]) == ("live", 3)


async def test_wrong_arguments_are_an_error_for_each_of_them() -> None:
    found = await error(double, {"number": "many", "more": 1})
    assert (found["kind"], found["code"]) == ("client", "invalid_parameters")
    assert [each["name"] for each in found["detail"]] == ["number", "more"]
    assert "number: input should be a valid integer" in found["message"]


async def test_arguments_may_be_json_text_and_nothing_else() -> None:
    assert (await result(double, '{"number": "4"}'))["result"] == 8
    assert "no JSON object: '[4]'" in (await error(double, "[4]"))["message"]
    assert "no JSON object: '{number'" in (await error(double, "{number"))["message"]
    assert "number is missing" in (await error(double, " "))["message"]


async def test_what_a_tool_raises_is_told_without_a_stack() -> None:
    @tool
    def fails(how: str) -> None:
        raise {"world": FileNotFoundError(2, "gone"), "user": KeyError("x")}[how]

    assert (await error(fails, {"how": "user"})) == {
        "kind": "user",
        "code": "KeyError",
        "message": "'x'",
    }
    assert (await error(fails, {"how": "world"}))["kind"] == "world"


async def test_what_a_tool_awaits_may_be_cancelled_by_itself() -> None:
    @tool
    async def odd() -> None:
        raise asyncio.CancelledError

    assert (await error(odd))["message"] == "what the tool awaited was cancelled"


@virtual_time
async def test_a_call_that_takes_too_long_is_stopped_and_its_shorter_limit_counts() -> None:
    closed: list[float] = []

    @tool(timeout=5)
    async def endless() -> AsyncIterator[str]:
        try:
            while True:
                yield "."
                await asyncio.sleep(1)
        finally:
            closed.append(asyncio.get_running_loop().time())

    found = await elements(endless, timeout=60)
    assert found[-1]["error"]["code"] == "tool_timeout"
    assert "within 5 s" in found[-1]["error"]["message"]
    assert (shown(found), closed) == (".....", [5.0])


async def test_of_a_call_that_is_stopped_already_nothing_is_begun() -> None:
    begun: list[str] = []

    @tool
    def act() -> None:
        begun.append("act")

    token = CancellationToken()
    token.cancel("too late")
    assert (await error(act, token=token))["message"] == "too late"
    assert begun == []


@virtual_time
async def test_a_token_ends_a_call_with_its_reason() -> None:
    token = CancellationToken()
    asyncio.get_running_loop().call_later(2.5, token.cancel, "enough")
    found = await elements(words, {"text": "a b c d"}, token=token)
    assert found[-1]["error"] == {"kind": "cancelled", "code": "cancelled", "message": "enough"}
    assert shown(found, "word") == "abc"


@virtual_time
async def test_a_tool_that_does_not_stop_is_left_behind() -> None:
    going = asyncio.Event()

    @tool(timeout=1)
    async def stubborn() -> None:
        while not going.is_set():
            try:
                await going.wait()
            except asyncio.CancelledError:
                continue

    token = CancellationToken()
    asyncio.get_running_loop().call_later(2, token.cancel, "too late: it is being stopped")
    found = await error(stubborn, token=token)
    assert "within 1 s; it did not stop and was left behind" in found["message"]
    assert asyncio.get_running_loop().time() == 1 + calling.PATIENCE_S
    going.set()
    await asyncio.wait(calling._left_behind)


@virtual_time
async def test_a_reader_that_comes_late_still_hears_how_a_stopped_call_ended() -> None:
    token = CancellationToken()
    found: list[Any] = []
    async with aclosing(perform(words, {"text": "a b"}, token=token)) as batches:
        async for batch in batches:
            found += batch
            token.cancel("enough")
            await asyncio.sleep(2 * calling.PATIENCE_S)
    assert found[-1]["error"]["message"] == "enough"


def test_what_outlives_its_loop_says_nothing_more() -> None:
    held = threading.Event()

    async def made() -> tuple[Inbox, _Worker, _Run]:
        worker = _Worker(lambda give: held.wait(10), "late")
        return Inbox("1", Limits(), False), worker, _Run(double, {}, "1", True, Limits())

    inbox, worker, call = asyncio.run(made())
    telling = threading.Thread(target=inbox.report, args=(1, "x"))
    telling.start()
    telling.join()
    call._cancelled(CancellationToken())
    held.set()
    until(lambda: worker.done)


@virtual_time
async def test_whoever_stops_reading_stops_the_call() -> None:
    ended: list[bool] = []

    @tool
    async def waits(context: ToolContext) -> AsyncIterator[str]:
        yield "begun"
        try:
            await asyncio.sleep(3_600)
        finally:
            ended.append(context.token.is_cancelled)

    async with aclosing(perform(waits, {})) as batches:
        async for _ in batches:
            break
    assert ended == [True]


async def test_a_thread_that_gives_more_than_is_read_waits_and_ends_when_nobody_reads() -> None:
    given: list[int] = []
    closed: list[bool] = []

    @tool
    def flood() -> Iterator[str]:
        try:
            while True:
                given.append(1)
                yield "x" * 40_000
        finally:
            closed.append(True)

    async with aclosing(perform(flood, {})) as batches:
        async for _ in batches:
            break
    assert closed == [True]
    assert len(given) < 300


async def test_a_thread_sees_that_its_call_is_unwanted() -> None:
    began = threading.Event()

    @tool
    def looks(context: ToolContext) -> str:
        began.set()
        until(lambda: context.token.is_cancelled)
        return "too late"

    token = CancellationToken()
    task = asyncio.create_task(error(looks, token=token))
    await asyncio.to_thread(began.wait, 10)
    token.cancel("stop")
    assert (await task)["message"] == "stop"


async def test_progress_may_be_told_from_a_thread() -> None:
    @tool
    def far(context: ToolContext) -> None:
        context.progress(150, "nearly")
        context.progress(None)

    found = await elements(far)
    last = [each for each in found if each["type"] == "tool_output"][-1]
    assert (last["channel"], last["text"], last["percentage"]) == ("progress", "", None)


@virtual_time
async def test_of_much_progress_ten_a_second_are_shown_and_the_last() -> None:
    @tool
    async def quick(context: ToolContext) -> None:
        for number in range(1_001):
            context.progress(number / 10)
            await asyncio.sleep(0.001)

    told = [e["percentage"] for e in await elements(quick) if e["type"] == "tool_output"]
    assert 10 <= len(told) <= 12
    assert told[-1] == 100.0


async def test_output_beyond_the_limit_is_not_shown_and_that_is_said_once() -> None:
    @tool
    async def chatty() -> AsyncIterator[Any]:
        for _ in range(100):
            yield "0123456789"
        yield ToolResult("done")

    found = await elements(chatty, limits=Limits(output=25))
    assert shown(found) == "0123456789012345678901234"
    assert shown(found, "notice") == "output beyond 25 characters is not shown"
    assert found[-1]["result"] == "done"


async def test_a_long_result_is_shortened_and_a_large_one_refused() -> None:
    @tool
    async def many(count: int, text: bool) -> Any:
        return "ab" * count if text else ["ab"] * count

    limits = Limits(result=1_200)
    short = (await result(many, {"count": 1_000, "text": True}, limits=limits))["result"]
    assert len(short) < 220
    assert "characters left out" in short
    found = await error(many, {"count": 1_000, "text": False}, limits=limits)
    assert found["code"] == "result_too_large"


async def test_live_text_that_is_the_result_keeps_its_beginning() -> None:
    @tool
    async def long() -> AsyncIterator[str]:
        for number in range(300):
            yield f"{number:04}"

    found = (await result(long, limits=Limits(result=1_000)))["result"]
    assert found.startswith("00000001")
    assert "left out" in found


async def test_what_cannot_be_encoded_is_an_error_and_what_is_no_character_is_replaced() -> None:
    @tool
    async def odd(value: str) -> Any:
        return {"object": object(), "surrogate": "\ud800", "binary": Binary(b"x", "image/png")}[
            value
        ]

    assert (await error(odd, {"value": "object"}))["kind"] == "author"
    assert (await result(odd, {"value": "surrogate"}))["result"] == "?"
    assert isinstance((await result(odd, {"value": "binary"}))["result"], Binary)


@dataclass(frozen=True)
class Shot:
    """A picture with what is known of it."""

    image: Binary
    size: tuple[int, int]


class Album(BaseModel):
    """Pictures."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    shots: list[Shot]


async def test_a_result_is_plain_data_in_which_only_a_binary_is_what_it_was() -> None:
    picture = Binary(b"png", "image/png")

    @tool
    async def shoot(many: bool) -> Any:
        shot = Shot(picture, (3, 4))
        return Album(shots=[shot]) if many else {"shot": shot, "at": {1}}

    found = (await result(shoot, {"many": False}))["result"]
    assert found == {"shot": {"image": picture, "size": [3, 4]}, "at": [1]}
    found = (await result(shoot, {"many": True}))["result"]
    assert found == {"shots": [{"image": picture, "size": [3, 4]}]}


@pytest.mark.parametrize("streaming", [True, False])
async def test_an_object_without_json_is_shown_as_python_shows_it(streaming: bool) -> None:
    @tool
    async def shows() -> AsyncIterator[Any]:
        yield object
        yield ToolResult(1)

    found = await elements(shows, stream=streaming)
    assert shown(found) == ("<class 'object'>" if streaming else "")

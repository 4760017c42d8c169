"""A model that says what a test wants, and a chat with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import pytest

import rxstream as rxs
from rxstream.adapters.tools import sandbox_bwrap
from rxstream.errors import WorldError
from rxstream.models import Element, Question
from rxstream.stream import Stream


def token(text: str) -> Element:
    return {"type": "token", "text": text}


def done(text: str = "", tokens: int = 3) -> Element:
    return {
        "type": "done",
        "text": text,
        "usage": {"completion_tokens": tokens},
        "finish_reason": "stop",
    }


def call(name: str, **arguments: Any) -> Element:
    return {"type": "tool_call", "id": f"{name}-1", "name": name, "arguments": arguments}


def output(name: str, text: str) -> Element:
    return {"type": "tool_output", "id": f"{name}-1", "channel": "stdout", "text": text}


def result(name: str, value: Any) -> Element:
    return {"type": "tool_result", "id": f"{name}-1", "name": name, "result": value}


@pytest.fixture
def sandbox() -> None:
    """What the tool `bash` needs of the machine."""
    try:
        sandbox_bwrap.found()
    except WorldError as error:
        pytest.skip(f"missing: bubblewrap, so no command ran in a chat ({error.message})")


class Scripted:
    """Answers with scripts in turn; an `asyncio.Event` in one is waited for, an exception is raised."""

    def __init__(self, *scripts: Sequence[Any]) -> None:
        self.scripts = list(scripts)
        self.asked: list[list[Mapping[str, Any]]] = []

    def __call__(
        self, messages: Sequence[Mapping[str, Any]], model: str, tools: Sequence[str]
    ) -> Stream[Any]:
        self.asked.append(list(messages))
        script = self.scripts.pop(0) if self.scripts else [token("Yes."), done()]

        async def elements() -> AsyncIterator[Element]:
            for item in script:
                if isinstance(item, asyncio.Event):
                    await item.wait()
                elif isinstance(item, Exception):
                    raise item
                else:
                    yield item

        return rxs.source(elements)


async def until(happened: Callable[[], Any], what: str = "it") -> Any:
    """Poll with a deadline."""
    deadline = asyncio.get_running_loop().time() + 10
    while not (found := happened()):
        assert asyncio.get_running_loop().time() < deadline, f"{what} did not happen"
        await asyncio.sleep(0.01)
    return found


class Counting:
    """Says the numbers to `n`, and goes on where it was after a crash."""

    def __init__(self, n: int, pause_s: float = 0.0) -> None:
        self.n = n
        self.pause_s = pause_s

    def __call__(
        self, messages: Sequence[Mapping[str, Any]], model: str, tools: Sequence[str]
    ) -> Stream[Any]:
        async def slowly(element: Element) -> Element:
            await asyncio.sleep(self.pause_s)
            return element

        numbers = [token(f"{i} ") for i in range(self.n)]
        return rxs.source([*numbers, done()]).map_async(slowly, concurrency=1)


class Says:
    """A model that says its scripts in turn; an `asyncio.Event` is waited for, an exception raised."""

    name = "scripted:m"

    def __init__(self, *scripts: Sequence[Any]) -> None:
        self.scripts = list(scripts)
        self.questions: list[Question] = []
        self.closed = 0

    async def answer(
        self, question: Question, delivered: Any = None, tell: Any = None
    ) -> AsyncIterator[Sequence[Element]]:
        self.questions.append(question)
        try:
            for item in self.scripts.pop(0):
                if isinstance(item, asyncio.Event):
                    await item.wait()
                elif isinstance(item, Exception):
                    raise item
                elif isinstance(item, float):
                    await asyncio.sleep(item)
                else:
                    yield [item]
        finally:
            self.closed += 1

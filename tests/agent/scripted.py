"""A model that says what a script says, in virtual time if need be, and remembers what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from rxstream.models import Delivered, Element, Question, Tell

Line = Sequence[Any]
"""One answer: texts (a token each), numbers (seconds to wait), and what `calls` gives."""


def calls(name: str, **arguments: Any) -> Element:
    """A call of a tool in a script."""
    return {"type": "tool_call", "id": "", "name": name, "arguments": arguments}


def tokens_of(question: Question) -> int:
    """What the scripted model takes a question for: a token for four characters."""
    return sum(len(str(each.get("content"))) // 4 + 1 for each in question.messages)


class Scripted:
    """Says one line for each question, by how many answers the question has seen."""

    name = "scripted:test"

    def __init__(self, *script: Line, pace: float = 0.0) -> None:
        self.script = script
        self.pace = pace
        """Seconds before each token."""
        self.asked: list[Question] = []
        self.delivered: list[Delivered | None] = []
        self.closed = 0

    def line(self, question: Question) -> Line:
        """What it says to this."""
        answers = sum(each["role"] == "assistant" for each in question.messages)
        line: Line = self.script[min(answers, len(self.script) - 1)]
        return line

    async def answer(
        self, question: Question, delivered: Delivered | None = None, tell: Tell | None = None
    ) -> AsyncIterator[Sequence[Element]]:
        """See `Model.answer`; behind what was delivered it goes on."""
        self.asked.append(question)
        self.delivered.append(delivered)
        text, known = "", len((delivered or Delivered()).text)
        called, known_calls = 0, len((delivered or Delivered()).calls)
        turn = sum(each["role"] == "assistant" for each in question.messages)
        try:
            for said in self.line(question):
                if isinstance(said, int | float):
                    await asyncio.sleep(said)
                    continue
                if isinstance(said, Exception):
                    raise said
                if isinstance(said, dict):
                    called += 1
                    if called > known_calls:
                        yield [{**said, "id": f"c{turn}-{called}"}]
                    continue
                text += said
                if len(text) > known:
                    await asyncio.sleep(self.pace)
                    yield [{"type": "token", "text": said}]
            yield [self.done(question, text, called)]
        finally:
            self.closed += 1

    def done(self, question: Question, text: str, called: int) -> Element:
        """The end of an answer."""
        return {
            "type": "done",
            "text": text,
            "usage": {
                "prompt_tokens": tokens_of(question),
                "completion_tokens": len(text) // 4 + 1,
            },
            "timings": {},
            "finish_reason": "tool_calls" if called else "stop",
            "metadata": {"model": "test"},
        }


def kinds(elements: Sequence[Element]) -> list[str]:
    """What came, by type, with repetitions as one."""
    found: list[str] = []
    for each in elements:
        if not found or found[-1] != each["type"]:
            found.append(each["type"])
    return found


def text_of(elements: Sequence[Element]) -> str:
    """All tokens."""
    return "".join(each["text"] for each in elements if each["type"] == "token")


def results(elements: Sequence[Element]) -> dict[str, Any]:
    """Results of calls by id; of one that failed the code."""
    return {
        each["id"]: each["error"]["code"] if "error" in each else each["result"]
        for each in elements
        if each["type"] == "tool_result"
    }

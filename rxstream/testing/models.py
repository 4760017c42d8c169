"""A model that says what a script says: agents and chats are tested without one that costs or thinks.

It is a `rxstream.models.Model` like any other: it goes on behind what was delivered, says how many tokens it
used, and remembers what it was asked. In virtual time its pauses take none.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeAlias

from rxstream.models import Delivered, Element, Question, Tell

Line: TypeAlias = Sequence[Any]
"""One answer: texts (a token each), numbers (seconds to wait), `call(…)`, exceptions (which are raised)."""

_CHARACTERS = 4
"""Of a token."""


def call(name: str, **arguments: Any) -> Element:
    """A call of a tool in a script."""
    return {"type": "tool_call", "id": "", "name": name, "arguments": arguments}


class ScriptedModel:
    """Says one line to each question, by how many answers the question has seen; the last one to all others.

        >>> import rxstream as rxs
        >>> from rxstream.testing import ScriptedModel, call, run
        >>> def double(number: int) -> int:
        ...     return 2 * number
        >>> model = ScriptedModel(["let me see", call("double", number=4)], ["it is 8"])
        >>> async def main():
        ...     return [each["text"] async for each in rxs.agent("4?", model=model, tools=[double])
        ...             if each["type"] == "token"]
        >>> run(main())
        ['let me see', 'it is 8']
        >>> model.asked[1].messages[-1]["content"]
        '8'

    `pace` is how many seconds it takes for a token. It counts a token for four characters.
    """

    def __init__(self, *script: Line, pace: float = 0.0, name: str = "scripted:test") -> None:
        self.script = script
        self.pace = pace
        self.name = name
        self.asked: list[Question] = []
        self.delivered: list[Delivered | None] = []
        """What of its answer had been delivered, for each question."""
        self.closed = 0
        """Answers that were ended or left."""

    def line(self, question: Question) -> Line:
        """What it says to this question."""
        answers = sum(each["role"] == "assistant" for each in question.messages)
        chosen: Line = self.script[min(answers, len(self.script) - 1)]
        return chosen

    async def answer(
        self, question: Question, delivered: Delivered | None = None, tell: Tell | None = None
    ) -> AsyncIterator[Sequence[Element]]:
        """See `rxstream.models.Model`."""
        self.asked.append(question)
        self.delivered.append(delivered)
        before = delivered or Delivered()
        turn = sum(each["role"] == "assistant" for each in question.messages)
        text, called = "", 0
        try:
            for said in self.line(question):
                if isinstance(said, Exception):
                    raise said
                if isinstance(said, int | float):
                    await asyncio.sleep(said)
                elif isinstance(said, str):
                    text += said
                    if len(text) > len(before.text):
                        await asyncio.sleep(self.pace)
                        yield [{"type": "token", "text": said}]
                else:
                    called += 1
                    if called > len(before.calls):
                        yield [{**said, "id": f"c{turn}-{called}"}]
            yield [self.done(question, text, called)]
        finally:
            self.closed += 1

    def done(self, question: Question, text: str, called: int) -> Element:
        """The end of an answer."""
        asked = sum(len(str(each.get("content"))) // _CHARACTERS + 1 for each in question.messages)
        usage = {"prompt_tokens": asked, "completion_tokens": len(text) // _CHARACTERS + 1}
        return {
            "type": "done",
            "text": text,
            "usage": usage,
            "timings": {},
            "finish_reason": "tool_calls" if called else "stop",
            "metadata": {"model": self.name.partition(":")[2]},
        }

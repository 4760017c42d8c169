"""A model that says what a script says, breaks off where it is told to, and goes on as all models do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from rxstream.adapters.llm.errors import ModelError
from rxstream.adapters.llm.retrying import Retries, retried
from rxstream.models import Delivered, Element, Question, Tell

APART_S = 0.004


class ScriptedModel:
    """Says the same elements to each question, some milliseconds apart.

    Each attempt but those from `whole_from` on breaks off behind so many elements.
    """

    name = "scripted:m"

    def __init__(
        self,
        said: Sequence[Element],
        *,
        continues: bool = False,
        breaks: int | None = None,
        whole_from: int = 2,
    ) -> None:
        self.continues = continues
        self.asked: list[Question] = []
        self._said = said
        self._breaks = breaks
        self._whole_from = whole_from

    async def answer(
        self, question: Question, delivered: Delivered | None = None, tell: Tell | None = None
    ) -> AsyncGenerator[Sequence[Element], None]:
        attempts = retried(self, question, delivered, tell, Retries(), lambda: 1.0)
        async for batch in attempts:
            yield batch

    async def attempt(
        self, question: Question, tell: Tell | None = None
    ) -> AsyncGenerator[Sequence[Element], None]:
        self.asked.append(question)
        last = question.messages[-1]
        left = len(last["content"]) if last["role"] == "assistant" else 0
        for count, element in enumerate(self._said):
            if count == self._breaks and len(self.asked) % self._whole_from:
                raise ModelError("it broke off", code="answer_cut", retryable=True)
            if element["type"] == "token":
                skipped = min(left, len(element["text"]))
                left -= skipped
                if skipped == len(element["text"]):
                    continue
                element = {**element, "text": element["text"][skipped:]}
            elif left:
                continue
            await asyncio.sleep(APART_S)
            yield [element]


def says(text: str, *more: Element) -> list[Element]:
    """A text word by word, what else it says, and an end."""
    words = [{"type": "token", "text": f"{word} "} for word in text.split()]
    done: Element = {
        "type": "done",
        "text": text,
        "usage": None,
        "timings": {},
        "finish_reason": "stop",
    }
    return [*words, *more, done]

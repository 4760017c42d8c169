"""A model that writes what a test wants it to, and goes on behind what was given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from rxstream.models import Delivered, Element, Question, Tell

APART_S = 0.01


class Saying:
    """Says a text, some letters at a time; `before` are elements that come first."""

    name = "scripted:says"

    def __init__(self, text: str, before: Sequence[Element] = ()) -> None:
        self.text = text
        self.asked: list[tuple[Question, Delivered | None]] = []
        self.open = 0
        self._before = before

    async def answer(
        self, question: Question, delivered: Delivered | None = None, tell: Tell | None = None
    ) -> AsyncIterator[Sequence[Element]]:
        self.asked.append((question, delivered))
        self.open += 1
        try:
            if tell is not None:
                tell(None, "asks the model")
            if delivered is None:
                for element in self._before:
                    yield [element]
            rest = self.text[len(delivered.text) if delivered else 0 :]
            for at in range(0, len(rest), 16):
                await asyncio.sleep(APART_S)
                yield [{"type": "token", "text": rest[at : at + 16]}]
            done: dict[str, Any] = {"type": "done", "text": self.text, "usage": None}
            yield [{**done, "timings": {}, "finish_reason": "stop"}]
        finally:
            self.open -= 1


def markdown(code: str) -> str:
    """An answer with code in it."""
    return f"Here it is:\n\n```python\n{code}\n```\n\nEnjoy!"

"""A conversation: its turns in order, and what a model is told of them.

Pure. What a turn said before it was cancelled or broke off counts as said; a turn that failed before it said
anything was never held.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rxstream.adapters.terminal.chat.blocks import Call, Note, Text
from rxstream.adapters.terminal.chat.turn import Turn


class Conversation:
    """Questions and answers, oldest first."""

    def __init__(self, system: str | None = None) -> None:
        self.system = system
        self.turns: list[Turn] = []

    @property
    def tokens(self) -> int:
        """What the models wrote, in all."""
        return sum(turn.tokens for turn in self.turns)

    @property
    def title(self) -> str:
        """What it is about: the first question."""
        return self.turns[0].question if self.turns else ""

    def messages(self, question: str) -> list[dict[str, Any]]:
        """What a model is asked: all that was said, then the question."""
        told: list[dict[str, Any]] = []
        if self.system:
            told.append({"role": "system", "content": self.system})
        if not self.turns:
            return [*told, {"role": "user", "content": question}]
        questions = [*(turn.question for turn in self.turns[1:]), question]
        for turn, following in zip(self.turns, questions, strict=True):
            # what broke off and was asked anew counts as said once
            if not (turn.status == "interrupted" and turn.question == following):
                told += messages_of(turn)
        return [*told, {"role": "user", "content": question}]


def messages_of(turn: Turn) -> list[dict[str, Any]]:
    """A turn as messages; none of one that came to nothing."""
    answer = _answer_of(turn)
    if not answer:
        return []
    return [{"role": "user", "content": turn.question}, *answer]


def _answer_of(turn: Turn) -> list[dict[str, Any]]:
    """Text and the calls that follow it are one message; results follow; text after them is the next."""
    told: list[dict[str, Any]] = []
    said: list[str] = []
    calls: list[Call] = []

    def close() -> None:
        text = "\n\n".join(said)
        if calls:
            told.append({"role": "assistant", "content": text, "tool_calls": [*map(_asked, calls)]})
            told.extend(map(_result, calls))
        elif text:
            told.append({"role": "assistant", "content": text})
        said.clear()
        calls.clear()

    for block in turn.blocks:
        if isinstance(block, Text):
            if block.kind == "text":
                if calls:
                    close()
                said.append(block.text)
        elif isinstance(block, Call):
            calls.append(block)
        elif isinstance(block, Note) and block.kind == "user":
            close()
            told.append({"role": "user", "content": block.text})
    close()
    return told


def _asked(call: Call) -> dict[str, Any]:
    asked = {"id": call.id, "name": call.name, "arguments": call.arguments}
    return asked if call.carry is None else {**asked, "carry": call.carry}


def _result(call: Call) -> dict[str, Any]:
    content = call.result or ("" if call.state == "done" else "error: it was stopped")
    return {"role": "tool", "tool_call_id": call.id, "name": call.name, "content": content}


def recent(turns: Sequence[Turn], number: int | None) -> Turn | None:
    """The turn a person means by its number, counted from 1; the last one by none."""
    if number is None:
        return turns[-1] if turns else None
    return turns[number - 1] if 0 < number <= len(turns) else None

"""A conversation: its turns in order, and what a model is told of them.

Pure. What a turn said before it was cancelled or broke off counts as said; a turn that failed before it said
anything was never held.
"""

from __future__ import annotations

from collections.abc import Sequence

from rxstream.adapters.terminal.chat.blocks import Call, Note, Text
from rxstream.adapters.terminal.chat.turn import Turn
from rxstream.agent.transcript import turn_messages
from rxstream.models import Message


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

    def messages(self, question: str) -> list[Message]:
        """What a model is asked: all that was said, then the question."""
        told: list[Message] = []
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


def messages_of(turn: Turn) -> list[Message]:
    """A turn as messages; none of one that came to nothing."""
    answer = _answer_of(turn)
    if not answer:
        return []
    return [{"role": "user", "content": turn.question}, *answer]


def _answer_of(turn: Turn) -> list[Message]:
    """Text and the calls that follow it are one message; results follow; text after them is the next."""
    told: list[Message] = []
    said: list[str] = []
    calls: list[Call] = []

    def close() -> None:
        pieces = [call.piece for call in calls]
        results = {call.id: call.result for call in calls if call.told}
        told.extend(turn_messages("\n\n".join(said), pieces, results))
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


def recent(turns: Sequence[Turn], number: int | None) -> Turn | None:
    """The turn a person means by its number, counted from 1; the last one by none."""
    if number is None:
        return turns[-1] if turns else None
    return turns[number - 1] if 0 < number <= len(turns) else None

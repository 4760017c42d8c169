"""The conversation that an agent's elements are: messages for another run to go on with. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from rxstream.models import Element, Message
from rxstream.tools.telling import LIMITS, Limits, told

CARRIED: Final = ("id", "name", "arguments", "carry")
"""What a message keeps of a `tool_call`."""


def messages_of(
    given: str | Sequence[Message], elements: Iterable[Element], *, limits: Limits = LIMITS
) -> list[Message]:
    """The messages a run was begun with, and those that came of what it said.

        >>> from rxstream.agent import messages_of
        >>> messages_of("hi", [{"type": "token", "text": "hello"}, {"type": "turn"}])[-1]
        {'role': 'assistant', 'content': 'hello'}

    An answer that broke off is kept as far as it came; a call without a result is told as `unknown`.
    """
    conversation = _Conversation(given, limits)
    for element in elements:
        conversation.add(element)
    return conversation.messages()


class _Conversation:
    def __init__(self, given: str | Sequence[Message], limits: Limits) -> None:
        asked: Sequence[Message] = (
            [{"role": "user", "content": given}] if isinstance(given, str) else given
        )
        self._messages = list(asked)
        self._limits = limits
        self._text: list[str] = []
        self._calls: list[dict[str, Any]] = []
        self._told: dict[str, str] = {}
        self._answered = False

    def add(self, element: Element) -> None:
        kind = element["type"]
        if kind == "token":
            self._settle_answered()
            self._text.append(element["text"])
        elif kind == "restarted":
            self._text = []
        elif kind == "tool_call":
            self._settle_answered()
            self._calls.append({key: element[key] for key in CARRIED if key in element})
        elif kind == "tool_result":
            self._told[element["id"]] = told(element, self._limits)
        elif kind == "turn":
            self._answered = True
        elif kind == "message":
            self._settle()
            self._messages.append({"role": element["role"], "content": element["content"]})

    def messages(self) -> list[Message]:
        self._settle()
        return self._messages

    def _settle_answered(self) -> None:
        if self._answered:  # what comes is of the next turn
            self._settle()

    def _settle(self) -> None:
        self._messages += turn_messages("".join(self._text), self._calls, self._told)
        self._text, self._calls, self._told, self._answered = [], [], {}, False


def turn_messages(
    text: str, calls: Sequence[Element], told_by_id: dict[str, str]
) -> Iterable[Message]:
    """An answer with its calls, and their results in the order of the calls."""
    made = [{key: call[key] for key in CARRIED if key in call} for call in calls]
    if text or made:
        said: dict[str, Any] = {"role": "assistant", "content": text}
        yield {**said, "tool_calls": made} if made else said
    for call in made:
        result = {"role": "tool", "tool_call_id": call["id"], "name": call["name"]}
        yield {**result, "content": told_by_id.get(call["id"], _NO_RESULT)}


_NO_RESULT: Final = "error (unknown): it has no result"

"""One call of a tool that a model wanted: what exactly was wanted, where it stands, and that as plain data.

What is run is what was kept when the call was found, as canonical JSON; nobody who holds the element can
change it. Must not know how it is run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import orjson

from rxstream.engine.asking import Call, Question
from rxstream.models import Element
from rxstream.plugins.running import CancellationToken

if TYPE_CHECKING:
    from rxstream.agent.unit import AgentUnit

State = Literal["found", "started", "done"]


class AgentCall(Call):
    """One call of a turn, and what it asks a person."""

    __slots__ = (
        "asked",
        "ended",
        "given",
        "index",
        "piece",
        "placed",
        "shown",
        "state",
        "token",
        "told",
        "watch",
    )

    unit: AgentUnit

    def __init__(self, unit: AgentUnit, index: int, piece: Mapping[str, Any]) -> None:
        super().__init__()
        self.unit = unit
        self.index = index
        """Its place among the calls of its turn."""
        self.piece: Element = orjson.loads(orjson.dumps(dict(piece)))
        """The `tool_call` element."""
        arguments = self.piece["arguments"]
        self.given: str = (
            arguments
            if isinstance(arguments, str)
            else orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS).decode()
        )
        """The arguments, exactly."""
        self.state: State = "found"
        self.asked = 0
        """Questions before it was started."""
        self.shown: dict[str, int] = {}
        """Characters of live output that were shown, by channel."""
        self.told = ""
        """What the model is told of the result, once there is one."""
        self.placed = False
        """Whether it has one of the places of calls that run at once."""
        self.token = CancellationToken()
        self.watch: asyncio.Timeout | None = None
        """What it waits in before it is made."""
        self.ended = asyncio.Event()

    @property
    def id(self) -> str:
        """What its result is given to."""
        found: str = self.piece["id"]
        return found

    @property
    def name(self) -> str:
        """The tool."""
        found: str = self.piece["name"]
        return found

    def cancel(self, why: str) -> None:
        """Make it no more, or stop it."""
        self.token.cancel(why)
        if self.watch is not None and self.watch.when() is None:
            self.watch.reschedule(asyncio.get_running_loop().time())

    def end(self, told: str) -> None:
        """It has a result."""
        self.state, self.told = "done", told
        self.questions = None
        self.ended.set()

    def unseen(self, element: Element, before: dict[str, int]) -> Element | None:
        """What of a piece of output was not shown by an earlier attempt; counts it as shown."""
        channel, text = element["channel"], element["text"]
        if channel == "progress":
            return element
        skipped = min(before.get(channel, 0), len(text))
        if skipped:
            before[channel] -= skipped
            text = text[skipped:]
        self.shown[channel] = self.shown.get(channel, 0) + len(text)
        return {**element, "text": text} if text else None

    # -- as plain data -------------------------------------------------------------------------

    def store(self) -> tuple[Any, ...]:
        """What changes of it while it runs."""
        questions = tuple(map(self._stored, self.questions or ()))
        return (self.state, self.asked, dict(self.shown), self.told, questions)

    def _stored(self, question: Question) -> tuple[Any, ...]:
        """A question; of one that was answered before the call was made only the answer is needed."""
        if question.answered and self.state == "started":
            question = Question(question.request_id, "", {}, None, True, question.value)
        return question.store()

    def restore(self, state: tuple[Any, ...]) -> None:
        """What `store` gave."""
        self.state, self.asked, self.shown, self.told, questions = state
        self.questions = list(map(Question.stored, questions))
        self.at = self.asked  # what it asks again comes behind those
        if self.state == "done":
            self.ended.set()

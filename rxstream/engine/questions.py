"""The open questions of one execution: told when they are asked, answered once, gone when nobody waits.

An answer reaches whoever asked only when it is recorded. See `asking` for the side of the one who asks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from rxstream.codec import Encoder
from rxstream.engine.asking import Question
from rxstream.engine.recorder import Recorder
from rxstream.engine.unbroken import unbroken
from rxstream.errors import UnknownRequest
from rxstream.events import EventType


class Questions:
    """Whoever records questions (`asking.Asker`)."""

    def __init__(self, recorder: Recorder, on_change: Callable[[bool], None]) -> None:
        self._recorder = recorder
        self._on_change = on_change
        """Told whether any is open."""
        self._known: dict[str, tuple[str, Question]] = {}
        """By request: who asks, and what. One that is answered stays until it is withdrawn."""

    @property
    def open(self) -> list[Question]:
        """What can be answered, oldest first."""
        return [question for _, question in self._known.values() if not question.answered]

    def asked(self, node_id: str, question: Question, fresh: bool) -> None:
        """A question is open; one that is not fresh was recorded in an earlier life."""
        self._known[question.request_id] = (node_id, question)
        if fresh:
            self._recorder.add(EventType.INPUT_REQUESTED, node_id, question.describe())
        self._on_change(bool(self.open))

    def withdrawn(self, question: Question) -> None:
        """Nobody waits for the answer any more."""
        self._known.pop(question.request_id, None)
        self._on_change(bool(self.open))

    async def answer(self, request_id: str, value: Any, by: str | None) -> None:
        """See `Execution.answer`."""
        node_id, question = self._known.get(request_id, ("", None))
        if question is None or question.answered:
            raise UnknownRequest(
                f"no question {request_id[:80]!r} is open: it may have been answered, or its time is over"
            )
        plain = orjson.loads(Encoder().encode(value))
        if (
            question.check is not None
        ):  # else its function was not called again yet, and checks then
            question.check(plain)
        question.answered, question.value = True, plain
        question.changed()
        said = {"request_id": request_id, "value": plain, "by": by}
        self._recorder.add(EventType.INPUT_RECEIVED, node_id, said)
        self._on_change(bool(self.open))
        await unbroken(self._reach(question))

    async def _reach(self, question: Question) -> None:
        """Let an answer reach whoever asked, once it is recorded."""
        await self._recorder.flush()
        if question.waiting is None:  # the function finds the answer when it is called again
            self.withdrawn(question)
        elif not question.waiting.done():
            question.waiting.set_result(None)

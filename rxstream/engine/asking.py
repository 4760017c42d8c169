"""Questions to people: what a node's code asks, until somebody has answered or the time is over.

A question belongs to the call of the function that asks it: it is stored with the element the function was
called with, so after a restart the function is called again, and what it asks first is the question that was
open, or has its answer at once. The answer reaches the function only after it was recorded.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import orjson
from pydantic import TypeAdapter, ValidationError

from rxstream.errors import ExecutionTimeout, InvalidParameters

if TYPE_CHECKING:
    from rxstream.engine.unit import Unit


@dataclass(eq=False)
class Question:
    """One question; `answered` and `value` are plain data, as they are recorded."""

    request_id: str
    message: str
    schema: dict[str, Any]
    expires_at: datetime | None = None
    answered: bool = False
    value: Any = None
    check: Callable[[Any], Any] | None = None
    """Raises `InvalidParameters` for a value that is no answer; None until the function asks again."""
    waiting: asyncio.Future[None] | None = None
    """Put there by whoever waits."""
    changed: Callable[[], None] = lambda: None  # nobody stores it yet
    """Says that it has to be stored."""

    def describe(self) -> dict[str, Any]:
        """As an `input_requested` event tells it."""
        return {
            "request_id": self.request_id,
            "message": self.message,
            "schema": self.schema,
            "expires_at": self.expires_at,
        }

    def store(self) -> tuple[Any, ...]:
        """As plain data."""
        shape = orjson.dumps(self.schema).decode()
        value = orjson.dumps(self.value).decode()
        return (self.request_id, self.message, shape, self.expires_at, self.answered, value)

    @classmethod
    def stored(cls, state: tuple[Any, ...]) -> Question:
        """What `store` gave."""
        request_id, message, shape, expires_at, answered, value = state
        schema = orjson.loads(shape)
        return cls(request_id, message, schema, expires_at, answered, orjson.loads(value))


class Call:
    """One call of a function that may ask, and its questions in their order, an earlier life's first."""

    __slots__ = ("at", "questions", "unit")

    unit: Unit
    """Whose state the questions are part of; put there before the function is called."""

    def __init__(self) -> None:
        self.questions: list[Question] | None = None
        self.at = 0
        """Questions asked in this life."""


class Asker(Protocol):
    """Whoever records questions: the execution."""

    def asked(self, node_id: str, question: Question, fresh: bool) -> None:
        """A question is open; one that is not fresh was recorded in an earlier life."""

    def withdrawn(self, question: Question) -> None:
        """Nobody waits for the answer any more."""


CALL: ContextVar[Call | None] = ContextVar("rxstream_call", default=None)
"""The call under way in this task."""


async def put(
    asker: Asker, node_id: str, call: Call, kind: Any, message: str, expires_at: datetime | None
) -> Any:
    """Ask within a call and wait for the answer, as the type asked for. Raises `ExecutionTimeout`."""
    adapter = TypeAdapter(kind)
    question, fresh = _next(call, node_id, adapter, message, expires_at)
    question.check = partial(_checked, adapter)
    question.changed = call.unit.touch
    if question.answered and not _fits(question):
        question.answered = False  # it was given while nobody knew what it has to be
    if not question.answered:
        question.waiting = asyncio.get_running_loop().create_future()
        asker.asked(node_id, question, fresh)
        question.changed()
        try:
            await _until(question.waiting, question.expires_at)
        except TimeoutError:
            raise ExecutionTimeout(
                f"nobody answered {question.message!r} in time", code="unanswered"
            ) from None
        finally:
            question.waiting = None
            asker.withdrawn(question)
    return question.check(question.value)


def _fits(question: Question) -> bool:
    assert question.check is not None
    try:
        question.check(question.value)
    except InvalidParameters:
        return False
    return True


def _next(
    call: Call, node_id: str, adapter: TypeAdapter[Any], message: str, expires_at: datetime | None
) -> tuple[Question, bool]:
    at, call.at = call.at, call.at + 1
    if call.questions is None:
        call.questions = []
    if at < len(call.questions):
        return call.questions[at], False
    request_id = f"{node_id}-{secrets.token_hex(4)}"
    question = Question(request_id, message, adapter.json_schema(), expires_at)
    call.questions.append(question)
    return question, True


async def _until(answer: asyncio.Future[None], expires_at: datetime | None) -> None:
    left = None
    if expires_at is not None:
        left = max(0.0, (expires_at - datetime.now(UTC)).total_seconds())
    await asyncio.wait_for(answer, left)


def _checked(adapter: TypeAdapter[Any], value: Any) -> Any:
    try:
        # as JSON and strictly: what is recorded has to fit the schema that was told
        return adapter.validate_json(orjson.dumps(value), strict=True)
    except ValidationError as error:
        detail = [
            {
                "name": ".".join(map(str, ("value", *problem["loc"]))),
                "message": problem["msg"],
                "expected": problem["type"],
            }
            for problem in error.errors()
        ]
        said = "; ".join(f"{entry['name']}: {entry['message']}" for entry in detail)
        raise InvalidParameters(said, detail=detail) from None

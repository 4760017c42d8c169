"""`chat`: the answer of a model as a stream.

The answer is a cold stream of the elements of `rxstream.models`, ends with one `done`, and asks the model
again for each run. When it fails, its last element is an `error` that says what a reader needs to
know, and then the stream fails with the same error, so a cut answer cannot be taken for a whole
one. A run that is resumed goes on behind what was given, by the rules of `rxstream.models`. Must not know any
provider.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import astuple
from functools import partial
from typing import Any, ClassVar, Final, cast

from rxstream.engine.reporting import tally
from rxstream.engine.stored_error import restore_error, store_error
from rxstream.errors import AuthorError, classify
from rxstream.models import (
    Budget,
    BudgetSpent,
    Element,
    Ledger,
    Message,
    Model,
    Question,
    Recording,
    Spent,
    ToolSpec,
    open_model,
)
from rxstream.models.given import limits_given, messages_given
from rxstream.models.ledger import estimated_prompt
from rxstream.source import Changes, Source, SourcePort
from rxstream.stream import Stream, source

_MOST: Final = 64
"""Elements given on at once."""

_SPENT: Final = "spent"
_ERROR: Final = "error"
"""Names of rows; those of what was given are numbers."""


def chat(
    messages: str | Sequence[Message],
    *,
    model: str | Model = "local:smollm2",
    tools: Sequence[ToolSpec] = (),
    max_tokens: int | None = 512,
    temperature: float | None = None,
    base_url: str | None = None,
    api_key: str | None = None,
    budget: Budget | None = None,
    **options: Any,
) -> Stream[Element]:
    """Ask a model; a text is one message of the user.

    `model` is `provider:name`; `local` is fetched and started on first use. Without `api_key` the
    provider's environment variable is read when the stream runs. `options` are further fields of
    the request, as the provider names them. An answer that uses more than its `budget` fails with
    `BudgetSpent`. Raises `AuthorError` for an unknown provider, and for what is no message.

        token(text) token(text) … done(text, usage, timings, finish_reason, metadata)
    """
    given = {"base_url": base_url, "api_key": api_key}
    asked = open_model(model, **{name: value for name, value in given.items() if value is not None})
    told = messages_given(messages)
    if not told:
        raise AuthorError("there is nothing to answer: give a message")
    for tool in tools:
        if not isinstance(tool, ToolSpec):
            raise AuthorError(
                f"a {type(tool).__name__} is no rxstream.models.ToolSpec: rxs.agent makes calls of functions"
            )
    if not isinstance(budget, Budget | None):
        raise AuthorError(f"a budget is a rxstream.models.Budget, not a {type(budget).__name__}")
    limits_given(max_tokens, temperature)
    question = Question(told, tuple(tools), max_tokens, temperature, options)
    return source(ChatSource(asked, question, budget))


class ChatSource(Source[Element]):
    """One question to one model, asked anew in each run."""

    name: ClassVar[str] = "chat"
    endless = False
    seekable = True
    incremental = True

    def __init__(self, model: Model, question: Question, budget: Budget | None = None) -> None:
        self._model = model
        self._question = question
        self._budget = budget

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The model and the last message, shortened; never the key."""
        question = self._question
        last = question.messages[-1].get("content", "") if question.messages else ""
        shown = {
            "model": self._model.name,
            "prompt": last if len(str(last)) <= 80 else f"{str(last)[:79]}…",
            "tools": [tool.name for tool in question.tools] or None,
            "max_tokens": question.max_tokens,
            "temperature": question.temperature,
        }
        return {name: value for name, value in shown.items() if value is not None}

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[Element]]:
        """Ask, and give what comes as it comes."""
        so_far = _SoFar(port.start or {}, self._budget, partial(tally, port))
        port.seek_point(so_far)
        if so_far.error is not None:
            raise so_far.error
        if so_far.recording.done:
            return
        try:
            async with contextlib.aclosing(self._answer(so_far, port)) as answer:
                async for batch in answer:
                    # what is not given on yet waits here, where it costs no state
                    for start in range(0, len(batch), _MOST):
                        part = batch[start : start + _MOST]
                        so_far.recording.take(part)
                        yield part
        except Exception as error:
            told = classify(error)
            so_far.error = error
            yield [
                {
                    "type": "error",
                    "kind": told["kind"],
                    "message": told["message"],
                    "retryable": getattr(error, "retryable", False),
                }
            ]
            raise

    async def _answer(
        self, so_far: _SoFar, port: SourcePort
    ) -> AsyncGenerator[Sequence[Element], None]:
        """The answer within its budget."""
        ledger, before = so_far.ledger, so_far.recording.delivered
        entry = ledger.answer(estimated_prompt(self._question.messages))
        count = before.tokens
        # every model's answer is an async generator; the contract's type says less
        answer = cast(
            "AsyncGenerator[Sequence[Element], None]",
            self._model.answer(self._question, before, port.progress),
        )
        try:
            async with contextlib.aclosing(answer):
                while (batch := await self._next(answer, ledger)) is not None:
                    given = entry.fitting(batch)
                    try:
                        entry.take(given)
                    except BudgetSpent:
                        yield given  # it came, and was paid
                        raise
                    count += sum(element["type"] == "token" for element in batch)
                    yield batch
                    # behind the tokens: what is told first is stored first, and they would wait
                    port.progress(None, _tokens(count))
                    if batch and batch[-1]["type"] == "done":
                        seconds = batch[-1]["timings"].get("duration_ms", 0.0) / 1_000
                        port.progress(100.0, f"{_tokens(count)} in {seconds:.1f} s", "done")
        finally:
            entry.end()

    async def _next(
        self, answer: AsyncGenerator[Sequence[Element], None], ledger: Ledger
    ) -> Sequence[Element] | None:
        if self._budget is None or self._budget.seconds is None:
            return await anext(answer, None)
        async with ledger.limit():
            return await anext(answer, None)


class _SoFar:
    """From where a run would go on: what was given, what was used of the budget, and how it failed."""

    def __init__(
        self, rows: Mapping[str, Any], budget: Budget | None, tell: Callable[[str, float], None]
    ) -> None:
        given = {name: row for name, row in rows.items() if name not in (_SPENT, _ERROR)}
        self.recording = Recording(given)
        spent = Spent(*rows[_SPENT]) if _SPENT in rows else None
        self.ledger = Ledger(budget, spent=spent, tell=tell)
        self.error: Exception | None = restore_error(rows.get(_ERROR))
        self._budget = budget

    def changes(self) -> Changes | None:
        """`rxstream.source.Growing`."""
        wiped, rows, gone = self.recording.changes() or (False, {}, [])
        if self.error is not None:
            rows[_ERROR] = store_error(self.error)
        if rows and self._budget is not None:
            rows[_SPENT] = astuple(self.ledger.spent)
        return (wiped, rows, gone) if rows or wiped else None


def _tokens(count: int) -> str:
    return f"{count} token" if count == 1 else f"{count} tokens"

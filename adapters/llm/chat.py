"""`chat`: the answer of a model as a stream.

The answer is a cold stream of the elements of `rxstream.models`, ends with one `done`, and asks the model
again for each run. When it fails, its last element is an `error` that says what a reader needs to
know, and then the stream fails with the same error, so a cut answer cannot be taken for a whole
one. Must not know any provider.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar, cast

from rxstream.errors import classify
from rxstream.models import Element, Message, Model, Question, ToolSpec, open_model
from rxstream.source import Source, SourcePort
from rxstream.stream import Stream, source


def chat(
    messages: str | Sequence[Message],
    *,
    model: str | Model = "local:smollm2",
    tools: Sequence[ToolSpec] = (),
    max_tokens: int | None = 512,
    temperature: float | None = None,
    base_url: str | None = None,
    api_key: str | None = None,
    **options: Any,
) -> Stream[Element]:
    """Ask a model; a text is one message of the user.

    `model` is `provider:name`; `local` is fetched and started on first use. Without `api_key` the
    provider's environment variable is read when the stream runs. `options` are further fields of
    the request, as the provider names them. Raises `AuthorError` for an unknown provider.

        token(text) token(text) … done(text, usage, timings, finish_reason, metadata)
    """
    given = {"base_url": base_url, "api_key": api_key}
    asked = open_model(model, **{name: value for name, value in given.items() if value is not None})
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    question = Question(tuple(messages), tuple(tools), max_tokens, temperature, options)
    return source(ChatSource(asked, question))


class ChatSource(Source[Element]):
    """One question to one model, asked anew in each run."""

    name: ClassVar[str] = "chat"
    endless = False

    def __init__(self, model: Model, question: Question) -> None:
        self._model = model
        self._question = question

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
        count = 0
        # every model's answer is an async generator; the contract's type says less
        answer = cast(
            "AsyncGenerator[Sequence[Element], None]",
            self._model.answer(self._question, None, port.progress),
        )
        try:
            async with contextlib.aclosing(answer):
                async for batch in answer:
                    count += sum(element["type"] == "token" for element in batch)
                    port.progress(None, _tokens(count))
                    yield batch
                    if batch and batch[-1]["type"] == "done":
                        seconds = batch[-1]["timings"].get("duration_ms", 0.0) / 1_000
                        port.progress(100.0, f"{_tokens(count)} in {seconds:.1f} s", "done")
        except Exception as error:
            told = classify(error)
            yield [
                {
                    "type": "error",
                    "kind": told["kind"],
                    "message": told["message"],
                    "retryable": getattr(error, "retryable", False),
                }
            ]
            raise


def _tokens(count: int) -> str:
    return f"{count} token" if count == 1 else f"{count} tokens"

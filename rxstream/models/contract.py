"""What a language model is asked and what it says: one vocabulary, whoever the provider is.

An answer is made of elements, plain dicts with a `type`:

    token {text} · reasoning {text} · tool_call {id, name, arguments} · restarted {message}
    error {kind, message, retryable} · done {text, usage, timings, finish_reason, metadata}

`arguments` is the object the model gave, or the text itself where it is not a JSON object. A `tool_call` may
have a `carry`, which is opaque: give it back with the call in the next question, some providers refuse it
without. `usage` counts `prompt_tokens` (with those from a cache, `cached_tokens`) and `completion_tokens`
(with `reasoning_tokens`), as far as they are known. `finish_reason` is `stop`, `length`, `tool_calls`,
`content_filter` or the provider's own word. `timings` are `first_token_ms`, `duration_ms` and
`tokens_per_second`.

`done` is the last element of every whole answer and holds its whole text; an answer without it failed. After
`restarted` the answer begins anew and what came of it before does not count. Must not know any provider.

A message is a plain dict: `role` is `system`, `user`, `assistant` or `tool`, `content` its text or a list of
parts (`{"type": "text", "text": …}`, `{"type": "image", "data": Binary}`). One of the assistant may have
`tool_calls`, a list of `{id, name, arguments, carry?}`; one of a tool has the `tool_call_id` it answers
and the tool's `name`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

Element: TypeAlias = dict[str, Any]
"""A plain dict with a `type`."""

Message: TypeAlias = Mapping[str, Any]
"""`{"role": …, "content": …}`."""

Tell: TypeAlias = Callable[[float | None, str], None]
"""Told how far something is: a percentage or None, and what is being done. On the event loop."""


@dataclass(frozen=True)
class ToolSpec:
    """What a model is told of a tool; `parameters` is a JSON Schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Question:
    """What a model is asked. `options` are further fields of the request, as the provider names them."""

    messages: Sequence[Message]
    tools: Sequence[ToolSpec] = ()
    max_tokens: int | None = None
    temperature: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Delivered:
    """What of an answer was given on before it broke off; plain data can be made of it with `astuple`."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[Element, ...] = ()
    tokens: int = 0
    """In how many elements the text came: about as many tokens."""

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.text or self.reasoning or self.calls)


class Model(Protocol):
    """One model of one provider, ready to be asked any number of times, also at once."""

    @property
    def name(self) -> str:
        """`provider:name`, as it is asked for."""
        ...

    def answer(
        self, question: Question, delivered: Delivered | None = None, tell: Tell | None = None
    ) -> AsyncIterator[Sequence[Element]]:
        """Ask, and give what comes as it comes, in batches; an async generator.

        What was `delivered` of an earlier attempt is not given again: the answer goes on behind it where
        the provider can, else it is asked anew and the same beginning is dropped, else `restarted` comes
        first. Network errors are retried inside by the same rules.

        Behind a tool call that was given nothing is asked again, because the tool may run already: what came
        is the answer, its `done` says `tool_calls`, with the reason in `metadata["cut"]`, and the
        conversation goes on with the results. So no call is ever given twice, and none is taken back.

        `done` has the whole text, the usage of all attempts (with `metadata["estimated"]` where one broke off
        before it told), `metadata["attempts"]`, and in `metadata["replayed"]` how many characters came again
        and were dropped. Raises `ModelError`-like errors of `rxstream.errors`; closing it ends the request.
        """
        ...

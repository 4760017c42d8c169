"""How a provider of models is spoken to: the seam where the next one is added.

A `Dialect` turns a `Question` into a request and the bytes of the answer into elements of one
vocabulary, which is the same for all providers:

    token {text} · reasoning {text} · tool_call {id, name, arguments} · error {kind, message, retryable}
    done {text, usage, timings, finish_reason, metadata}

Sans-I/O. Must not know how bytes travel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Element = dict[str, Any]
"""A plain dict with a `type`."""

Message = Mapping[str, Any]
"""`{"role": …, "content": …}`."""


@dataclass(frozen=True)
class Question:
    """What a model is asked. `options` are further fields of the request, as the provider names them."""

    model: str
    messages: Sequence[Message]
    max_tokens: int | None = None
    temperature: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


class AnswerDecoder(Protocol):
    """Decodes one answer, whatever its chunks."""

    @property
    def ended(self) -> bool:
        """Whether the provider has said all it will say."""
        ...

    def feed(self, chunk: bytes) -> list[Element]:
        """The elements this chunk completes. Raises `ModelError`."""
        ...

    def finish(self) -> list[Element]:
        """What is left when the bytes end: `done` last. Raises `ModelError` if the answer is cut."""
        ...


class Dialect(Protocol):
    """One wire format."""

    @property
    def path(self) -> str:
        """Appended to the base URL."""
        ...

    def headers(self, api_key: str | None) -> dict[str, str]:
        """Who asks."""
        ...

    def body(self, question: Question) -> Mapping[str, Any]:
        """The JSON of the request."""
        ...

    def decoder(self) -> AnswerDecoder:
        """A decoder for one answer."""
        ...

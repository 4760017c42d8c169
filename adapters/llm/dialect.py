"""How a provider of models is spoken to: the seam where the next wire format is added.

A `Dialect` turns a `Question` into a request and the bytes of the answer into the elements of
`rxstream.models`, which are the same for all providers. Sans-I/O. Must not know how bytes travel.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from rxstream.models import Element, Question


class AnswerDecoder(Protocol):
    """Decodes one answer, whatever its chunks."""

    @property
    def ended(self) -> bool:
        """Whether the provider has said all it will say."""
        ...

    @property
    def begun(self) -> bool:
        """Whether the model has said anything, be it the beginning of a call."""
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
    def address(self) -> str:
        """Where the provider itself answers; what `base_url` replaces."""
        ...

    @property
    def media_type(self) -> str:
        """What the answer is, as HTTP names it."""
        ...

    def path(self, model: str) -> str:
        """Appended to the base URL."""
        ...

    def headers(self, api_key: str | None) -> dict[str, str]:
        """Who asks."""
        ...

    def body(self, model: str, question: Question) -> Mapping[str, Any]:
        """The JSON of the request. Raises `AuthorError` for what the provider does not take."""
        ...

    def decoder(self, question: Question | None = None) -> AnswerDecoder:
        """A decoder for one answer, to that question where it matters."""
        ...

"""What one step of a drawn pipeline is to do, all checked: what its unit reads. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rxstream.errors import AuthorError
from rxstream.pipeline.letters import DeadLetters
from rxstream.pipeline.member import Family
from rxstream.pipeline.policy import Retry, Streaming

When = Callable[[dict[str, Any]], Any] | str
"""A predicate of a step's data, or the key of a value that has to be true."""


@dataclass(frozen=True)
class StepSettings:
    """One step as it was added, and what it must know of its pipeline."""

    name: str
    step: Any
    when: When | None
    each: str | None
    concurrency: int
    retry: Retry
    timeout: float | None
    has_fallback: bool
    fallback: Any
    """A step, or a dict."""
    falls_back_to_step: bool
    dead_letters: DeadLetters | None
    sends_letters: bool
    """Whether they go to a sink as well."""
    checkpoint: bool
    """Whether its end is a checkpoint."""
    streaming: Streaming
    order: Sequence[str]
    """All steps of the pipeline, each behind those it comes after."""
    undoing: bool
    """Whether a step of the pipeline can be undone."""
    family: Family

    @property
    def undoes(self) -> bool:
        """Whether it or its fallback can be undone."""
        return any(callable(getattr(s, "compensate", None)) for s in (self.step, self.fallback))

    def wanted(self, data: dict[str, Any]) -> bool:
        """Whether its condition holds."""
        if self.when is None:
            return True
        if isinstance(self.when, str):
            return bool(data.get(self.when))
        return bool(self.when(data))

    def parts(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        """The data of each of its calls. Raises `AuthorError` where there is no list to go through."""
        if self.each is None:
            return [data]
        items = data.get(self.each)
        if not isinstance(items, list | tuple):
            found = f"a {type(items).__name__}" if self.each in data else "missing"
            raise AuthorError(
                f"step {self.name!r} runs for each of {self.each!r}, which is {found}: it has to be a list"
            )
        return [{**data, "item": item, "index": index} for index, item in enumerate(items)]

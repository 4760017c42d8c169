"""What may be asked of a step beside its work, and of a pipeline's streaming: frozen settings, checked."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from random import Random
from typing import Final

from rxstream.errors import GraphError
from rxstream.failures import Budget, Failure, checked
from rxstream.operators._backoff import JITTERS, Backoff, Jitter

_RANDOM: Final = Random()


@dataclass(frozen=True)
class Retry:
    """How often a step is tried, `attempts` in all, with pauses in seconds that grow.

    The same words and rules as `operators.retry_with_backoff`; by default every failure is tried again.
    Raises `GraphError` for what is none.
    """

    attempts: int = 3
    first: float = 0.1
    factor: float = 2.0
    maximum: float = 30.0
    jitter: Jitter = "full"
    budget: Budget | None = None
    only: Failure | Collection[Failure] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.attempts, int) or self.attempts < 1:
            raise GraphError(f"retry needs at least one attempt, not {self.attempts!r}")
        for name, value, least in (
            ("first", self.first, 0),
            ("factor", self.factor, 1),
            ("maximum", self.maximum, 0),
        ):
            if not least <= value < math.inf:
                raise GraphError(f"{name} of a retry is at least {least}, not {value}")
        if self.jitter not in JITTERS:
            raise GraphError(f"jitter is 'full' or 'none', not {self.jitter!r}")
        self.failures()

    def failures(self) -> frozenset[Failure] | None:
        """What is tried again; None is all."""
        return checked("retry", "only", self.only)

    def backoff(self) -> Backoff:
        """The pauses of one call."""
        return Backoff(
            self.attempts,
            self.first,
            self.factor,
            self.maximum,
            self.jitter,
            self.budget,
            None,
            _RANDOM.random,
        )


ONCE: Final = Retry(attempts=1)


@dataclass(frozen=True)
class Streaming:
    """What a pipeline's steps show while they work.

    Items wait until `buffer_size` of them are there or `flush_interval_ms` have passed since the first.
    Switched off, only the lifecycle is recorded and the result is the same.
    """

    enabled: bool = False
    emit_progress: bool = True
    buffer_size: int = 1_000
    flush_interval_ms: float = 100.0

    def __post_init__(self) -> None:
        if self.buffer_size < 1 or not 0 <= self.flush_interval_ms < math.inf:
            raise GraphError(
                "streaming needs a buffer_size of at least 1 and a flush_interval_ms of at least 0, not "
                f"{self.buffer_size} and {self.flush_interval_ms}"
            )

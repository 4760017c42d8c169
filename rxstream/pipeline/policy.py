"""What may be asked of a step beside its work, and of a pipeline's streaming: frozen settings, checked."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from random import Random
from typing import Any, Final

from rxstream.errors import GraphError
from rxstream.failures import Budget, Failure, checked
from rxstream.numbers import is_count, is_number
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
        if not is_count(self.attempts):
            raise GraphError(f"retry needs at least one attempt, not {self.attempts!r}")
        for name, value, least in (
            ("first", self.first, 0),
            ("factor", self.factor, 1),
            ("maximum", self.maximum, 0),
        ):
            if not is_number(value) or not least <= value < math.inf:
                raise GraphError(
                    f"{name} of a retry is a number of at least {least}, not {value!r}"
                )
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
        for name in ("enabled", "emit_progress"):
            if not isinstance(getattr(self, name), bool):
                raise GraphError(
                    f"{name} of streaming is true or false, not {getattr(self, name)!r}"
                )
        if not is_count(self.buffer_size):
            raise GraphError(
                f"streaming needs a buffer_size of at least 1, not {self.buffer_size!r}"
            )
        interval = self.flush_interval_ms
        if not is_number(interval) or not 0 <= interval < math.inf:
            raise GraphError(f"streaming needs a flush_interval_ms of at least 0, not {interval!r}")

    @classmethod
    def of(cls, given: Streaming | Mapping[str, Any] | bool) -> Streaming:
        """What somebody said: on or off, or settings by name. Raises `GraphError`."""
        if isinstance(given, cls):
            return given
        if isinstance(given, bool):
            return cls(given)
        names = [field.name for field in fields(cls)]
        if not isinstance(given, Mapping) or not given.keys() <= set(names):
            raise GraphError(
                f"streaming is true, false or a Streaming, not {given!r}; or a dict of {', '.join(names)}"
            )
        return cls(**given)

"""Dead letters of a step with `each`: items it failed for, which are put aside so that the others go on.

A letter is `{item, index, error, attempts}`. Those of a step are in its result under `NAME_dead_letters`, in
the order of the items, and go to a sink as they come, where one is given. Must not know how calls are made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeAlias

from typing_extensions import TypedDict

from rxstream.errors import ErrorData, GraphError, RxStreamError, classify
from rxstream.failures import Failure, checked, classify_failure
from rxstream.numbers import is_count, is_number
from rxstream.operator import Operator
from rxstream.operators._refusing import no_twin
from rxstream.operators._selecting import Half
from rxstream.operators._spec import native
from rxstream.sink import Sink
from rxstream.stream import Stream

To: TypeAlias = Sink[Any] | Callable[[dict[str, Any]], Sink[Any]]
"""A sink, or what gives one for the pipeline's input."""


class DeadLetter(TypedDict):
    """An item a step failed for, where it was in the list, why, and how often it was tried."""

    item: Any
    index: int
    error: ErrorData
    attempts: int


@dataclass(frozen=True)
class DeadLetters:
    """Which failures become letters, how many, and where they go.

    At most `most` items, and at most a `share` of them (0 to 1), may fail; one more and the step fails.
    `only` names the failures that become letters, None is any; another error fails the step. `to` is a
    sink, or a function from the pipeline's input to one. Raises `GraphError` for what is none.
    """

    most: int | None = None
    share: float | None = None
    only: Failure | Collection[Failure] | None = None
    to: To | None = None

    def __post_init__(self) -> None:
        if self.most is not None and not is_count(self.most):
            raise GraphError(f"most of dead letters is at least 1, not {self.most!r}")
        if self.share is not None and not (is_number(self.share) and 0 < self.share <= 1):
            raise GraphError(f"share of dead letters is above 0 and at most 1, not {self.share!r}")
        if self.to is not None and not isinstance(self.to, Sink) and not callable(self.to):
            raise GraphError(f"dead letters go to a sink, not to a {type(self.to).__name__}")
        checked("dead_letters", "only", self.only)

    def takes(self, error: Exception) -> bool:
        """Whether an error makes a letter."""
        only = checked("dead_letters", "only", self.only)
        return only is None or classify_failure(error) in only

    def limit(self, items: int) -> float:
        """How many of so many items may fail."""
        # a share such as 0.29 of 100 is 28.999999999999996
        share = math.inf if self.share is None else math.floor(self.share * items + 1e-9)
        return min(math.inf if self.most is None else self.most, share)

    def sink(self, data: dict[str, Any]) -> Sink[Any] | None:
        """Where they go, for this input. Raises `GraphError`."""
        if self.to is None or isinstance(self.to, Sink):
            return self.to
        try:
            found = self.to(data)
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            raise GraphError(f"the sink of dead letters cannot be made: {said}") from error
        if not isinstance(found, Sink):
            raise GraphError(f"dead letters go to a sink, not to a {type(found).__name__}")
        return found


class TooManyDeadLetters(RxStreamError):
    """More items of a step failed than may; the cause is the error of the last."""

    kind = "user"
    code = "too_many_dead_letters"
    failure = "fatal"

    def __init__(self, step: str, limit: float, items: int, index: int, error: Exception) -> None:
        super().__init__(
            f"more than {limit:g} of {items} items of step {step!r} failed, the last with index {index}: "
            f"{classify(error)['code']}: {classify(error)['message']}"
        )
        self.__cause__ = error


def letters_key(step: str) -> str:
    """The key of a step's letters in its result, and the node that writes them."""
    return f"{step}_dead_letters"


def as_dead_letters(step: str, given: bool | int | DeadLetters | None) -> DeadLetters | None:
    """What was said of a step: `True` is any number, a number that many. Raises `GraphError`."""
    if given is None or given is False:
        return None
    if isinstance(given, DeadLetters):
        return given
    try:
        return DeadLetters() if given is True else DeadLetters(most=given)
    except GraphError as error:
        raise GraphError(f"step {step!r}: {error.message}") from None


def with_letters(
    pairs: Stream[Any], letters: DeadLetters, step: str, data: dict[str, Any]
) -> Stream[Any]:
    """Draw where the letters of a step go, for this input; the rest goes on."""
    sink = letters.sink(data)
    assert sink is not None
    _half("dead_letters", False)(pairs).to(sink, name=letters_key(step))
    return _half("ended", True)(pairs)


def _half(name: str, wanted: bool) -> Operator:
    return native(name, lambda: Half(wanted), rx=no_twin(name))

"""Units that apply a function and go on where it fails: the element is skipped, or a dead letter."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from typing_extensions import TypedDict

from rxstream.engine.island import CURRENT
from rxstream.engine.unit import Unit
from rxstream.errors import ErrorData, classify
from rxstream.failures import Failure, classify_failure
from rxstream.operators._draining import Draining
from rxstream.operators._workers import MapAsync


class DeadLetter(TypedDict):
    """An element a node failed for: what went in, the node's id, the error, what it is classified as."""

    input: Any
    node: str
    error: ErrorData
    failure: Failure


def letter(unit: Unit, item: Any, error: Exception, failure: Failure) -> DeadLetter:
    """The dead letter of an element, which the node counts as an error."""
    unit.out.counters.errors += 1
    return {"input": item, "node": unit.node.id, "error": classify(error), "failure": failure}


class MapOrSkip(Draining):
    """`function(element)`; elements it fails for in certain ways are left out, any other error ends it."""

    def __init__(self, function: Callable[[Any], Any], only: frozenset[Failure] | None) -> None:
        super().__init__()
        self.function = function
        self.only = only

    def went_well(self, result: Any) -> None:
        """Append to `pending` what goes on."""
        self.pending.append(result)

    def went_wrong(self, item: Any, error: Exception, failure: Failure) -> None:
        """Append to `pending` what goes on all the same."""
        self.out.counters.errors += 1

    def take(self, items: Sequence[Any]) -> None:
        begun = perf_counter()
        # the function may ask which node it runs in
        token = CURRENT.set(self.runtime.port(self.node))
        try:
            for item in items:
                try:
                    result = self.function(item)
                except Exception as error:
                    failure = classify_failure(error)
                    if self.only is not None and failure not in self.only:
                        self.break_off(error, own=True)
                        return
                    self.went_wrong(item, error, failure)
                else:
                    self.went_well(result)
        finally:
            CURRENT.reset(token)
            self.out.counters.busy_s += perf_counter() - begun


class Lettered(MapOrSkip):
    """Pairs: True with a result, False with a dead letter."""

    def went_well(self, result: Any) -> None:
        self.pending.append((True, result))

    def went_wrong(self, item: Any, error: Exception, failure: Failure) -> None:
        self.pending.append((False, letter(self, item, error, failure)))


class LetteredAsync(MapAsync):
    """As `Lettered`, the function asynchronous."""

    def __init__(
        self,
        function: Callable[[Any], Any],
        concurrency: int,
        ordered: bool,
        only: frozenset[Failure] | None,
    ) -> None:
        async def tried(item: Any) -> tuple[bool, Any]:
            try:
                result = function(item)
                return True, await result if inspect.isawaitable(result) else result
            except Exception as error:
                failure = classify_failure(error)
                if only is not None and failure not in only:
                    raise
                return False, letter(self, item, error, failure)

        super().__init__(tried, concurrency, ordered)

"""Units that start what is before them anew: each attempt is a fresh copy of that part of the graph.

Batches of an attempt go straight on; its end or error decides here whether another begins. State of the
nodes inside is lost between attempts, as a second subscription loses it in reactivex.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rxstream.engine.op import ALL
from rxstream.engine.region import Inlet
from rxstream.engine.unit import Unit


class Attempts(Unit):
    """Runs the wrapped part while `again` says so."""

    def __init__(self) -> None:
        self.attempt = 0
        self.region: Any = None
        self.ended = True
        """No attempt is under way."""
        self.error: BaseException | None = None

    # -- what a subclass says ------------------------------------------------------------------

    def again(self) -> bool:
        """Whether to begin another attempt; `error` says how the one before ended."""
        raise NotImplementedError

    def may_follow(self) -> bool:
        """Whether an error of the attempt that begins may be followed by another attempt."""
        return False

    # -- the machinery -------------------------------------------------------------------------

    def step(self) -> bool:
        if not self.ended:
            return False
        region, self.region = self.region, None
        if region is not None:
            region.dispose()
        if not self.again():
            if self.error is None:
                self.finish()
            else:
                self.pass_on(self.error)
            return False
        self.attempt += 1
        self.ended = False
        self.error = None
        self.region = self.runtime.region(self, Inlet(self), self.attempt, self.may_follow())
        return False

    def inlet_push(self, items: Sequence[Any]) -> None:
        """A batch of the attempt, within credit."""
        self.out.counters.elements_in += len(items)
        self.emit(items)

    def inlet_finish(self) -> None:
        """The attempt ended well."""
        self.ended = True
        self.ready()

    def inlet_fail(self, error: BaseException) -> None:
        """The attempt failed."""
        self.error = error
        self.inlet_finish()

    def inlet_demand(self) -> int:
        """What is wanted behind."""
        return self.out.demand() if self.limited else ALL

    def dispose(self) -> None:
        region, self.region = self.region, None
        if region is not None:
            region.dispose()


class Retry(Attempts):
    """Another attempt after an error, `count` attempts in all."""

    def __init__(self, count: int | None) -> None:
        super().__init__()
        self.count = count

    def again(self) -> bool:
        if self.attempt and self.error is None:
            return False
        return self.count is None or self.attempt < self.count

    def may_follow(self) -> bool:
        return self.count is None or self.attempt < self.count


class Repeat(Attempts):
    """Another round after a good end, while `more(rounds so far)` says so."""

    def __init__(self, more: Callable[[int], object]) -> None:
        super().__init__()
        self.more = more

    def again(self) -> bool:
        return self.error is None and bool(self.more(self.attempt))

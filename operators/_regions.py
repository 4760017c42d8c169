"""Units that start what is before them anew: each attempt is a fresh copy of that part of the graph.

Batches of an attempt go straight on; its end or error decides here whether another begins, and when. State
of the nodes inside is lost between attempts, as a second subscription loses it in reactivex.

A snapshot says which attempt it is, whether that is under way, and what is left of the pause before the next.
After `restore` an attempt that was under way is begun under its own number by the first step, as any is, by
`runtime.region`: who wires it gives the nodes inside what was stored of them, by their ids.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from rxstream.engine.op import ALL
from rxstream.engine.region import Inlet
from rxstream.engine.stored_error import restore_error, store_error
from rxstream.engine.unit import Unit


class Attempts(Unit):
    """Runs the wrapped part while `pause` gives a time until the next attempt."""

    def __init__(self) -> None:
        self.attempt = 0
        """Attempts begun, the one under way included."""
        self.region: Any = None
        self.ended = True
        """No attempt is under way."""
        self.error: BaseException | None = None
        self.begun_at = 0.0
        """When the attempt began, on the loop's clock."""
        self._left: float | None = None
        """Restored: seconds until the next attempt; it begins without being asked for."""
        self._goes_on = False
        """Restored: the attempt to begin is one that was under way."""
        self._due_at = 0.0
        self._handle: asyncio.TimerHandle | None = None

    # -- what a subclass says ------------------------------------------------------------------

    @abstractmethod
    def pause(self) -> float | None:
        """Seconds until another attempt, or None for no other; `error` says how the one before ended."""

    def follows(self, error: BaseException) -> bool:
        """Whether another attempt will follow, should the one under way fail now with this error."""
        return False

    def give_up(self, error: BaseException) -> None:
        """No other attempt follows the one that failed."""
        self.pass_on(error)

    # -- the machinery -------------------------------------------------------------------------

    def step(self) -> bool:
        if not self.ended or self._handle is not None:
            return False
        region, self.region = self.region, None
        if region is not None:
            region.dispose()
        left, self._left = self._left, None
        pause = self.pause() if left is None else left
        if pause is None:
            if self.error is None:
                self.finish()
            else:
                self.give_up(self.error)
        elif pause > 0:
            self._due_at = self.runtime.now() + pause
            self._handle = self.runtime.call_later(self, pause, self._ring)
            # a unit that awaits is ended by `stop`, as one is that waits for the last attempt to close
            self.runtime.tasks.awaiting.add(self)
        else:
            self._begin()
        return False

    def _ring(self) -> None:
        self._handle = None
        self.runtime.tasks.awaiting.discard(self)
        self._left = 0.0
        self.ready()

    def _begin(self) -> None:
        self.attempt += 1
        self.ended = False
        self.error = None
        if not self._goes_on:
            self.begun_at = self.runtime.now()
        self._goes_on = False
        self.region = self.runtime.region(self, Inlet(self), self.attempt, self.follows)

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

    def forget_attempt(self) -> None:
        if self.ended and self.region is not None:
            self.region.forget()

    def external(self) -> bool:
        return self._handle is not None

    def dispose(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        region, self.region = self.region, None
        if region is not None:
            region.dispose()

    # -- its state as plain data ---------------------------------------------------------------

    def state(self) -> Any:
        """What the subclass holds."""
        return None

    def go_on(self, state: Any) -> None:
        """Take back what `state` gave."""

    def snapshot(self) -> tuple[Any, ...]:
        """The last attempt, whether it is under way, the pause that is left, its error, what else is held."""
        left = self._left
        if self._handle is not None:
            left = max(0.0, self._due_at - self.runtime.now())
        # what was restored and has had no step yet is stored as it was
        attempt = self.attempt + 1 if self._goes_on else self.attempt
        under_way = self._goes_on or not self.ended
        return (attempt, under_way, left, store_error(self.error), self.state())

    def restore(self, state: tuple[Any, ...]) -> None:
        self.attempt, self._goes_on, self._left, error, held = state
        if self._goes_on:
            self.attempt, self._left = self.attempt - 1, 0.0
        self.error = restore_error(error)
        self.go_on(held)


class Retry(Attempts):
    """Another attempt after an error, at once, `count` attempts in all."""

    def __init__(self, count: int | None) -> None:
        super().__init__()
        self.count = count

    def pause(self) -> float | None:
        over = self.attempt and self.error is None
        return 0.0 if not over and self._left_over() else None

    def follows(self, error: BaseException) -> bool:
        return self._left_over()

    def _left_over(self) -> bool:
        return self.count is None or self.attempt < self.count


class Repeat(Attempts):
    """Another round after a good end, while `more(rounds so far)` says so."""

    def __init__(self, more: Callable[[int], object]) -> None:
        super().__init__()
        self.more = more

    def pause(self) -> float | None:
        return 0.0 if self.error is None and self.more(self.attempt) else None

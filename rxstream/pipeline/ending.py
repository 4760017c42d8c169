"""Where a pipeline ends: gathers the last steps, and gives the result, or undoes what was done.

When a step failed for good and something can be undone, every step that had ended well is compensated, last
first, and then the pipeline fails with that step's error. A compensation that fails is said and does not keep
the others from being made. Which were made is stored; one under way at a crash is made again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from rxstream.engine.island import CURRENT
from rxstream.engine.stored_error import restore_error
from rxstream.errors import classify
from rxstream.pipeline.data import failed, folded
from rxstream.pipeline.member import Family, Member
from rxstream.pipeline.port import StepPort
from rxstream.pipeline.settings import StepSettings


class Ending(Member):
    """The last node of a pipeline."""

    def __init__(
        self,
        steps: Mapping[str, StepSettings],
        before: Mapping[str, frozenset[str]],
        order: Sequence[str],
        family: Family,
        result: str | None = None,
    ) -> None:
        super().__init__(family)
        self.steps = steps
        self.before = before
        """For each step all it comes after, directly or not."""
        self.order = order
        self.result = result
        """The step whose result is all that is given."""
        self.undone: list[str] = []
        self.errors: dict[str, Exception] = {}
        """Errors of this life as they were raised."""
        self.under_way = False
        self.done = False

    def halt(self, name: str, error: Exception) -> None:
        """A step failed for good."""
        self.errors[name] = error

    def step(self) -> bool:
        if self.entries is None and not self.gather():
            return False
        assert self.entries is not None
        name = failed(self.entries, self.order)
        if name is None:
            if self.credit() > 0:
                self.emit([self._whole()])
                self.finish()
        elif self.done:
            error = self.errors.get(name) or restore_error(self.entries[name][1])
            assert error is not None
            self.pass_on(error)
        elif not self.under_way:
            self.under_way = True
            self.runtime.spawn(self, self._undo())
        return False

    def _whole(self) -> dict[str, Any]:
        """The result of the pipeline."""
        assert self.entries is not None
        if self.result is None:
            return folded(self.entries, self.order)
        return dict(self.entries.get(self.result, ("skipped", {}))[1])

    async def _undo(self) -> None:
        assert self.entries is not None
        for name in reversed(self.order):
            how, result = self.entries.get(name, ("skipped", None))
            settings = self.steps[name]
            step = settings.fallback if how == "fallback" else settings.step
            compensate = getattr(step, "compensate", None)
            if how not in ("done", "fallback") or compensate is None or name in self.undone:
                continue
            self.say(name, "compensating", None)
            CURRENT.set(StepPort(self.runtime.port(self.node_of(name)), settings.streaming))
            data = folded(
                {key: entry for key, entry in self.entries.items() if key in self.before[name]},
                self.order,
            )
            try:
                async with asyncio.timeout(settings.timeout):
                    await compensate(data, result)
            except Exception as error:
                self.say(name, "compensation_failed", classify(error)["message"])
            else:
                self.say(name, "compensated", None)
            self.undone.append(name)
            self.touch()
        self.done = True
        self.ready()

    def external(self) -> bool:
        return self.under_way and not self.done

    # -- its state as plain data ---------------------------------------------------------------

    def snapshot(self) -> Any:
        """What came in, and what is undone."""
        return None if self.entries is None else (self.entries, tuple(self.undone))

    def restore(self, state: Any) -> None:
        """Go on from a snapshot; called before `start`."""
        self.entries, undone = state
        self.undone = list(undone)

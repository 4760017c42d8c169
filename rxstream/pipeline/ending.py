"""Where a pipeline ends: gathers the last steps, and gives the result, or undoes what was done.

When a step failed for good and something can be undone, every step that had ended well is compensated, last
first, and then the pipeline fails with that step's error. Of a step with `each` that is every item that ended
well, also where the step itself failed, at most `concurrency` at once. A compensation that fails is said and
does not keep the others from being made. Which were made is stored; one under way at a crash is made again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from inspect import isawaitable
from typing import Any, ClassVar, NamedTuple

from rxstream.engine.island import CURRENT
from rxstream.engine.op import Changes
from rxstream.engine.stored_error import restore_error
from rxstream.errors import classify
from rxstream.pipeline.attempts import in_time
from rxstream.pipeline.data import INPUT, NEVER, ended_well, failed, folded
from rxstream.pipeline.member import Family, Member
from rxstream.pipeline.port import StepPort
from rxstream.pipeline.settings import StepSettings


class Undo(NamedTuple):
    """One call of a step that is to be undone: its step or fallback, what it was given and gave."""

    key: str
    compensate: Any
    data: dict[str, Any]
    result: Any


class Ending(Member):
    """The last node of a pipeline."""

    incremental: ClassVar[bool] = True

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
        self.undone: dict[str, str | None] = {}
        """Calls whose compensation was made, and why it failed if it did."""
        self._known = False
        self._new: list[str] = []
        """Those of them that are not stored yet."""
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
            error = self.errors.get(name) or restore_error(self.entries[name][1][0])
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
        return dict(self.entries.get(self.result, NEVER)[1] or {})

    async def _undo(self) -> None:
        for name in reversed(self.order):
            todo = self._to_undo(name)
            left = deque(undo for undo in reversed(todo) if undo.key not in self.undone)
            if not left:
                continue
            self.say(name, "compensating", None)
            async with asyncio.TaskGroup() as workers:
                for _ in range(min(len(left), self.steps[name].concurrency)):
                    workers.create_task(self._work(name, todo, left))
        self.done = True
        self.ready()

    def _to_undo(self, name: str) -> list[Undo]:
        """The calls of a step that ended well and can be undone."""
        assert self.entries is not None
        settings = self.steps[name]
        well = ended_well(self.entries, name)
        if not well or not settings.undoes:
            return []
        before = {key: entry for key, entry in self.entries.items() if key in self.before[name]}
        parts = settings.parts(folded(before, self.order))
        found = []
        for index, how, result in well:
            step = settings.fallback if how == "fallback" else settings.step
            compensate = getattr(step, "compensate", None)
            if compensate is not None:
                key = name if index is None else f"{name}.{index}"
                found.append(Undo(key, compensate, parts[index or 0], result))
        return found

    async def _work(self, name: str, todo: Sequence[Undo], left: deque[Undo]) -> None:
        settings = self.steps[name]
        CURRENT.set(StepPort(self.runtime.port(self.node_of(name)), settings.streaming))
        while left:
            undo, why = left.popleft(), None
            try:
                await in_time(_made(undo), settings)
            except Exception as error:
                why = classify(error)["message"]
            self.undone[undo.key] = why
            self._new.append(undo.key)
            self.touch()
            if all(each.key in self.undone for each in todo):
                self._said(name, [self.undone[each.key] for each in todo])

    def _said(self, name: str, whys: Sequence[str | None]) -> None:
        """All compensations of a step were made."""
        bad = [why for why in whys if why is not None]
        if not bad:
            self.say(name, "compensated", None)
        elif self.steps[name].each is None:
            self.say(name, "compensation_failed", bad[0])
        else:
            self.say(name, "compensation_failed", f"{len(bad)} of {len(whys)} items: {bad[0]}")

    def external(self) -> bool:
        return self.under_way and not self.done

    # -- its state as plain data ---------------------------------------------------------------

    def changes(self) -> Changes | None:
        """What came in, and what was undone since the last call."""
        if self.entries is None:
            return None
        found: dict[str, Any] = {key: self.undone[key] for key in self._new}
        known, self._known = self._known, True
        if not known:
            found = {INPUT: self.entries, **self.undone}
        self._new = []
        return (not known, found, []) if found else None

    def restore_changes(self, stored: Mapping[str, Any]) -> None:
        """Go on from what was stored; called before `start`."""
        self.undone = {key: why for key, why in stored.items() if key != INPUT}
        self.entries = stored[INPUT]


async def _made(undo: Undo) -> None:
    made = undo.compensate(dict(undo.data), undo.result)
    if isawaitable(made):
        await made

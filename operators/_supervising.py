"""Units and machines that watch what is before them: how long it is silent, how it fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rxstream.errors import ExecutionTimeout
from rxstream.failures import Failure, classify_failure
from rxstream.operators._combining import Concat
from rxstream.operators._state import Machine
from rxstream.operators._timing import Timeout


def takes(only: frozenset[Failure] | None, error: BaseException) -> bool:
    """Whether an error is among the failures, None being all."""
    return only is None or classify_failure(error) in only


class Watched(Timeout):
    """Fails when the node before it is silent, or not ended, for too long; says which node."""

    def __init__(self, limit: float, *, total: bool) -> None:
        super().__init__(limit, total, self._said)
        self.limit = limit
        self._left: float | None = None

    def start(self) -> None:
        self.span = self.limit
        # restored: what was left of the time is counted from now on
        self.due = self.runtime.now() + (self.limit if self._left is None else self._left)
        self._wait()

    def _said(self) -> Exception:
        before = self.runtime.plan.by_id[self.node.inputs[0]]
        said = "did not end within" if self.once else "gave no element for"
        return ExecutionTimeout(
            f"{before.id!r} ({before.operator} at {before.where}) {said} {self.limit:g} s"
        )

    def snapshot(self) -> float:
        """Seconds that are left."""
        return max(0.0, self.due - self.runtime.now())

    def restore(self, state: float) -> None:
        """Go on from a snapshot; called before `start`."""
        self._left = state


class Fallback(Concat):
    """The second input when the first has failed in one of certain ways."""

    def __init__(self, only: frozenset[Failure] | None) -> None:
        super().__init__(on_error=True, on_end=False)
        self.only = only

    def start(self) -> None:
        if self.current:  # restored
            self.inputs[1].open()

    def step(self) -> bool:
        before = self.current
        error = self.inputs[0].error
        if error is not None and not before:
            self.on_error = takes(self.only, error)
        moved = super().step()
        self.out.counters.errors += self.current - before
        return moved

    def snapshot(self) -> int:
        """Which input it reads."""
        return self.current

    def restore(self, state: int) -> None:
        """Go on from a snapshot; called before `start`."""
        self.current = state


class DefaultOnError(Machine):
    """The input; a value and a good end instead of certain errors."""

    def __init__(self, value: Any, only: frozenset[Failure] | None) -> None:
        self.value = value
        self.only = only

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        out.extend(items)

    def fail(self, error: BaseException, out: list[Any]) -> BaseException | None:
        if not takes(self.only, error):
            return error
        self.swallowed += 1
        out.append(self.value)
        return None

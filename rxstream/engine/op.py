"""The running part of a synchronous operator of one input: a small state machine.

Rules an `Op` keeps, because islands, snapshots and fusion rely on them:

* `push` appends what comes out to `out`, for one element at most one element, in order; what it appended
  before it raised still goes on;
* state is stored before the next element is looked at, so an error leaves it as after the last good one;
* `finish` appends at most one element;
* it touches nothing but its own state: no I/O, no timers, no tasks. What needs those is a `Unit`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from rxstream.source import Changes as Changes  # who implements an operator finds it here

ALL = 1 << 62
"""A demand that never ends."""


class Op:
    """One input, one output, no waiting. Subclasses override what they need."""

    code: ClassVar[tuple[str, ...]] = ()
    """Lines of Python that do for one element `x` what `push` does, where it can be fused (see `fusion`).

    `{op}` is the operator, `{f}` its attribute `function_name`, `{drop}` leaves the element out.
    """
    function_name: ClassVar[str] = "function"

    incremental: ClassVar[bool] = False
    """Whether it is an `Incremental`, which is stored by what changed."""

    done: bool = False
    """Ended early: it emits nothing more and wants nothing more."""
    swallowed: int = 0
    """Errors it went on past, not counted yet: its stage does, as errors of the node."""

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        """Take a batch; append what comes out. May raise whatever the user's function raises."""
        raise NotImplementedError

    def finish(self, out: list[Any]) -> None:
        """The input ended well; append what is left. May raise."""

    def fail(self, error: BaseException, out: list[Any]) -> BaseException | None:
        """The input failed; return the error to pass on, or None to end well."""
        return error

    def close(self) -> None:
        """It ended, whichever way; called once."""

    def demand(self, wanted: int) -> int:
        """How many more inputs can be of use when `wanted` more outputs are."""
        return wanted

    def snapshot(self) -> Any:
        """Its state as a value, or None where it has none."""
        return None

    def restore(self, state: Any) -> None:
        """Go on from a state `snapshot` gave."""


class Incremental(Protocol):
    """An operator or unit whose state may be large and is told by what changed: `incremental` is True.

    Its `snapshot` and `restore` do the same for whoever wants the whole of it at once.
    """

    def changes(self) -> Changes | None:
        """What changed since the last call, as plain data; None if nothing did.

        The first call tells all there is, and that what was told before is void.
        """
        ...

    def restore_changes(self, stored: Mapping[str, Any]) -> None:
        """Go on from what is left when all changes were applied."""

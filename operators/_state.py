"""What all state machines of this package share: their state is the attributes that `fields` names.

So a snapshot needs no code of its own. Containers are copied, one level deep, because elements are immutable.
"""

from __future__ import annotations

from collections import deque
from copy import copy
from typing import Any, ClassVar

from rxstream.engine.op import ALL, Op


class Machine(Op):
    """An `Op` whose state is in the attributes `fields` names."""

    fields: ClassVar[tuple[str, ...]] = ()

    def snapshot(self) -> Any:
        """The state by attribute, or None without one."""
        if not self.fields:
            return None
        return {name: _stored(getattr(self, name)) for name in self.fields}

    def restore(self, state: Any) -> None:
        """Go on from a snapshot."""
        for name in self.fields:
            held, now = state[name], getattr(self, name)
            setattr(self, name, deque(held, now.maxlen) if isinstance(now, deque) else copy(held))


def _stored(value: Any) -> Any:
    return tuple(value) if isinstance(value, deque) else copy(value)


class Folding(Machine):
    """A machine that gives nothing before its input ends, so it wants all of it."""

    def demand(self, wanted: int) -> int:
        """Every input, if anything is wanted."""
        return ALL if wanted else 0


class Deciding(Machine):
    """A machine that any next element may decide, so it wants one at a time."""

    def demand(self, wanted: int) -> int:
        """At most one."""
        return min(wanted, 1)

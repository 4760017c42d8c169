"""State by key with a bound: the least recently used key is forgotten first, an idle one after a while.

Pure: it is told the time, and says what it forgets. Must not know what the state is or what becomes of it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, Final, Generic

from rxstream.engine.island import CURRENT
from rxstream.engine.op import Changes
from rxstream.operators._mapping import MISSING
from rxstream.operators._rows import Rows
from rxstream.operators._types import S

SAME_S: Final = 1e-6
"""Times closer than this are one time: sums of seconds are not exact."""


def tell(message: str) -> None:
    """Say something of the node whose code runs; it is seen in the statistics and, where told, in the log."""
    port = CURRENT.get()
    if port is not None:
        port.progress(None, message)


class Keys(Generic[S]):
    """At most `max_keys` states by key, each for at most `ttl` seconds after its last use."""

    def __init__(self, max_keys: int, ttl: float | None = None) -> None:
        self.max_keys = max_keys
        self.ttl = ttl
        self.evicted = 0
        """Keys forgotten because there were too many."""
        self._held: OrderedDict[Hashable, tuple[float, S]] = OrderedDict()
        self._rows = Rows()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: Hashable) -> S:
        """The state, or `MISSING`."""
        held = self._held.get(key)
        missing: S = MISSING
        return missing if held is None else held[1]

    def put(self, key: Hashable, state: S, now: float) -> None:
        """Keep a state; its key is the latest used."""
        self._held[key] = (now if self.ttl is not None else 0.0, state)
        self._held.move_to_end(key)
        self._rows.put(key)

    def surplus(self) -> Iterator[tuple[Hashable, S]]:
        """Forget, and give, what is too much."""
        while len(self._held) > self.max_keys:
            key, (_, state) = self._held.popitem(last=False)
            self._rows.drop(key)
            self.evicted += 1
            tell(f"{self.evicted} keys evicted")
            yield key, state

    def expired(self, now: float) -> Iterator[tuple[Hashable, S]]:
        """Forget, and give, what was not used for too long."""
        while self.ttl is not None and self._held:
            key, (used, state) = next(iter(self._held.items()))
            if now - used < self.ttl - SAME_S:
                return
            del self._held[key]
            self._rows.drop(key)
            yield key, state

    def due(self) -> float | None:
        """When the next will have expired."""
        if self.ttl is None or not self._held:
            return None
        used, _ = next(iter(self._held.values()))
        return used + self.ttl

    def items(self) -> list[tuple[Hashable, S]]:
        """All keys with their states, the one longest unused first."""
        return [(key, state) for key, (_, state) in self._held.items()]

    def clear(self) -> None:
        """Forget all, in silence."""
        for key in self._held:
            self._rows.drop(key)
        self._held.clear()

    # -- its state as plain data, if keys and states are ---------------------------------------

    def snapshot(self, now: float) -> tuple[int, tuple[tuple[Any, float, S], ...]]:
        """Keys, seconds since their last use if there is a time to live, and states."""
        at = now if self.ttl is not None else 0.0
        held = tuple((key, at - used, state) for key, (used, state) in self._held.items())
        return (self.evicted, held)

    def restore(self, state: Any, now: float) -> None:
        """Go on from a snapshot; what was left of the time is counted from now on."""
        self.evicted, held = state
        at = now if self.ttl is not None else 0.0
        self._held = OrderedDict((key, (at - idle, value)) for key, idle, value in held)

    def changes(
        self, now: float, freeze: Callable[[S], Any] = lambda state: state
    ) -> Changes | None:
        """What changed since the last call; `freeze` makes plain data of a state."""

        def kept(key: Hashable) -> Any:
            used, state = self._held[key]
            return (used, freeze(state))

        at = now if self.ttl is not None and self._held else 0.0
        rest = (self.evicted, at) if self.evicted or at else None
        return self._rows.changes(self._held, kept, rest)

    def restore_changes(
        self, stored: Mapping[str, Any], now: float, thaw: Callable[[Any], S] = lambda state: state
    ) -> None:
        """Go on from all changes, as from a snapshot."""
        held, rest = self._rows.restored(stored)
        self.evicted, at = rest or (0, 0.0)
        ahead = now - at if self.ttl is not None else 0.0
        self._held = OrderedDict((key, (used + ahead, thaw(kept))) for key, (used, kept) in held)

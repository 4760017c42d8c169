"""State by key: an accumulation, or a chain of synchronous operators of which each key has a copy.

A chain is traced once, from a function of streams. A copy behaves as the same operators would in an island:
what came out goes on before an error does, an error may be absorbed, an early end finishes what follows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rxstream.engine.island import CURRENT
from rxstream.engine.op import Changes, Op
from rxstream.errors import blame
from rxstream.operators._clock import loop_time
from rxstream.operators._clocked import ClockedDecoder
from rxstream.operators._keys import Keys
from rxstream.operators._mapping import MISSING
from rxstream.operators._state import Machine

Key = Callable[[Any], Hashable]


class ScanBy(Machine):
    """Pairs of key and accumulation after each element."""

    incremental: ClassVar[bool] = True

    def __init__(
        self,
        key: Key,
        accumulator: Callable[[Any, Any], Any],
        seed: Any,
        keys: Keys[Any],
        on_evict: Callable[[Any, Any], object] | None,
    ) -> None:
        self.key = key
        self.accumulator = accumulator
        self.seed = seed
        self.keys = keys
        self.on_evict = on_evict

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        now = loop_time()
        for gone in self.keys.expired(now):
            self._tell(*gone)
        for item in items:
            key = self.key(item)
            state = self.keys.get(key)
            if state is MISSING:
                state = self.seed
            state = item if state is MISSING else self.accumulator(state, item)
            self.keys.put(key, state, now)
            out.append((key, state))
            for gone in self.keys.surplus():
                self._tell(*gone)

    def _tell(self, key: Any, state: Any) -> None:
        if self.on_evict is not None:
            self.on_evict(key, state)

    def snapshot(self) -> Any:
        """The keys with their states."""
        return self.keys.snapshot(loop_time())

    def restore(self, state: Any) -> None:
        self.keys.restore(state, loop_time())

    def changes(self) -> Changes | None:
        return self.keys.changes(loop_time())

    def restore_changes(self, stored: Mapping[str, Any]) -> None:
        self.keys.restore_changes(stored, loop_time())


@dataclass(frozen=True)
class Step:
    """One operator of a template: its name within it, the line that wrote it, how it is made."""

    name: str
    where: str
    make: Callable[[], Op]


class Chain:
    """One key's copy of a template."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = steps
        self.ops = [step.make() for step in steps]
        self.ended = False
        self.error: BaseException | None = None
        """What it ended with, if not well."""

    def begin(self, out: list[Any]) -> None:
        """Before the first element; some operators have ended by then."""
        for index, op in enumerate(self.ops):
            if op.done:
                self.finish(out, index + 1)

    def push(self, items: Sequence[Any], out: list[Any], at: int = 0) -> None:
        """Push a batch through the operators from `at` on."""
        if self.ended or not items:
            return
        if at == len(self.ops):
            out.extend(items)
            return
        op, made = self.ops[at], list[Any]()
        try:
            op.push(items, made)
        except Exception as error:
            self._raised(error, at, made, out)
            return
        self.push(made, out, at + 1)
        if op.done:
            self.finish(out, at + 1)

    def finish(self, out: list[Any], at: int = 0) -> None:
        """Nothing follows for the operators from `at` on."""
        if self.ended:
            return
        if at == len(self.ops):
            self.close()
            return
        made: list[Any] = []
        try:
            self.ops[at].finish(made)
        except Exception as error:
            self._raised(error, at, made, out)
            return
        self.push(made, out, at + 1)
        self.finish(out, at + 1)

    def fail(self, error: BaseException, out: list[Any], at: int = 0) -> None:
        """Nothing follows for the operators from `at` on, because of an error."""
        if self.ended:
            return
        if at == len(self.ops):
            self.error = error
            self.close()
            return
        made: list[Any] = []
        try:
            passed = self.ops[at].fail(error, made)
        except Exception as raised:
            self._raised(raised, at, made, out)
            return
        self.push(made, out, at + 1)
        if passed is None:
            self.finish(out, at + 1)
        else:
            self.fail(passed, out, at + 1)

    def _raised(self, error: Exception, at: int, made: list[Any], out: list[Any]) -> None:
        port = CURRENT.get()
        if port is not None:
            blame(error, port.node_id, self.steps[at].where)
        self.push(made, out, at + 1)
        self.fail(error, out, at + 1)

    def close(self) -> None:
        """Let go of the operators."""
        if not self.ended:
            self.ended = True
            for op in self.ops:
                op.close()

    def snapshot(self) -> Any:
        """State by operator, or None of a copy that has ended."""
        if self.ended:
            return None
        return tuple(
            (step.name, op.snapshot()) for step, op in zip(self.steps, self.ops, strict=True)
        )

    def restore(self, state: Any) -> None:
        """Go on from a snapshot."""
        if state is None:
            self.close()
            return
        stored = dict(state)
        for step, op in zip(self.steps, self.ops, strict=True):
            if stored[step.name] is not None:
                op.restore(stored[step.name])


class Keyed(ClockedDecoder):
    """Pairs of key and what the key's own copy of a chain gives; a key that is forgotten ends its copy."""

    incremental: ClassVar[bool] = True

    def __init__(self, key: Key, steps: Sequence[Step], keys: Keys[Chain]) -> None:
        self.key = key
        self.steps = steps
        self.keys = keys

    def feed(self, chunk: Any, out: deque[Any]) -> None:
        self.advance(out)
        key = self.key(chunk)
        made: list[Any] = []
        chain = self.keys.get(key)
        if chain is MISSING:
            chain = Chain(self.steps)
            chain.begin(made)
        self.keys.put(key, chain, self.clock())
        chain.push((chunk,), made)
        self._give(key, chain, made, out)
        for gone, ended in self.keys.surplus():
            self._finish(gone, ended, out)

    def advance(self, out: deque[Any]) -> None:
        for key, chain in self.keys.expired(self.clock()):
            self._finish(key, chain, out)

    def due(self) -> float | None:
        return self.keys.due()

    def finish(self, out: deque[Any]) -> None:
        for key, chain in self.keys.items():
            self._finish(key, chain, out)
        self.keys.clear()

    def fail(self, error: BaseException, out: deque[Any]) -> None:
        for key, chain in self.keys.items():
            made: list[Any] = []
            chain.fail(error, made)
            out.extend([(key, item) for item in made])
        self.keys.clear()

    def close(self) -> None:
        for _, chain in self.keys.items():
            chain.close()
        self.keys.clear()

    def _finish(self, key: Any, chain: Chain, out: deque[Any]) -> None:
        made: list[Any] = []
        chain.finish(made)
        self._give(key, chain, made, out)

    def _give(self, key: Any, chain: Chain, made: list[Any], out: deque[Any]) -> None:
        out.extend([(key, item) for item in made])
        if chain.error is not None:
            raise chain.error

    def snapshot(self) -> Any:
        evicted, held = self.keys.snapshot(self.clock())
        return (evicted, tuple((key, idle, chain.snapshot()) for key, idle, chain in held))

    def restore(self, state: Any) -> None:
        evicted, held = state
        chains = [(key, idle, self._chain(stored)) for key, idle, stored in held]
        self.keys.restore((evicted, chains), self.clock())

    def changes(self) -> Changes | None:
        return self.keys.changes(self.clock(), Chain.snapshot)

    def restore_changes(self, stored: Mapping[str, Any]) -> None:
        self.keys.restore_changes(stored, self.clock(), self._chain)

    def _chain(self, stored: Any) -> Chain:
        chain = Chain(self.steps)
        chain.restore(stored)
        return chain

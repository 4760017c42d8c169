"""The unit of what decides its own pace: callback APIs, foreign Observables, hardware.

What pushes cannot be paused, so its inbox has a bound and a policy. Any thread may fill it; the graph empties
it within credit. Under `block` a thread waits for room, and the event loop, which would wait for itself, is
refused.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from reactivex import Observable
from reactivex.observer import Observer

from rxstream.engine.spill import SpillQueue
from rxstream.engine.unit import BATCH, Unit
from rxstream.errors import BufferOverflow
from rxstream.graph.plan import Node
from rxstream.operator import Buffer
from rxstream.source import Emitter, Policy, Port, PushSource


class Subscribed(PushSource[Any]):
    """A foreign Observable: subscribed on the engine's clock when there is credit."""

    name = "observable"
    capacity = 65_536

    def __init__(self, observable: Observable[Any]) -> None:
        self._observable = observable

    def connect(self, emitter: Emitter[Any], port: Port) -> Callable[[], None]:
        assert isinstance(emitter, PushUnit)
        scheduler = emitter.runtime.scheduler(emitter)
        subscription = self._observable.subscribe(
            Observer(lambda item: (emitter.next(item), None)[1], emitter.error, emitter.complete),
            scheduler=scheduler,
        )
        return subscription.dispose


def overflow(node: Node, capacity: int) -> BufferOverflow:
    """What is said when a source pushes more than may wait."""
    return BufferOverflow(
        f"{node.id} was pushed {capacity} elements faster than they were taken: follow it "
        "with .drop_oldest(n), .latest() or another policy, or push from another thread with "
        "policy block",
        node=node.id,
        where=node.where,
    )


class PushUnit(Unit):
    """What decides its own pace; also the `Emitter` it is given."""

    def __init__(self, source: PushSource[Any], buffer: Buffer | None) -> None:
        self._source = source
        self._policy: Policy = buffer.policy if buffer else source.policy
        self._capacity = buffer.capacity if buffer else source.capacity
        self._reducer = buffer.reducer if buffer else None
        self._inbox: deque[Any] | SpillQueue = deque()
        if buffer is not None and buffer.policy == "spill":
            self._inbox = SpillQueue(buffer.capacity, buffer.max_bytes, buffer.folder)
        self._changed = threading.Condition()
        self._connected = False
        self._disconnect: Callable[[], None] | None = None
        self._over = False
        self._error: BaseException | None = None
        self._gone = False
        self._called = False
        self.dropped = 0

    # -- the producer's side, on any thread ----------------------------------------------------

    def next(self, item: Any, timeout: float | None = None) -> bool:
        with self._changed:
            if self._over or self._gone:
                return False
            inbox = self._inbox
            if isinstance(inbox, SpillQueue):
                try:
                    inbox.append(item)
                except Exception as raised:  # the graph's, not the producer's
                    return self._break(raised)
            else:
                if len(inbox) >= self._capacity and not self._make_room(inbox, item, timeout):
                    return not (self._over or self._gone)
                inbox.append(item)
        self._call()
        return True

    def _make_room(self, inbox: deque[Any], item: Any, timeout: float | None) -> bool:
        """Whether the item may be appended now; the policy's work is done either way."""
        if self._policy == "block" and threading.get_ident() != self.runtime.thread:
            free = self._changed.wait_for(
                lambda: self._gone or self._over or len(inbox) < self._capacity, timeout
            )
            if not free:
                raise TimeoutError(f"{self.node.id} had no room for {timeout} s")
            return not (self._gone or self._over)
        if self._policy in ("drop_oldest", "latest"):
            inbox.popleft()
            self.dropped += 1
            return True
        if self._policy == "drop_newest":
            self.dropped += 1
            return False
        if self._policy == "coalesce" and self._reducer is not None:
            try:
                inbox[-1] = self._reducer(inbox[-1], item)
            except Exception as raised:  # the graph's, not the producer's
                return self._break(raised)
            self.dropped += 1
            return False
        error = overflow(self.node, self._capacity)
        if self._policy == "block":
            raise error
        return self._break(error)

    def _break(self, error: Exception) -> bool:
        self._over = True
        self._error = error
        self._call()
        return False

    def error(self, error: BaseException) -> None:
        self._end(error)

    def complete(self) -> None:
        self._end(None)

    def _end(self, error: BaseException | None) -> None:
        with self._changed:
            if self._over:
                return
            self._over = True
            self._error = error
            self._changed.notify_all()
        self._call()

    def stop(self) -> None:
        if self._connected:
            self._end(None)
        else:
            self.finish()

    def _call(self) -> None:
        """Ask for a step, once for however many elements until it comes."""
        if threading.get_ident() == self.runtime.thread:
            self.ready()
        elif not self._called:
            self._called = True
            self.runtime.door(self._answered)

    def _answered(self) -> None:
        self._called = False
        self.ready()

    # -- the graph's side ----------------------------------------------------------------------

    def step(self) -> bool:
        credit = self.credit()
        if credit <= 0:
            return False
        if not self._connected:
            self._connected = True
            self.runtime.node_started(self.node)
            self._disconnect = self._source.connect(self, self.runtime.port(self.node))
            if self.closed:  # it ended while it was being connected
                self.dispose()
                return False
        with self._changed:
            count = min(BATCH, credit, len(self._inbox))
            items = [self._inbox.popleft() for _ in range(count)]
            over = self._over and not self._inbox
            if items:
                self._changed.notify_all()
        if items:
            self.emit(items)
        if over and not self.closed:
            if self._error is None:
                self.finish()
            else:
                self.fail(self._error)
        return bool(items) and not self.closed

    def external(self) -> bool:
        # the end another thread told is still at the door
        return self._connected and (not self._over or self._called)

    def dispose(self) -> None:
        with self._changed:
            self._gone = True
            self._inbox.clear()
            self._changed.notify_all()
        disconnect, self._disconnect = self._disconnect, None
        if disconnect is not None:
            disconnect()

"""reactivex's own operators as one unit: fed one element at a time, heard through a bounded late queue.

The operators are subscribed on the engine's clock. An input is fed only while somebody inside subscribes it
and nothing waits in the late queue, so what comes in is bounded; what an operator keeps inside is not, and
what it emits at one blow must fit the late queue.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from reactivex import Observable, abc
from reactivex.disposable import Disposable
from reactivex.observer import Observer

from rxstream.engine.clock import EngineScheduler
from rxstream.engine.edge import Edge
from rxstream.engine.statistics import NodeCounters
from rxstream.engine.unit import BATCH, Unit
from rxstream.errors import BufferOverflow
from rxstream.operator import OperatorSpec

LATE_CAPACITY: Final = 65_536
"""Elements a reactivex operator may emit before there is room for them."""


class _Input(Observable[Any]):
    """What the operators subscribe instead of the real input."""

    def __init__(self, unit: ForeignUnit) -> None:
        super().__init__()
        self._unit = unit
        self.observers: list[abc.ObserverBase[Any]] = []
        self.over = False
        self.error: BaseException | None = None
        self.left = False
        """Whether it was read and is no longer."""

    def _subscribe_core(
        self, observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        if self.over:
            self._tell_end(observer)
            return Disposable()
        self.observers.append(observer)
        self.left = False
        self._unit.wake()

        def leave() -> None:
            if observer in self.observers:
                self.observers.remove(observer)
                self.left = not self.observers
                self._unit.wake()

        return Disposable(leave)

    def next(self, item: Any) -> None:
        for observer in tuple(self.observers):
            observer.on_next(item)

    def end(self, error: BaseException | None) -> None:
        self.over = True
        self.error = error
        observers, self.observers = self.observers, []
        for observer in observers:
            self._tell_end(observer)

    def _tell_end(self, observer: abc.ObserverBase[Any]) -> None:
        if self.error is None:
            observer.on_completed()
        else:
            observer.on_error(self.error)  # type: ignore[arg-type]  # reactivex narrows to Exception


class ForeignUnit(Unit):
    """A chain of reactivex operators."""

    def __init__(self, specs: Sequence[OperatorSpec]) -> None:
        self._specs = specs
        self._late: deque[Any] = deque()
        self._ended = False
        self._error: BaseException | None = None
        self._subscription: abc.DisposableBase | None = None
        self._clock: EngineScheduler | None = None
        self._taps: list[_Input] = []
        self.silent: list[NodeCounters] = []
        """Counters of the chain's other nodes, which end when it does."""

    def start(self) -> None:
        self._taps = [_Input(self) for _ in self.inputs]
        stream: Observable[Any] = self._taps[0]
        others = iter(self._taps[1:])
        for spec in self._specs:
            assert spec.rx is not None
            stream = spec.rx(*(next(others) for _ in spec.others))(stream)
        scheduler = self.runtime.scheduler(self)
        if isinstance(scheduler, EngineScheduler):
            self._clock = scheduler
            scheduler.on_settled = self.wake
        try:
            self._subscription = stream.subscribe(
                Observer(self._heard, self._heard_error, self._heard_end), scheduler=scheduler
            )
        except Exception as error:
            self._heard_error(error)

    def wake(self) -> None:
        """Ask for a step from whatever thread."""
        if threading.get_ident() == self.runtime.thread:
            self.ready()
        else:
            self.runtime.door(self.ready)

    def _heard(self, item: Any) -> None:
        self._late.append(item)
        if len(self._late) > LATE_CAPACITY:
            self._heard_error(
                BufferOverflow(
                    f"{self.node.operator} emitted {LATE_CAPACITY} elements at one blow, more than can "
                    "wait: emit them over time, or from an iterable",
                    node=self.node.id,
                    where=self.node.where,
                )
            )
            if self._subscription is not None:
                self._subscription.dispose()
        self.wake()

    def _heard_error(self, error: BaseException) -> None:
        if not self._ended:
            self._ended = True
            self._error = error
            self.wake()

    def _heard_end(self) -> None:
        self._ended = True
        self.wake()

    def step(self) -> bool:
        credit = self.credit()
        if credit <= 0:
            return False
        moved = False
        if not self._late and not self._ended:
            for tap, edge in zip(self._taps, self.inputs, strict=True):
                moved = self._feed(tap, edge) or moved
            # a second input that was read and is no longer must not hold back what feeds it
            for tap, edge in zip(self._taps[1:], self.inputs[1:], strict=True):
                if tap.left and not edge.closed:
                    edge.close()
        if self._late:
            count = min(credit, len(self._late))
            items = [self._late.popleft() for _ in range(count)]
            self.emit(items)
            moved = True
        if self._ended and not self._late and not self.closed:
            self._finish()
        return moved

    def _feed(self, tap: _Input, edge: Edge) -> bool:
        fed = 0
        while tap.observers and len(edge) and not self._late and fed < BATCH and not self._ended:
            for item in edge.take(1):
                self.out.counters.elements_in += 1
                tap.next(item)
            fed += 1
        # what the operators have begun (inner Observables) goes before an end
        settled = self._clock is None or not self._clock.due_now
        if edge.exhausted and not tap.over and tap.observers and settled:
            tap.end(edge.error)
            fed += 1
        return fed > 0

    def _finish(self) -> None:
        for counters in self.silent:
            counters.ended("failed" if self._error else "completed")
        if self._error is None:
            self.finish()
        elif any(self._error is edge.error for edge in self.inputs):
            self.pass_on(self._error)
        else:
            self.fail(self._error)

    def external(self) -> bool:
        # what runs inside (timers, inner Observables, other threads) cannot be seen
        return not self._ended

    def dispose(self) -> None:
        if self._subscription is not None:
            self._subscription.dispose()
        self._late.clear()
        for counters in self.silent:
            counters.ended("completed")

"""Units whose machine also wants to be told that time has passed.

The machine says when something is due; the unit has the timer ring then, and what comes out waits for room.
What the user's functions raise is an error of the node, behind what came out before.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import Any

from rxstream.engine.island import CURRENT
from rxstream.engine.op import ALL
from rxstream.operators._clock import loop_time
from rxstream.operators._draining import Decoder, Expanding
from rxstream.operators._timing import Timed


class ClockedDecoder(Decoder, ABC):
    """A machine with a clock."""

    def clock(self) -> float:
        """Its time in seconds."""
        return loop_time()

    @abstractmethod
    def due(self) -> float | None:
        """When `advance` is to be called, by its clock."""

    @abstractmethod
    def advance(self, out: deque[Any]) -> None:
        """Append what the time that has passed brings."""

    def fail(self, error: BaseException, out: deque[Any]) -> None:
        """The input failed: append what that error brings."""


class Clocked(Expanding, Timed):
    """Runs a `ClockedDecoder`; elements are taken as they come, for it holds a bounded amount."""

    decoder: ClockedDecoder

    def __init__(self, decoder: ClockedDecoder) -> None:
        super().__init__(decoder)
        self._rings_at: float | None = None

    def start(self) -> None:
        super().start()
        self._plan()

    def wants(self) -> int:
        return 0 if self.chunks else ALL

    def step(self) -> bool:
        moved = super().step()
        self._plan()
        return moved

    def rang(self) -> None:
        self._rings_at = None
        token = CURRENT.set(self.runtime.port(self.node))
        try:
            self.decoder.advance(self.pending)
        except Exception as error:
            self.break_off(error, own=True)
        finally:
            CURRENT.reset(token)

    def interrupted(self) -> None:
        assert self.edge.error is not None, "it is what interrupts"
        self.decoder.fail(self.edge.error, self.pending)

    def _plan(self) -> None:
        due = None if self.over or self.closed else self.decoder.due()
        if due == self._rings_at:
            return
        self._rings_at = due
        if due is None:
            self.quiet()
        else:
            self.alarm(due - self.decoder.clock())

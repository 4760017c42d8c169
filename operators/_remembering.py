"""Units of several inputs that remember the latest element of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rxstream.engine.unit import BATCH
from rxstream.operators._boxes import boxed, unboxed
from rxstream.operators._combining import Combining
from rxstream.operators._mapping import MISSING


def complete(values: Sequence[Any]) -> bool:
    """Whether every input has had something; by identity, because elements may compare as they like."""
    return all(value is not MISSING for value in values)


class Remembering(Combining):
    """Keeps one value, the latest, of each of some inputs."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def remembered(self) -> int:
        """Of how many inputs."""
        return len(self.inputs)

    def start(self) -> None:
        if not self.values:  # else restored
            self.values = [MISSING] * self.remembered()

    def snapshot(self) -> Any:
        """The latest values, in boxes."""
        return tuple(map(boxed, self.values))

    def restore(self, state: Any) -> None:
        self.values = list(map(unboxed, state))


class CombineLatest(Remembering):
    """The latest of all inputs whenever one has something, once all have had something."""

    def step(self) -> bool:
        room = self.room()
        if room <= 0:
            return False
        out: list[Any] = []
        moved = False
        while len(out) < room and any(len(edge) for edge in self.inputs):
            for index, edge in enumerate(self.inputs):
                if len(out) < room and len(edge):
                    moved = True
                    self.values[index] = self.take(edge, 1)[0]
                    self.arrived(index, out)
        if out:
            self.emit(out)
        if self.closed or self.broken(self.inputs):
            return False
        if self.over():
            self.finish()
            return False
        return moved

    def arrived(self, index: int, out: list[Any]) -> None:
        """An element of the input arrived; append what comes out."""
        if complete(self.values):
            out.append(tuple(self.values))

    def over(self) -> bool:
        """Whether nothing can come out any more."""
        ended = [edge.exhausted for edge in self.inputs]
        return all(ended) or any(
            done and value is MISSING for done, value in zip(ended, self.values, strict=True)
        )


class ZipLatest(CombineLatest):
    """The latest of all inputs whenever all have had something new."""

    def __init__(self) -> None:
        super().__init__()
        self.fresh: set[int] = set()

    def arrived(self, index: int, out: list[Any]) -> None:
        self.fresh.add(index)
        if len(self.fresh) == len(self.inputs):
            self.fresh.clear()
            out.append(tuple(self.values))

    def over(self) -> bool:
        return any(
            edge.exhausted and index not in self.fresh for index, edge in enumerate(self.inputs)
        )

    def snapshot(self) -> Any:
        """The latest values, and the inputs that have had something new."""
        return (super().snapshot(), tuple(sorted(self.fresh)))

    def restore(self, state: Any) -> None:
        values, fresh = state
        super().restore(values)
        self.fresh = set(fresh)


class WithLatest(Remembering):
    """Each element of the first input with the latest of the others."""

    def remembered(self) -> int:
        return len(self.inputs) - 1

    def step(self) -> bool:
        parent, *others = self.inputs
        room = self.room()
        out: list[Any] = []
        moved = False
        while len(parent) and len(out) < room:
            moved = True
            for index, edge in enumerate(others):
                for value in self.take(edge, 1):
                    self.values[index] = value
            element = self.take(parent, 1)[0]
            if complete(self.values):
                out.append((element, *self.values))
        if not len(parent):
            for index, edge in enumerate(others):
                for value in self.take(edge, BATCH)[-1:]:
                    self.values[index] = value
                    moved = True
        if out:
            self.emit(out)
        if self.closed or self.broken(self.inputs):
            return False
        if parent.exhausted:
            self.finish()
            return False
        return moved


class ForkJoin(Remembering):
    """The last elements of all inputs, when all have ended; nothing if one had none."""

    def step(self) -> bool:
        moved = False
        for index, edge in enumerate(self.inputs):
            for value in self.take(edge, BATCH)[-1:]:
                self.values[index] = value
                moved = True
        if self.broken(self.inputs):
            return False
        ended = [edge.exhausted for edge in self.inputs]
        lost = any(
            done and value is MISSING for done, value in zip(ended, self.values, strict=True)
        )
        if all(ended) and not lost:
            if self.credit() <= 0:
                return moved
            self.emit([tuple(self.values)])
        if all(ended) or lost:
            self.finish()
            return False
        return moved

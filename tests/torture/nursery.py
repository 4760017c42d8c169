"""Where lives come from: some forking processes for all who need a life, and lives nobody interrupted."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Self

from tests.torture.checker import Found, find
from tests.torture.life import Order
from tests.torture.shapes import shape_of
from tests.torture.zygote import Ended, Zygote


@dataclass(frozen=True)
class Whole:
    """A life that nobody interrupted: what it left, and what it passed on the way."""

    found: Found
    passed: dict[str, int]
    seconds: float


class Nursery:
    """So many lives at a time, from any thread."""

    def __init__(self, width: int = 2) -> None:
        self.width = width
        self._zygotes = [Zygote() for _ in range(width)]
        self._free: SimpleQueue[Zygote] = SimpleQueue()  # as many as there are zygotes
        for zygote in self._zygotes:
            self._free.put(zygote)
        self._whole: dict[str, Whole] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for zygote in self._zygotes:
            zygote.__exit__()

    def live(self, order: Order) -> Ended:
        """Let a workload process live, as soon as there is a place for it, and wait for its end."""
        zygote = self._free.get()
        try:
            return zygote.live(order)
        finally:
            self._free.put(zygote)

    def whole(self, name: str, folder: Path) -> Whole:
        """The life of a shape that nobody interrupts; lived once. Raises RuntimeError if it went wrong."""
        if name not in self._whole:
            folder = folder / f"{name}-whole"
            folder.mkdir(parents=True)
            ended = self.live(Order(str(folder), 1, name, counted=True))
            if ended.how != "done":
                raise RuntimeError(f"{name} was {ended.how} though nobody killed it: {ended.said}")
            found = find(folder, shape_of(name))
            if found.complaints:
                raise RuntimeError(f"{name} is damaged though nobody killed it: {found.complaints}")
            self._whole[name] = Whole(found, ended.passed, ended.seconds)
            shutil.rmtree(folder)
        return self._whole[name]

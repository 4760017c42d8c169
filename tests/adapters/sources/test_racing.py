"""A follower beside a thread that writes and rotates as fast as it can, and thrown away meanwhile."""

from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path

import pytest

from rxstream.adapters.sources.following import Change, Follower
from rxstream.adapters.sources.splitting import LineSplitter

DEADLINE = 60.0
KEPT = 40
"""Rotated files; the inodes of those deleted are given out again."""


class Writer(threading.Thread):
    """Writes numbered lines, rotates as logrotate does, and ends with the line `end`."""

    def __init__(self, path: Path, rounds: int, seed: int) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._path = path
        self._rounds = rounds
        self._chance = random.Random(seed)

    def run(self) -> None:
        for _ in range(self._rounds):
            self._write(self._chance.randrange(1, 80))
            if self._chance.random() < 0.5:
                self._rotate()
            time.sleep(self._chance.choice([0, 0, 0.001, 0.01]))
        self.lines.append("end")
        with self._path.open("a") as file:
            file.write("end\n")

    def _write(self, count: int) -> None:
        with self._path.open("a", buffering=1) as file:
            for _ in range(count):
                line = f"{len(self.lines)} " + "x" * self._chance.choice([0, 10, 300])
                self.lines.append(line)
                file.write(f"{line}\n")

    def _rotate(self) -> None:
        for number in range(KEPT, 0, -1):
            old = Path(f"{self._path}.{number}")
            if old.exists():
                os.rename(old, f"{self._path}.{number + 1}")
        os.rename(self._path, f"{self._path}.1")


def followed(path: Path, writer: Writer, restarts: float, seed: int) -> list[str]:
    """The lines that a follower finds; with some chance it is made anew after a batch."""
    chance = random.Random(seed)
    follower = Follower(str(path), start=None, from_end=False)
    follower.open()
    writer.start()
    splitter, seen, end = LineSplitter("log"), list[str](), time.monotonic() + DEADLINE
    while not seen or seen[-1] != "end":
        assert time.monotonic() < end, "the end was never found"
        change, chunk = follower.read()
        assert follower.notice is None
        if change is Change.GREW:
            splitter.feed(chunk)
        elif change is Change.ENDED:
            splitter.end()
        else:
            time.sleep(0.001)
        while splitter.ready:
            seen += splitter.take(7)
            if chance.random() < restarts:
                point = follower.point(splitter.offset)
                follower.close()
                time.sleep(chance.choice([0, 0.02]))
                follower = Follower(str(path), start=point, from_end=False)
                follower.open()
                splitter, change = LineSplitter("log", offset=follower.offset), Change.QUIET
                break
        if change is Change.ENDED:
            splitter = LineSplitter("log")
    follower.close()
    return seen


@pytest.mark.parametrize("restarts", [0, 0.05])
def test_every_line_is_found_once_and_in_order(tmp_path: Path, restarts: float) -> None:
    writer = Writer(tmp_path / "app.log", 150, seed=1)
    seen = followed(tmp_path / "app.log", writer, restarts, seed=1)
    writer.join()
    assert seen == writer.lines


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(20))
def test_every_line_is_found_once_and_in_order_for_long(tmp_path: Path, seed: int) -> None:
    writer = Writer(tmp_path / "app.log", 1_500, seed)
    seen = followed(tmp_path / "app.log", writer, 0.02, seed)
    writer.join()
    assert seen == writer.lines

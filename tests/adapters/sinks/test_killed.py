"""A process that follows a file into another is killed for real, again and again."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import apsw
import orjson
import pytest

from rxstream.adapters.logs.states import fold

COPIER = Path(__file__).with_name("copier.py")
ROOT = Path(__file__).parents[3]
DEADLINE = 30.0
FILE = re.compile(rb'"inode":[1-9]')
"""Of the state of what follows a file, once it has opened it."""


class Copier:
    """The process, and what it follows and writes."""

    def __init__(self, folder: Path) -> None:
        self.path, self.out = folder / "app.log", folder / "out.jsonl"
        self.lines: list[str] = []
        self.log = str(folder / "events.db")
        self._arguments = [str(self.path), str(self.out), self.log]

    def start(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen([sys.executable, str(COPIER), *self._arguments], env=environment)

    def write(self, chance: random.Random, *, rotates: bool = True) -> None:
        """Some lines, some of them large, in parts; perhaps a rotation."""
        with self.path.open("a", buffering=1) as file:
            for _ in range(chance.randrange(1, 200)):
                line = f"{len(self.lines)} " + "x" * chance.choice([0, 10, 2_000])
                self.lines.append(line)
                file.write(line[:4])
                file.write(line[4:] + "\n")
        if rotates and chance.random() < 0.5:
            for number in range(100, 0, -1):
                if Path(f"{self.path}.{number}").exists():
                    os.rename(f"{self.path}.{number}", f"{self.path}.{number + 1}")
            os.rename(self.path, f"{self.path}.1")

    def read(self) -> list[str]:
        return [orjson.loads(line) for line in self.out.read_bytes().splitlines()]

    def knows(self) -> bool:
        """Whether it is stored which file is followed; what was rotated away before is not read."""
        connection = apsw.Connection(self.log, flags=apsw.SQLITE_OPEN_READONLY)
        try:
            rows = connection.execute("SELECT payload FROM states ORDER BY position")
            states = fold([payload for (payload,) in rows])  # the first may be older
            return any(FILE.search(state.get("state", b"")) for state in states.values())
        except (apsw.BusyError, apsw.ProtocolError):  # the writer is just opening it
            return False
        finally:
            connection.close()

    def wrote_more(self, before: int) -> bool:
        return self.size() > before and self.knows()

    def size(self) -> int:
        return self.out.stat().st_size if self.out.exists() else 0


def until(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait until it has come so far."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert process.poll() is None, "it ended"
        assert time.monotonic() < end, "it did not come so far in time"
        time.sleep(0.002)


def killed_often(folder: Path, kills: int, seed: int) -> None:
    """Kill it while it writes; at last let it end, and look."""
    chance = random.Random(seed)
    copier = Copier(folder)
    for life in range(kills):
        copier.write(chance, rotates=life > 0)
        before = copier.size()
        process = copier.start()
        try:
            until(partial(copier.wrote_more, before), process)
            for _ in range(chance.randrange(4)):
                copier.write(chance)
                time.sleep(chance.random() * 0.02)
        finally:
            process.kill()
            process.wait()
        copier.write(chance)
    with copier.path.open("a") as file:
        file.write("end\n")
    assert copier.start().wait(DEADLINE) == 0
    assert copier.read() == copier.lines


def test_every_line_is_written_once(tmp_path: Path) -> None:
    killed_often(tmp_path, 4, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(8))
def test_every_line_is_written_once_for_long(tmp_path: Path, seed: int) -> None:
    killed_often(tmp_path, 20, seed)

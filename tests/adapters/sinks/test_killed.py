"""A process that follows a file into another is killed for real, again and again."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

COPIER = Path(__file__).with_name("copier.py")
ROOT = Path(__file__).parents[3]
DEADLINE = 30.0


class Copier:
    """The process, and what it follows and writes."""

    def __init__(self, folder: Path) -> None:
        self.path, self.out = folder / "app.log", folder / "out.jsonl"
        self.lines: list[str] = []
        self._arguments = [str(self.path), str(self.out), str(folder / "events.db")]

    def start(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen([sys.executable, str(COPIER), *self._arguments], env=environment)

    def write(self, chance: random.Random) -> None:
        """Some lines, some of them large, in parts; perhaps a rotation."""
        with self.path.open("a", buffering=1) as file:
            for _ in range(chance.randrange(1, 200)):
                line = f"{len(self.lines)} " + "x" * chance.choice([0, 10, 2_000])
                self.lines.append(line)
                file.write(line[:4])
                file.write(line[4:] + "\n")
        if chance.random() < 0.5:
            for number in range(100, 0, -1):
                if Path(f"{self.path}.{number}").exists():
                    os.rename(f"{self.path}.{number}", f"{self.path}.{number + 1}")
            os.rename(self.path, f"{self.path}.1")

    def read(self) -> list[str]:
        return [orjson.loads(line) for line in self.out.read_bytes().splitlines()]

    def size(self) -> int:
        return self.out.stat().st_size if self.out.exists() else 0


def until_more(copier: Copier, before: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until it has written something."""
    end = time.monotonic() + DEADLINE
    while copier.size() <= before:
        assert process.poll() is None, "it ended"
        assert time.monotonic() < end, "it wrote nothing in time"
        time.sleep(0.002)


def killed_often(folder: Path, kills: int, seed: int) -> None:
    """Kill it while it writes; at last let it end, and look."""
    chance = random.Random(seed)
    copier = Copier(folder)
    for _ in range(kills):
        copier.write(chance)
        before = copier.size()
        process = copier.start()
        try:
            until_more(copier, before, process)
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

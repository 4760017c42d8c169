"""Killed anywhere, any number of times: nothing seen is lost, nothing is doubled, the end is the same."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tests.torture.__main__ import text
from tests.torture.campaign import ORDERS, OUTSIDE, Result, Torture, again
from tests.torture.failpoints import POINTS
from tests.torture.nursery import Nursery
from tests.torture.sabotage import CONTROLS
from tests.torture.shapes import SHAPES

ROOT = Path(__file__).parents[2]


def exact(result: Result, least: int = 1) -> None:
    """Nothing differs, and every failpoint killed often enough."""
    assert not result.mismatches, text(result)
    rare = [point for point in (*POINTS, OUTSIDE) if result.killed[point] < least]
    assert not rare, text(result)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as found:
        yield found


@pytest.mark.timeout(600)
def test_a_hundred_kills_change_nothing(nursery: Nursery, tmp_path: Path) -> None:
    result = Torture(nursery, tmp_path, kills=100, most_kills=8, least=1).run()
    assert result.kills >= 100
    exact(result)


@pytest.mark.slow
def test_a_thousand_kills_change_nothing(nursery: Nursery, tmp_path: Path) -> None:
    shapes = [*SHAPES, *(f"random_{number}" for number in range(100, 112))]
    result = Torture(nursery, tmp_path, kills=1_000, seed=1, shapes=shapes, least=10).run()
    assert result.kills >= 1_000
    exact(result, least=10)


class TestTheCheckerSees:
    """Each of these breaks the engine of the workload on purpose."""

    @pytest.mark.parametrize("name", CONTROLS)
    def test_what_is_broken(self, nursery: Nursery, tmp_path: Path, name: str) -> None:
        control = CONTROLS[name]
        torture = Torture(
            nursery, tmp_path, kills=99, shapes=[control.shape], sabotage=name, most_kills=5
        )
        assert torture.run().mismatches, f"{control.breaks.__doc__} Nobody noticed."


def command(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """`python -m tests.torture`, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "tests.torture", *arguments], cwd=ROOT, capture_output=True
    )


class TestTheCommand:
    def test_counts_kills_and_keeps_nothing_when_all_is_well(self, tmp_path: Path) -> None:
        done = command("--kills", "3", "--shape", "failing", "--json", "--folder", str(tmp_path))
        assert done.returncode == 0, done.stderr
        figures = orjson.loads(done.stdout)
        assert figures["kills"] >= 3
        assert figures["shapes"]["failing"]["kills"] == figures["kills"]
        assert list(tmp_path.iterdir()) == []

    def test_names_the_seed_and_keeps_the_log_of_what_differs(
        self, nursery: Nursery, tmp_path: Path
    ) -> None:
        arguments = ("--kills", "40", "--shape", "linear", "--sabotage", "lossy_codec")
        done = command(*arguments, "--folder", str(tmp_path))
        assert done.returncode == 1, done.stderr
        said = done.stdout.decode()
        assert "MISMATCH in linear, seed 0/linear/" in said
        kept = next(path for path in tmp_path.rglob("events.db"))
        assert str(kept.parent) in said
        (tmp_path / "again").mkdir()
        once_more = again(nursery, kept.parent / ORDERS, tmp_path / "again")
        assert any("pairs" in line for line in once_more)

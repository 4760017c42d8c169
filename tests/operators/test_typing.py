"""Type checkers follow chains, and accept the definition of Stream."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.shipped import ROOT

SAMPLES = "tests/operators/typing_samples.py"
PIPES = "tests/operators/pipe_samples.py"


def checked(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, check=False, cwd=ROOT
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.timeout(240)
def test_mypy_follows_chains_of_methods() -> None:
    assert checked("mypy", SAMPLES, "rxstream/_fluent.pyi") == ""


@pytest.mark.timeout(240)
def test_pyright_follows_chains_of_methods_and_of_operators() -> None:
    python = ("--pythonpath", sys.executable)
    files = (SAMPLES, PIPES, "rxstream/stream.py", "rxstream/_fluent.pyi")
    assert checked("pyright", *python, *files) == ""


def test_a_wrong_chain_is_found(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("import rxstream\nrxstream.of(1).map(len)\n", "utf-8")
    assert "[arg-type]" in checked("mypy", str(wrong))

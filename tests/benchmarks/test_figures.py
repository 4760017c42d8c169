"""Every figure in its short form: it can be measured, and what was asked for is reached."""

from __future__ import annotations

import pytest

from tests.benchmarks import FIGURES
from tests.benchmarks.harness import table


@pytest.mark.benchmark
@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_reaches_what_was_asked_for(name: str) -> None:
    lines = FIGURES[name](True)
    print(f"\n{table(lines)}")
    assert lines
    assert not [row for row in lines if not row.held]

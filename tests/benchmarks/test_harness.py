"""The arithmetic the figures rest on."""

from __future__ import annotations

from functools import partial

import pytest

from tests.benchmarks import rivals
from tests.benchmarks.harness import (
    Row,
    Spread,
    absent,
    interleave,
    percentile,
    ratios,
    spread,
    table,
)


def test_every_way_runs_once_a_round_and_another_one_begins() -> None:
    ran: list[str] = []

    def run(name: str) -> float:
        ran.append(name)
        return 1.0

    samples = interleave({name: partial(run, name) for name in "abc"}, 3)
    assert "".join(ran) == "cab" + "abc" + "bca" + "cab"
    assert samples == {"a": [1.0] * 3, "b": [1.0] * 3, "c": [1.0] * 3}


def test_a_ratio_is_taken_within_its_round() -> None:
    slowing_down = {"base": [1.0, 2.0, 4.0], "twice": [2.0, 4.0, 8.0]}
    assert ratios(slowing_down, "twice", "base") == Spread(2.0, 2.0, 2.0)


def test_a_spread_is_the_quartiles() -> None:
    assert spread([5.0, 1.0, 4.0, 2.0, 3.0]) == Spread(2.0, 3.0, 4.0)


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(n) for n in range(1, 101)]
    assert percentile(values, 0.5) == 50.0
    assert percentile(values, 0.99) == 99.0
    assert percentile([7.0], 0.99) == 7.0


def test_a_missed_floor_is_said_in_the_table() -> None:
    row = Row("speed", "ours", Spread(1.0, 2.0, 3.0), "ms", None, "< 1 ms", held=False)
    assert (
        table([row]).splitlines()[-1]
        == "| speed | ours | 2.00 (1.00–3.00) ms |  | < 1 ms — missed |"
    )


def test_a_rival_that_is_not_installed_is_a_line_that_says_how() -> None:
    assert "| ten | tortoise | not installed: `pip install 'rxstream[bench]'` |  |  |" in table(
        [absent("ten", "tortoise", "bench")]
    )


def test_a_table_needs_no_rival(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rivals, "installed", lambda package: package in ("reactivex", "rxstream"))
    monkeypatch.setattr(rivals, "ASYNC_COUNT", 100)
    lines = rivals.measure(short=True)
    assert [row.way for row in lines if row.cost is None] == [
        *rivals.RIVALS,
        *rivals.RIVALS,
        *[way for way in rivals.MAPPED if not way.startswith(("reactivex", "rxstream"))] * 2,
    ]

"""The time that is left is told from how fast a percentage rises."""

from __future__ import annotations

import io
from datetime import datetime

import orjson
import pytest
from rich.console import Console

from rxstream.adapters.terminal.lines import PlainLines
from rxstream.adapters.terminal.remaining import TimeLeft
from rxstream.adapters.terminal.state import RunState
from rxstream.adapters.terminal.view import render
from rxstream.events import StreamEvent, draft, seal


def left(*seen: tuple[float, float | None], now: float | None = None) -> float | None:
    made = TimeLeft()
    for at, percentage in seen:
        made.add(at, percentage)
    return made.at(seen[-1][0] if now is None else now)


@pytest.mark.parametrize(
    ("seen", "now", "expected"),
    [
        ([(0, 0), (10, 25)], None, 30.0),
        ([(0, 0), (10, 25)], 15, 25.0),
        ([(0, 0), (10, 25)], 100, 0.0),
        ([(0, 0)], None, None),
        ([(0, 0), (0.5, 10)], None, None),
        ([(0, 10), (10, 10)], None, None),
        ([(0, 0), (10, 100)], None, None),
        ([(0, 50), (10, 60), (11, 0), (13, 10)], None, 18.0),
        ([(0, 0), (10, 50), (11, None)], None, None),
    ],
)
def test_it_is_what_the_rise_lets_expect(
    seen: list[tuple[float, float | None]], now: float | None, expected: float | None
) -> None:
    assert left(*seen, now=now) == expected


def test_only_the_last_half_minute_counts_and_little_is_kept() -> None:
    made = TimeLeft()
    for tenth in range(1_000):
        made.add(tenth / 10, tenth / 100)  # a tenth of a percent a second
    made.add(100, 10.0)
    for tenth in range(1, 400):
        made.add(100 + tenth / 10, 10 + tenth / 10)  # one percent a second
    assert made.at(139.9) == pytest.approx(50.1)
    assert len(made._seen) <= 62


def reading(at: int, percentage: float) -> StreamEvent:
    moment = datetime.fromtimestamp(at).astimezone().isoformat().encode()
    data = orjson.dumps({"percentage": percentage, "message": "reading", "status": "running"})
    return seal(draft("step_progress", "file", data, at=moment), "x", "e", at)


def test_a_picture_and_lines_tell_it() -> None:
    state, now = RunState(), 0.0
    lines = PlainLines(clock=lambda: now)
    told: list[str] = []
    for now, percentage in ((1.0, 10.0), (11.0, 20.0)):
        state.apply(reading(int(now), percentage))
        told += lines.lines(reading(int(now), percentage))
    console = Console(file=io.StringIO(), width=100, record=True)
    console.print(render(state, now=16.0))
    assert "20 % 1:15 left reading" in console.export_text()
    assert told == ["file: 10 % reading", "file: 20 % 1:20 left reading"]

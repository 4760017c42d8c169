"""How anything is measured here: every way of doing it in turn, many rounds, and ratios within a round.

Other work on the machine slows all ways of a round alike, so a ratio taken within the round holds where a
time does not. Throughput is counted in CPU time of the whole process, all threads. Knows nothing of what is
measured.
"""

from __future__ import annotations

import gc
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import quantiles
from typing import NamedTuple

import structlog

Samples = dict[str, list[float]]
"""What each way cost, a number for each round, in the order of the rounds."""


class Spread(NamedTuple):
    """A median between its quartiles."""

    low: float
    median: float
    high: float

    def __str__(self) -> str:
        return f"{shown(self.median)} ({shown(self.low)}–{shown(self.high)})"

    def scaled(self, factor: float) -> Spread:
        """In another unit."""
        return Spread(*(value * factor for value in self))


@dataclass(frozen=True)
class Row:
    """One line of the table: one way of doing one thing."""

    figure: str
    way: str
    cost: Spread | None
    """None where it was not measured; `unit` then says why."""
    unit: str
    ratio: Spread | None = None
    """Cost over that of the figure's base, round by round."""
    wanted: str = ""
    """What was asked for; empty where nothing was."""
    held: bool = True
    """Whether it is reached."""


@contextmanager
def quiet() -> Iterator[None]:
    """Errors only are logged: a line for each execution is not what is measured."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    try:
        yield
    finally:
        structlog.configure(**before)


def spread(values: Sequence[float]) -> Spread:
    """The median and the quartiles of at least two values."""
    return Spread(*quantiles(values, n=4, method="inclusive"))


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least this share (0–1) of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def shown(value: float) -> str:
    """Three digits that matter."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def interleave(ways: Mapping[str, Callable[[], float]], rounds: int) -> Samples:
    """Run every way once a round, beginning with another one each time; each returns its cost.

    A first round, in which caches fill, is not counted.
    """
    names = list(ways)
    samples: Samples = {name: [] for name in names}
    for number in range(-1, rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            gc.collect()
            cost = ways[name]()
            if number >= 0:
                samples[name].append(cost)
    return samples


def ratios(samples: Samples, name: str, base: str) -> Spread:
    """Cost of one way over that of another in the same round."""
    return spread([a / b for a, b in zip(samples[name], samples[base], strict=True)])


def rows(figure: str, samples: Samples, base: str, unit: str, scale: float = 1.0) -> list[Row]:
    """A line for each way; `scale` turns what the ways returned into the unit."""
    return [
        Row(figure, name, spread(costs).scaled(scale), unit, ratios(samples, name, base))
        for name, costs in samples.items()
    ]


def absent(figure: str, name: str, extra: str) -> Row:
    """The line of a rival that is not installed."""
    return Row(figure, name, None, f"not installed: `pip install 'rxstream[{extra}]'`")


def cpu(function: Callable[[], object]) -> float:
    """Seconds of CPU a call takes, in all threads of this process."""
    begun = time.process_time()
    function()
    return time.process_time() - begun


def table(lines: Iterable[Row]) -> str:
    """The rows in Markdown."""
    text = ["| figure | way | median (quartiles) | to the base | wanted |", "|---|---|--:|--:|---|"]
    before = ""
    for row in lines:
        wanted = f"{row.wanted}{'' if row.held else ' — missed'}" if row.wanted else ""
        figure, before = row.figure if row.figure != before else "", row.figure
        ratio = str(row.ratio) if row.ratio is not None else ""
        cost = f"{row.cost} {row.unit}" if row.cost is not None else row.unit
        text.append(f"| {figure} | {row.way} | {cost} | {ratio} | {wanted} |")
    return "\n".join(text)

"""What is measured; `python -m tests.benchmarks` prints it all as one table (docs/figures.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from tests.benchmarks.harness import Row, quiet

_NAMES = (
    "chains",
    "building",
    "latency",
    "steps",
    "streaming",
    "commands",
    "files",
    "screens",
    "demo",
    "fanout",
    "durable",
    "acknowledgement",
    "cuts",
    "memory",
    "chat",
    "answers",
    "rivals",
)


def _measure(name: str) -> Callable[[bool], list[Row]]:
    # imported when measured: one that needs a missing part leaves the others alone
    def measure(short: bool) -> list[Row]:
        with quiet():
            found: list[Row] = import_module(f"tests.benchmarks.{name}").measure(short)
        return found

    return measure


FIGURES: Mapping[str, Callable[[bool], list[Row]]] = {name: _measure(name) for name in _NAMES}

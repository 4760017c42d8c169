"""Windows in short, and the elements `(time, name)` they are made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rxstream.operators.event_windows import window_by_event_time
from rxstream.operators.panes import Window
from rxstream.stream import source
from tests.operators.parts import told


def when(item: Any) -> float:
    time: float = item[0]
    return time


def name(item: Any) -> Any:
    return item[1]


def shown(window: Any) -> Any:
    """A window in short: start, end, names of its elements."""
    if not isinstance(window, Window):
        return window
    return (window.start, window.end, "".join(str(name(item)) for item in window.value))


def by_event(items: Iterable[Any], *args: Any, **options: Any) -> list[Any]:
    """Windows, in short, of elements `(time, name)`; the end is `|`, an error its text."""
    found = told(source(list(items)).pipe(window_by_event_time(when, *args, **options)))
    return [shown(item[1]) if item[0] == "next" else (item[1:] or ("|",))[0] for item in found]


def row(text: str) -> list[tuple[int, str]]:
    """`1a 5b` as elements with a time and a name."""
    return [(int(each[:-1]), each[-1]) for each in text.split()]

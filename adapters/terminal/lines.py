"""Tells a run in plain lines, for a log file or a pipe that a person may read later.

Only what changes the picture is told: beginnings, endings, errors, questions, calls of tools once they are
over, and each node's progress at most every two seconds. Other outputs are counted, not shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from rxstream.adapters.terminal.calls import KINDS, Calls
from rxstream.adapters.terminal.remaining import TimeLeft
from rxstream.adapters.terminal.text import brief, duration, left_over, one_line
from rxstream.events import EventType, StreamEvent

_PROGRESS_INTERVAL: Final = 2.0

_MARKS: Final = {"running": "●", "done": "✓", "failed": "✗", "cancelled": "–"}


class PlainLines:
    """Turns events into lines; most events give none."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: dict[str, float] = {}
        self._left: dict[str, TimeLeft] = {}
        self._calls = Calls()

    def lines(self, event: StreamEvent) -> Iterator[str]:
        """What to print for the next event, without a newline."""
        kind = event.event_type
        if kind == EventType.STEP_START:
            return
        if kind == EventType.STEP_OUTPUT and b'"tool_' not in event.json:
            return  # not even parsed: there may be many
        data: dict[str, Any] = event.data if isinstance(event.data, dict) else {}
        if kind == EventType.STEP_OUTPUT:
            yield from self._output(event, data)
        elif kind == EventType.PIPELINE_START:
            yield one_line(f"{data.get('graph')} {event.execution_id} started")
        elif kind == EventType.STEP_PROGRESS:
            # of no node is where an execution stands that waits for its turn
            yield from self._progress(event.step_id or str(data.get("status")), data)
        elif kind == EventType.STEP_COMPLETE:
            self._told.pop(str(event.step_id), None)
            self._left.pop(str(event.step_id), None)
            yield one_line(f"{event.step_id}: {_ended(data)}{_after(data)}")
        elif kind == EventType.STEP_ERROR:
            again = (
                f" (attempt {data.get('attempt')}, trying again)" if data.get("will_retry") else ""
            )
            yield one_line(f"{event.step_id}: failed: {data['error']['message']}{again}")
        elif kind == EventType.INPUT_REQUESTED:
            yield one_line(f"{event.step_id} asks: {data.get('message')}")
        elif kind == EventType.INPUT_RECEIVED:
            by = f" by {data['by']}" if data.get("by") else ""
            how = "answered" if data.get("request_id") else "was sent"
            yield one_line(f"{event.step_id}: {how}{by}: {brief(data.get('value'))}")
        elif kind == EventType.GAP:
            yield _gap(data)
        elif kind == EventType.PIPELINE_COMPLETE:
            yield one_line(f"completed{_after(data)}")

    def _output(self, event: StreamEvent, data: dict[str, Any]) -> Iterator[str]:
        if data.get("type") not in KINDS:
            return
        at = event.timestamp.timestamp()
        call = self._calls.take(str(event.step_id), data, at)
        if call is not None:
            words = [call.name, call.asked, f"→ {call.gave}" if call.gave else ""]
            spent = call.seconds(at)
            after = "" if spent is None else f" in {duration(spent)}"
            yield one_line(
                f"{event.step_id}: {_MARKS[call.state]} {' '.join(filter(None, words))}{after}"
            )

    def _progress(self, node: str, data: dict[str, Any]) -> Iterator[str]:
        now = self._clock()
        percentage = data.get("percentage")
        expected = self._left.setdefault(node, TimeLeft())
        expected.add(now, percentage)
        due = now - self._told.get(node, float("-inf")) >= _PROGRESS_INTERVAL
        if not due and percentage != 100:
            return
        self._told[node] = now
        known = f" {percentage:.0f} %" if isinstance(percentage, int | float) else ""
        seconds = expected.at(now)
        left = f" {left_over(seconds)} left" if seconds is not None else ""
        message = f" {data['message']}" if data.get("message") else ""
        if known or message:
            yield one_line(f"{node}:{known}{left}{message}")


def _gap(data: dict[str, Any]) -> str:
    first = data.get("first_available")
    if missed := data.get("missed"):
        return one_line(f"{missed:,} earlier events are no longer available, going on from {first}")
    # another log, or ahead of this one: nobody knows what lies between
    return one_line(f"{data.get('requested')} is no place in this log, going on from {first}")


def _ended(data: dict[str, Any]) -> str:
    """How a node ended; items are of no interest of a step that showed none."""
    if data.get("skipped"):
        return "skipped"
    said = ["done by its fallback" if data.get("fallback") else "done"]
    if data.get("count") or "output" not in data:
        said.append(_elements(data))
    if letters := data.get("dead_letters"):
        said.append("1 dead letter" if letters == 1 else f"{letters:,} dead letters")
    return ", ".join(said)


def _elements(data: dict[str, Any]) -> str:
    count = data.get("count", 0)
    return "1 element" if count == 1 else f"{count:,} elements"


def _after(data: dict[str, Any]) -> str:
    spent = data.get("duration_ms")
    return f" in {duration(spent / 1_000)}" if isinstance(spent, int | float) else ""

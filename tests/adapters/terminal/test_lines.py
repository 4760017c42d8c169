"""Plain lines tell what changes and leave out what only repeats."""

from __future__ import annotations

from typing import Any

from rxstream.adapters.terminal.lines import PlainLines
from rxstream.events import StreamEvent, gap
from tests.adapters.terminal.test_state import event


def told(*events: StreamEvent, seconds_between: float = 0.0) -> list[str]:
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += seconds_between
        return now

    lines = PlainLines(clock)
    return [line for each in events for line in lines.lines(each)]


def test_a_run_in_lines() -> None:
    assert told(
        event("pipeline_start", {"graph": "errors"}),
        event("step_start", {}, "bad"),
        event("step_output", "x", "bad"),
        event(
            "step_error",
            {"error": {"message": "no\nroom"}, "attempt": 1, "will_retry": True},
            "bad",
        ),
        event("step_complete", {"count": 1, "duration_ms": 900}, "bad"),
        event("pipeline_complete", {"result": "x", "duration_ms": 61_000}),
    ) == [
        "errors e1 started",
        "bad: failed: no room (attempt 1, trying again)",
        "bad: done, 1 element in 0.90 s",
        "completed in 1:01",
    ]


def test_progress_is_told_every_two_seconds_and_at_its_end() -> None:
    steps = [event("step_progress", {"percentage": p, "message": "file"}, "n") for p in range(101)]
    lines = told(*steps, seconds_between=0.1)
    assert 5 <= len(lines) <= 8
    assert (lines[0], lines[-1]) == ("n: 0 % file", "n: 100 % file")


def test_an_execution_that_waits_says_where_it_stands() -> None:
    stands = {"percentage": None, "message": "number 3 in the queue", "status": "queued"}
    assert told(event("step_progress", stands)) == ["queued: number 3 in the queue"]


def test_a_gap_says_where_it_goes_on() -> None:
    assert told(gap("e1", "abcd", "3", 10, 6)) == [
        "6 earlier events are no longer available, going on from 10"
    ]
    assert told(gap("e1", "abcd", "ffff:45", 1, None)) == [
        "ffff:45 is no place in this log, going on from 1"
    ]


def test_a_question_and_its_answer_are_told() -> None:
    asked: dict[str, Any] = {
        "request_id": "ask-1",
        "message": "publish\nit?",
        "schema": {},
        "expires_at": None,
    }
    assert told(
        event("input_requested", asked, "ask"),
        event("input_received", {"request_id": "ask-1", "value": True, "by": "ann"}, "ask"),
        event("input_received", {"request_id": None, "value": "hurry", "by": None}, "ask"),
    ) == ["ask asks: publish it?", "ask: answered by ann: true", "ask: was sent: hurry"]


def test_the_end_of_a_step_of_a_pipeline_says_what_matters() -> None:
    def ended(**data: object) -> list[str]:
        whole = {"output": {}, "count": 0, "duration_ms": 100, **data}
        return told(event("step_complete", whole, "s"))

    assert ended() == ["s: done in 0.10 s"]
    assert ended(count=2, dead_letters=1) == ["s: done, 2 elements, 1 dead letter in 0.10 s"]
    assert ended(dead_letters=20, fallback=True) == [
        "s: done by its fallback, 20 dead letters in 0.10 s"
    ]
    assert ended(skipped=True) == ["s: skipped in 0.10 s"]

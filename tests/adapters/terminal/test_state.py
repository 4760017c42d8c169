"""What a person sees of a run follows from its events alone."""

from __future__ import annotations

from typing import Any

import orjson

from rxstream.adapters.terminal.state import MAX_NODES, RECENT, TEXT_TAIL, Rate, RunState
from rxstream.events import StreamEvent, draft, gap, seal


def event(
    kind: str, data: Any, step: str | None = None, at: int = 0, number: int = 1
) -> StreamEvent:
    stamp = f"2026-01-02T03:04:{at:02}.000000Z".encode()
    return seal(draft(kind, step, orjson.dumps(data), at=stamp), "e1", "abcd", number)


def reduced(*events: StreamEvent) -> RunState:
    state = RunState()
    for each in events:
        state.apply(each)
    return state


def test_a_run_that_ends_well() -> None:
    state = reduced(
        event("pipeline_start", {"graph": "errors", "params": {}}),
        event("step_start", {}, "bad"),
        event("step_output", "x", "bad", at=1),
        event("step_complete", {"count": 1, "duration_ms": 900}, "bad", at=2),
        event("pipeline_complete", {"result": "x", "duration_ms": 2000}, at=2),
    )
    assert (state.graph, state.status, state.result, state.ended) == (
        "errors",
        "completed",
        "x",
        True,
    )
    assert (state.nodes["bad"].state, state.nodes["bad"].count) == ("completed", 1)
    assert list(state.recent) == [("bad", "x")]
    assert state.elapsed(now=1e12) == 2.0


def test_the_time_it_waited_is_not_the_time_it_ran() -> None:
    stands = {"percentage": None, "message": "number 3 in the queue", "status": "queued"}
    waits = event("step_progress", stands)
    assert reduced(waits).status == "queued"
    begun = event("pipeline_start", {"graph": "errors"}, at=10)
    ended = event("pipeline_complete", {"result": None}, at=12)
    assert reduced(waits, begun, ended).elapsed(now=1e12) == 2.0


def test_endings_are_told_apart() -> None:
    failed = event("pipeline_error", {"error": {"code": "node_failed", "message": "boom"}})
    died = event("pipeline_error", {"error": {"code": "interrupted", "message": "died"}})
    cancelled = event("pipeline_cancelled", {"reason": "enough"})
    assert [reduced(e).status for e in (failed, died, cancelled)] == [
        "failed",
        "interrupted",
        "cancelled",
    ]


def test_a_retried_error_leaves_the_node_running() -> None:
    error = {"error": {"message": "boom"}, "attempt": 1}
    assert (
        reduced(event("step_error", {**error, "will_retry": True}, "n")).nodes["n"].state
        == "running"
    )
    assert (
        reduced(event("step_error", {**error, "will_retry": False}, "n")).nodes["n"].state
        == "failed"
    )


def test_tokens_grow_and_only_their_end_is_kept() -> None:
    state = reduced(
        *(event("step_output", {"type": "token", "text": f"{n} "}, "model") for n in range(5_000))
    )
    assert state.nodes["model"].text.endswith("4998 4999 ")
    assert len(state.nodes["model"].text) == TEXT_TAIL
    assert not state.recent


def test_an_answer_that_begins_anew_is_shown_from_its_beginning() -> None:
    said = [{"type": "token", "text": "no"}, {"type": "restarted", "message": "anew"}]
    said.append({"type": "token", "text": "yes"})
    state = reduced(*(event("step_output", each, "model") for each in said))
    assert state.nodes["model"].text == "yes"


def test_what_is_kept_is_bounded() -> None:
    state = reduced(*(event("step_output", n, f"node_{n}") for n in range(MAX_NODES + 7)))
    assert (len(state.nodes), state.unlisted, len(state.recent)) == (MAX_NODES, 7, RECENT)


def test_a_gap_counts_what_is_missed() -> None:
    assert reduced(gap("e1", "abcd", "3", 10, 6)).missed == 6


def test_events_of_the_log_are_not_made_larger_by_looking_at_them() -> None:
    seen = event("step_output", {"large": "element"}, "n")
    reduced(seen)
    assert seen._fields is None


def test_a_rate_is_of_the_last_seconds_and_falls_to_nothing() -> None:
    rate = Rate()
    for second in range(20):
        for _ in range(50):
            rate.add(1_000.0 + second)
    assert 45 <= rate.at(1_020.0) <= 55
    assert rate.at(1_040.0) == 0.0

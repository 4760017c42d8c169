"""The picture of a run fits the screen, shows what matters, and never lets an element act on it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from rxstream.adapters.terminal.state import RunState
from rxstream.adapters.terminal.text import brief, duration, one_line
from rxstream.adapters.terminal.view import render
from tests.adapters.terminal.test_state import event, reduced


def drawn(state: RunState, width: int = 80, height: int = 24, now: float = 0.0) -> list[str]:
    file = io.StringIO()
    console = Console(file=file, width=width, height=height, force_terminal=True, color_system=None)
    console.print(render(state, now=now, width=width, height=height))
    return file.getvalue().splitlines()


def busy(nodes: int, tokens: bool = False) -> RunState:
    events = [event("pipeline_start", {"graph": "many"})]
    for n in range(nodes):
        events.append(event("step_output", {"n": "x" * 500}, f"node_{n}", at=1))
    if tokens:
        events += [event("step_output", {"type": "token", "text": "word " * 400}, "model")]
    return reduced(*events)


def test_a_node_shows_its_count_progress_and_message() -> None:
    state = reduced(
        event("pipeline_start", {"graph": "errors"}),
        event(
            "step_progress", {"percentage": 62, "message": "app.log", "status": "running"}, "lines"
        ),
        *(event("step_output", n, "lines", at=1) for n in range(1_234)),
    )
    text = "\n".join(drawn(state, width=100))
    assert "errors" in text
    assert "1,234" in text
    assert "62 % app.log" in text
    assert "━" in text


@pytest.mark.parametrize("height", [5, 10, 24, 60])
@pytest.mark.parametrize("width", [30, 80, 200])
@pytest.mark.parametrize("nodes", [0, 1, 8, 300])
@pytest.mark.parametrize("tokens", [False, True])
def test_the_picture_fits_the_screen(height: int, width: int, nodes: int, tokens: bool) -> None:
    lines = drawn(busy(nodes, tokens), width, height)
    assert len(lines) <= height - 1
    assert max(map(len, lines)) <= width


def test_nodes_that_do_not_fit_are_counted() -> None:
    assert any("more nodes" in line for line in drawn(busy(300)))


def test_the_end_of_the_tokens_is_shown() -> None:
    state = reduced(
        *(event("step_output", {"type": "token", "text": f"{n} "}, "model") for n in range(900))
    )
    assert any("899" in line for line in drawn(state))


def test_escape_sequences_in_elements_and_errors_do_nothing() -> None:
    evil = "\x1b[2J\x9b31m\x07‮red"
    state = reduced(
        event("step_output", evil, "n"),
        event("step_output", {"type": "token", "text": evil}, "m"),
        event("step_error", {"error": {"message": evil}}, "n"),
        event("pipeline_error", {"error": {"code": "x", "message": evil}}),
    )
    text = "\n".join(drawn(state))
    assert not set(text) & set("\x1b\x9b\x07‮")
    assert "red" in text


def test_markup_in_elements_is_shown_as_it_is() -> None:
    assert any(
        "[red]x[/nope]" in line
        for line in drawn(reduced(event("step_output", "[red]x[/nope]", "n")))
    )


def test_text_is_cut_to_one_line() -> None:
    assert one_line("a\n  b\tc") == "a b c"
    assert one_line("abcdef", 4) == "abc…"
    assert brief({"a": [1]}) == '{"a":[1]}'
    assert [duration(s) for s in (0.424, 12.34, 185, 3723)] == [
        "0.42 s",
        "12.3 s",
        "3:05",
        "1:02:03",
    ]


def test_an_open_question_is_shown_until_it_is_answered() -> None:
    asked: dict[str, Any] = {
        "request_id": "ask-1",
        "message": "publish it?",
        "schema": {},
        "expires_at": None,
    }
    answered = {"request_id": "ask-1", "value": True, "by": None}
    state = reduced(event("input_requested", asked, "ask"))
    assert "asks: publish it?" in "\n".join(drawn(state))
    state.apply(event("input_received", answered, "ask"))
    assert "asks" not in "\n".join(drawn(state))
    state.apply(event("input_requested", asked, "ask"))
    state.apply(event("pipeline_cancelled", {"reason": "cancelled"}))
    assert "asks" not in "\n".join(drawn(state))


def test_an_attempt_that_failed_hides_no_progress() -> None:
    error = {"error": {"message": "not now"}, "attempt": 1, "will_retry": True}
    state = reduced(
        event("step_progress", {"percentage": 50, "message": "5 of 10", "status": "running"}, "n"),
        event("step_error", error, "n"),
    )
    assert "50 % 5 of 10  not now" in "\n".join(drawn(state))
    state.apply(event("step_error", {**error, "will_retry": False}, "n"))
    assert "5 of 10" not in "\n".join(drawn(state))

"""Calls of tools are shown as people expect them: what they say, how they ended, how long they took."""

from __future__ import annotations

from typing import Any

import pytest

from rxstream.adapters.terminal.calls import LINES, MOST
from rxstream.adapters.terminal.state import RunState
from rxstream.events import StreamEvent
from tests.adapters.terminal.test_lines import told
from tests.adapters.terminal.test_state import event, reduced
from tests.adapters.terminal.test_view import drawn

START = event("pipeline_start", {"graph": "chat"})


def called(id: str = "c1", name: str = "bash", **arguments: Any) -> StreamEvent:
    element = {"type": "tool_call", "id": id, "name": name, "arguments": arguments}
    return event("step_output", element, "agent")


def put_out(text: str, channel: str = "stdout", id: str = "c1", **more: Any) -> StreamEvent:
    element = {"type": "tool_output", "id": id, "channel": channel, "text": text, **more}
    return event("step_output", element, "agent", at=1)


def gave(id: str = "c1", **outcome: Any) -> StreamEvent:
    element = {"type": "tool_result", "id": id, "name": "bash", **outcome}
    return event("step_output", element, "agent", at=2)


def rows(state: RunState, now: float = 0.0) -> list[str]:
    """The lines below the table of nodes."""
    lines = [line for line in drawn(state, 100, 40, now) if line.startswith("  ")]
    return [line.strip() for line in lines[1:]]


def test_a_call_that_runs_shows_the_end_of_its_output_and_how_far_it_is() -> None:
    began = called(command="make")
    state = reduced(
        START,
        began,
        put_out("".join(f"line {n}\n" for n in range(20))),
        put_out("a warn"),
        put_out("ing\n"),
        put_out("10 %\r50 %\r", "stderr"),
        put_out("90 %", "stderr"),
        put_out("linking", "progress", percentage=75),
    )
    now = began.timestamp.timestamp() + 3
    assert rows(state, now) == [
        "agent ● bash make  75 % linking  3.0 s",
        "│ line 19",
        "│ a warning",
        "│ 90 %",
    ]
    (call,) = state.calls
    assert len(call.lines) == LINES
    assert call.lines[-1] == ("stderr", "90 %")


@pytest.mark.parametrize(
    ("outcome", "line"),
    [
        ({"result": 12}, "agent ✓ bash make  12  2.0 s"),
        ({"result": None}, "agent ✓ bash make  2.0 s"),
        ({"result": {"a": 1}, "brief": "one\ntwo"}, "agent ✓ bash make  one  2.0 s"),
        ({"result": {"exit_code": 0}, "brief": "[exit code 0]"}, "agent ✓ bash make  2.0 s"),
        ({"result": {"exit_code": 3}}, "agent ✗ bash make  exit code 3  2.0 s"),
        ({"error": {"code": "x", "message": "no disk"}}, "agent ✗ bash make  no disk  2.0 s"),
        ({"error": {"code": "cancelled"}}, "agent – bash make  cancelled  2.0 s"),
    ],
)
def test_a_call_that_is_over_is_one_line(outcome: dict[str, Any], line: str) -> None:
    state = reduced(START, called(command="make"), put_out("working\n"), gave(**outcome))
    assert rows(state) == [line]


def test_in_plain_lines_a_call_is_told_once_it_is_over() -> None:
    assert told(
        called(command="make", jobs=2),
        put_out("working\n"),
        gave(error={"code": "x", "message": "no\ndisk"}),
        gave("c2", result="ok"),
    ) == ["agent: ✗ bash command=make jobs=2 → no disk in 2.0 s", "agent: ✓ bash → ok"]


def test_what_still_ran_at_the_end_was_cancelled_and_nothing_acts_on_the_terminal() -> None:
    state = reduced(START, called(name="\x1b[2Jbash", command="a\x1b[1mb"), put_out("\x1b[2Jx\n"))
    assert not any("\x1b[2J" in row for row in rows(state))
    state.apply(event("pipeline_cancelled", {"reason": "enough"}, at=4))
    assert rows(state) == ["agent – [2Jbash a[1mb  4.0 s"]


def test_thoughts_and_the_end_of_an_answer_are_no_rows_and_messages_are() -> None:
    said = [
        {"type": "reasoning", "text": "hm"},
        {"type": "token", "text": "It is."},
        {"type": "turn", "turn": 1},
        {"type": "message", "role": "user", "content": "be quick"},
        {"type": "error", "kind": "world", "message": "gone"},
        {"type": "done", "text": "It is."},
    ]
    state = reduced(START, *(event("step_output", each, "agent") for each in said))
    assert rows(state) == ["agent ← be quick", "agent ✗ gone"]
    assert state.nodes["agent"].text == "It is.\n\n"


def test_however_many_calls_run_so_many_are_known() -> None:
    state = reduced(START, *(called(f"c{n}") for n in range(MOST + 10)))
    assert len(list(state.calls)) == MOST
    assert len(drawn(state, 80, 24)) <= 23

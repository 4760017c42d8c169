"""A turn is folded from events, the same each time; a conversation tells models what was said."""

from __future__ import annotations

import orjson

from rxstream.adapters.terminal.chat import Conversation, Turn
from rxstream.adapters.terminal.chat.blocks import OUTPUT_KEPT, Call, Note, Text
from rxstream.adapters.terminal.chat.conversation import messages_of
from rxstream.adapters.terminal.chat.plain import PlainAnswer
from rxstream.events import StreamEvent, draft, seal
from rxstream.models import Element
from tests.adapters.terminal.chat_parts import call, done, output, result, token

AT = b"2026-01-01T00:00:%02d.000000Z"


def event(number: int, kind: str, data: object) -> StreamEvent:
    made = draft(kind, "answer", orjson.dumps(data), at=AT % number)
    return seal(made, "x", "e", number)


def turn(*elements: Element, ending: str | None = "pipeline_complete") -> Turn:
    made = Turn("Why?", "local:m")
    told = [("pipeline_start", {}), *(("step_output", element) for element in elements)]
    if ending is not None:
        told.append((ending, {"duration_ms": 2_000, "error": {"message": "node 'answer': gone"}}))
    for number, (kind, data) in enumerate(told, 1):
        made.apply(event(number, kind, data))
    return made


def kinds(made: Turn) -> list[str]:
    return [b.kind if isinstance(b, Text | Note) else b.state for b in made.blocks]


def test_an_answer_is_its_thoughts_its_text_and_its_calls() -> None:
    thought = {"type": "reasoning", "text": "hm"}
    made = turn(
        thought, token("Let me "), token("see."), call("f", a=1), result("f", 2), token("2")
    )
    assert kinds(made) == ["reasoning", "text", "done", "text"]
    assert made.text == "Let me see.\n\n2"
    assert (made.status, made.seconds) == ("completed", 2.0)


def test_an_event_that_was_taken_in_is_passed_over() -> None:
    made = turn(token("once"), ending=None)
    assert not made.apply(event(2, "step_output", token("once")))
    assert made.text == "once"


def test_what_was_restarted_does_not_count() -> None:
    made = turn(call("f"), result("f", 1), token("wro"), {"type": "restarted"}, token("right"))
    assert made.text == "right"
    assert kinds(made) == ["done", "info", "text"]


def test_tokens_are_estimated_until_the_model_says_their_number() -> None:
    made = turn(token("x" * 40), token("y" * 40), ending=None)
    assert (made.tokens, made.exact, made.tokens_per_second) == (20, False, 20.0)
    made.apply(event(4, "step_output", done(tokens=7)))
    assert (made.tokens, made.exact) == (7, True)


def test_a_long_silence_is_no_time_it_spoke() -> None:
    made = turn(token("x" * 40), token("y" * 40), ending=None)
    made.apply(event(50, "step_output", token("z" * 40)))
    assert made.tokens_per_second == 30.0


def test_output_of_a_tool_is_kept_to_its_end() -> None:
    made = turn(call("f"), output("f", "a" * OUTPUT_KEPT), output("f", "b" * 10))
    block = made.blocks[0]
    assert isinstance(block, Call)
    assert (len(block.output), block.left_out, block.output[-1]) == (OUTPUT_KEPT, 10, "b")


def test_a_call_that_is_under_way_when_the_answer_ends_was_stopped() -> None:
    made = turn(call("f"), ending="pipeline_cancelled")
    assert (made.status, kinds(made)) == ("cancelled", ["cancelled"])


def test_a_question_is_open_until_it_is_answered() -> None:
    made = turn(call("f"), ending=None)
    asked = {"request_id": "r", "message": "Run it?", "schema": {"type": "boolean"}}
    made.apply(event(5, "input_requested", asked))
    assert made.status == "waiting"
    assert made.requests["r"].yes_or_no
    made.apply(event(6, "input_received", {"request_id": "r", "value": True, "by": "me"}))
    assert (made.status, made.requests) == ("running", {})
    assert made.blocks[-1].text == "Run it? yes"  # type: ignore[union-attr]  # it is a remark


def test_an_error_is_told_without_the_node_it_happened_in() -> None:
    assert turn(ending="pipeline_error").error == "gone"


def test_a_model_is_told_texts_calls_results_and_what_was_said_meanwhile() -> None:
    made = turn(
        *(token("See."), call("f", a=1), result("f", {"b": 2}), token("Two.")),
        *({"type": "message", "content": "More!"}, token("Three.")),
    )
    assert messages_of(made) == [
        {"role": "user", "content": "Why?"},
        {
            "role": "assistant",
            "content": "See.",
            "tool_calls": [{"id": "f-1", "name": "f", "arguments": {"a": 1}}],
        },
        {"role": "tool", "tool_call_id": "f-1", "name": "f", "content": '{"b":2}'},
        {"role": "assistant", "content": "Two."},
        {"role": "user", "content": "More!"},
        {"role": "assistant", "content": "Three."},
    ]


def test_what_came_to_nothing_is_not_told_and_what_broke_off_once() -> None:
    talk = Conversation("Be brief.")
    failed = turn(ending="pipeline_error")
    cut = turn(token("Becau"), ending=None)
    cut.apply(event(9, "pipeline_error", {"error": {"code": "interrupted", "message": "died"}}))
    talk.turns = [failed, cut, turn(token("Because."))]
    assert [m["content"] for m in talk.messages("And?")] == [
        "Be brief.",
        "Why?",
        "Because.",
        "And?",
    ]


def test_without_a_screen_text_is_given_once_and_the_rest_is_lines() -> None:
    made = turn({"type": "reasoning", "text": "hm"}, token("See"), ending=None)
    plain = PlainAnswer(made, person=True)
    assert plain.text() == "See"
    for number, element in enumerate([token(".\x1b[2J"), call("f", a=1), token("Two\n")], 10):
        made.apply(event(number, "step_output", element))
    assert plain.text() == ".[2J\n\nTwo\n"
    assert (plain.text(), plain.end()) == ("", "")
    assert list(plain.lines()) == ['f {"a":1}']
    made.apply(event(20, "step_output", result("f", 1)))
    assert list(plain.lines()) == ["f done"]


def test_a_command_that_fails_is_no_success() -> None:
    made = turn(
        *(call("bash"), result("bash", {"exit_code": 3, "ended_by": None, "output": "no"})),
        *({**call("bash"), "id": "b"}, {**result("bash", {"exit_code": 0}), "id": "b"}),
        *({**call("bash"), "id": "c"}, {**result("bash", {"ended_by": "time"}), "id": "c"}),
    )
    assert [(b.state, b.outcome) for b in made.blocks if isinstance(b, Call)] == [
        ("failed", "exit code 3"),
        ("done", ""),
        ("failed", "ended by its limit of time"),
    ]
    assert "bash failed: exit code 3" in list(PlainAnswer(made, person=True).lines())


def asks(number: int, call_id: str) -> StreamEvent:
    schema = {"type": "boolean", "call": {"id": call_id}}
    asked = {"request_id": f"r{number}", "message": "Run it?", "schema": schema}
    return event(number, "input_requested", asked)


def test_a_call_that_has_not_begun_is_said_to_wait_and_for_what() -> None:
    names = ("view", "find", "bash", "bash2", "view2")
    calls = [{**call(name.rstrip("2")), "id": name} for name in names]
    made = turn(*calls, ending=None)
    blocks = [block for block in made.blocks if isinstance(block, Call)]
    made.apply(asks(10, "bash"))
    assert [block.waits_for for block in blocks] == ["", "", "your answer", "view", "bash"]
    made.apply(event(11, "input_received", {"request_id": "r10", "value": True}))
    assert [block.waits_for for block in blocks] == ["", "", "view", "view", "bash"]
    for number, name in enumerate(names, 12):
        ended = {**result(name.rstrip("2"), 1), "id": name}
        made.apply(event(number, "step_output", ended))
        if name == "find":
            assert [block.state for block in blocks][2:] == ["running", "waiting", "waiting"]
    assert [block.state for block in blocks] == ["done"] * 5


def test_what_it_waits_for_is_told_until_more_comes() -> None:
    made = turn(token("Half"), ending=None)
    waits = {"percentage": None, "message": "asking again in 8.0 s: it broke off"}
    made.apply(event(5, "step_progress", waits))
    assert made.doing == waits["message"]
    made.apply(event(6, "step_output", token(" of it")))
    assert made.doing == ""


def test_a_call_that_was_stopped_asks_no_more() -> None:
    made = turn(call("bash"), ending=None)
    made.apply(asks(5, "bash-1"))
    assert (made.status, list(made.requests)) == ("waiting", ["r5"])
    stopped = {"kind": "cancelled", "code": "cancelled", "message": "a person cancelled it"}
    ended = {"type": "tool_result", "id": "bash-1", "name": "bash", "error": stopped}
    made.apply(event(6, "step_output", ended))
    assert (made.status, made.requests) == ("running", {})

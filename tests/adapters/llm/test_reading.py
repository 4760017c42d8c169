"""Lines and events of an answer: what is not as it should be, and characters that a server cut in two."""

from __future__ import annotations

import json
from typing import Any

import pytest
import structlog

from rxstream.adapters.llm import answering, reading
from rxstream.adapters.llm.answering import whole_characters
from rxstream.adapters.llm.errors import ModelError
from rxstream.models import Element
from tests.adapters.llm.dialects import DIALECTS, calls, decode, said

END = {"message": {"content": ""}, "done": True, "done_reason": "stop"}


def lines(*values: Any) -> bytes:
    return b"".join((v if isinstance(v, bytes) else json.dumps(v).encode()) + b"\n" for v in values)


def token(text: str, **more: Any) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": text, **more}, "done": False}


def ollama(*values: Any) -> list[Element]:
    return decode("ollama", [lines(*values)])


def test_a_line_that_is_not_what_it_should_be_is_skipped_counted_and_warned_of_once() -> None:
    strange = [b"{broken", [1], {"message": 3}, {"message": {"content": 5}}, b'"\xff"', b"\\u"]
    with structlog.testing.capture_logs() as logs:
        elements = ollama(token("a"), *strange, token("b"), END)
    assert (said(elements), elements[-1]["metadata"]["malformed"]) == ("ab", len(strange))
    assert [log["log_level"] for log in logs] == ["warning", "warning"]  # at once, and at the end
    assert logs[-1]["count"] == len(strange)


def test_halves_of_a_character_are_put_together_in_text_thoughts_and_arguments() -> None:
    first, second = "\ud83c", "\udf0a"  # 🌊 as servers cut it that count in UTF-16
    call = {"function": {"name": "see", "arguments": {"what": first + second}}}
    elements = ollama(
        token(f"a{first}"),
        token(second, thinking=first),
        token("", thinking=f"{second}!", tool_calls=[call]),
        END,
    )
    assert said(elements) == elements[-1]["text"] == "a🌊"
    assert said(elements, "reasoning") == "🌊!"
    assert calls(elements) == [("see", {"what": "🌊"})]
    json.dumps(elements).encode()
    assert ollama(token(f"b{first}"), END)[-1]["text"] == "b\ufffd"


@pytest.mark.parametrize(
    ("text", "whole", "half"),
    [
        ("plain — 🌊", "plain — 🌊", ""),
        ("\ud83c\udf0a", "🌊", ""),
        ("x\ud83c", "x", "\ud83c"),
        ("\udf0ax", "\ufffdx", ""),
    ],
)
def test_whole_characters(text: str, whole: str, half: str) -> None:
    assert whole_characters(text) == (whole, half)


def test_the_last_line_may_lack_its_end() -> None:
    assert ollama(token("a"), END) == decode("ollama", [lines(token("a"), END).rstrip()])


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_line_without_an_end_is_an_error_after_what_was_whole(
    dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_LENGTH", 1_000)
    if dialect == "ollama":  # a line too long is one malformed line of many
        found = ollama(token("a"), token("x" * 1_001), END)
        assert (said(found), found[-1]["metadata"]["malformed"]) == ("a", 1)
        return
    decoder = DIALECTS[dialect].decoder()
    decoder.feed(b"data: " + b"x" * 1_000)
    assert decoder.ended
    with pytest.raises(ModelError, match="cannot be read"):
        decoder.finish()


def test_what_came_before_an_error_is_given_before_it() -> None:
    decoder = DIALECTS["ollama"].decoder()
    assert said(decoder.feed(lines(token("a"), {"error": "out of memory"}, token("b")))) == "a"
    assert decoder.ended
    with pytest.raises(ModelError, match="out of memory"):
        decoder.finish()


def test_anthropic_says_an_error_in_the_middle() -> None:
    wire = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error"}}\n\n'
    with pytest.raises(ModelError) as failed:
        decode("anthropic", [wire])
    assert (failed.value.code, failed.value.retryable) == ("overloaded", True)


def test_gemini_that_refuses_the_question_says_why() -> None:
    wire = b'data: {"promptFeedback":{"blockReason":"SAFETY"}}\n\n'
    with pytest.raises(ModelError, match="SAFETY") as failed:
        decode("gemini", [wire])
    assert failed.value.code == "content_filter"


@pytest.mark.parametrize(
    ("dialect", "wire"),
    [
        ("openai", b'data: {"choices":[{"delta":{},"finish_reason":"content_filter"}]}\n\n'),
        ("anthropic", b'data: {"type":"message_delta","delta":{"stop_reason":"refusal"}}\n\n'),
        ("gemini", b'data: {"candidates":[{"finishReason":"PROHIBITED_CONTENT"}]}\n\n'),
        (
            "responses",
            b'data: {"type":"response.incomplete","response":'
            b'{"incomplete_details":{"reason":"content_filter"}}}\n\n',
        ),
    ],
)
def test_an_answer_that_was_filtered_says_so(dialect: str, wire: bytes) -> None:
    stop = b'data: {"type":"message_stop"}\n\n' if dialect == "anthropic" else b""
    (done,) = decode(dialect, [wire + stop])
    assert done["finish_reason"] == "content_filter"
    assert done["metadata"]["finish_reason"] != done["finish_reason"] or dialect != "gemini"


def test_responses_that_failed_say_why() -> None:
    wire = b'data: {"type":"response.failed","response":{"error":{"message":"it broke"}}}\n\n'
    with pytest.raises(ModelError, match="it broke"):
        decode("responses", [wire])


def test_an_answer_without_an_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "MAX_BYTES", 1_000)
    decoder = DIALECTS["ollama"].decoder()
    while not decoder.ended:
        decoder.feed(lines(token("a")))
    with pytest.raises(ModelError, match="more than 1000 bytes"):
        decoder.finish()

"""An answer is the same under any chunking, and a cut answer is never a short one."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from rxstream.adapters.llm.errors import ModelError
from rxstream.adapters.llm.openai import OpenAIChat
from rxstream.models import Element, Question
from tests.adapters.llm.provider import WORDS, chunk, transcript

WIRE = transcript()
ENDED = WIRE.index(b"\n\n", WIRE.index(b'"finish_reason": "stop"')) + 2


def decode(chunks: Iterable[bytes]) -> list[Element]:
    decoder = OpenAIChat().decoder()
    elements = [element for part in chunks for element in decoder.feed(part)]
    return elements + decoder.finish()


def text(elements: list[Element]) -> str:
    return "".join(element["text"] for element in elements if element["type"] == "token")


def test_a_whole_answer_is_its_tokens_and_done() -> None:
    *tokens, done = decode([WIRE])
    assert [token["text"] for token in tokens] == WORDS
    assert (done["type"], done["text"], done["finish_reason"]) == ("done", "".join(WORDS), "stop")
    assert done["usage"] == {"completion_tokens": len(WORDS)}
    assert done["metadata"]["malformed"] == 0


def test_every_cut_in_two_gives_the_same_elements() -> None:
    whole = decode([WIRE])
    for at in range(len(WIRE) + 1):
        assert decode([WIRE[:at], WIRE[at:]]) == whole, at


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_chunks_of_any_size_give_the_same_elements(size: int) -> None:
    assert decode(WIRE[i : i + size] for i in range(0, len(WIRE), size)) == decode([WIRE])


def test_an_answer_cut_at_any_byte_is_whole_or_an_error() -> None:
    for at in range(len(WIRE) + 1):
        if at < ENDED:
            with pytest.raises(ModelError, match="broke off"):
                decode([WIRE[:at]])
        else:
            *tokens, done = decode([WIRE[:at]])
            assert text(tokens) == done["text"] == "".join(WORDS), at


def test_an_answer_without_the_done_line_but_with_a_reason_is_whole() -> None:
    assert decode([transcript(done=False)])[-1]["finish_reason"] == "stop"


def test_what_is_not_a_chunk_is_skipped_and_counted() -> None:
    strange = ["data: {broken\n\n", "data: [1]\n\n", 'data: {"choices": [3]}\n\n', "nonsense\n"]
    strange.append('data: {"choices": [{"delta": {"content": 5}}]}\n\n')
    wire = "".join([chunk("a"), *strange, chunk("b"), chunk(reason="stop")]).encode()
    *tokens, done = decode([wire])
    assert (text(tokens), done["metadata"]["malformed"]) == ("ab", 5)


def test_an_error_in_the_middle_is_raised_with_what_the_server_said() -> None:
    wire = chunk("a") + 'data: {"error": {"message": "out of\\nmemory"}}\n\n'
    with pytest.raises(ModelError, match="out of memory"):
        decode([wire.encode()])


def test_a_tool_call_in_pieces_comes_out_whole_before_done() -> None:
    def part(**function: str) -> str:
        call = {"index": 0, "function": function} | ({"id": "c1"} if "name" in function else {})
        return f"data: {json.dumps({'choices': [{'delta': {'tool_calls': [call]}}]})}\n\n"

    pieces = [part(name="look", arguments=""), part(arguments='{"at":'), part(arguments="1}")]
    call, done = decode("".join([*pieces, chunk(reason="tool_calls")]).encode().splitlines(True))
    assert call == {"type": "tool_call", "id": "c1", "name": "look", "arguments": {"at": 1}}
    assert done["finish_reason"] == "tool_calls"


def test_reasoning_is_not_text() -> None:
    said = 'data: {"choices": [{"delta": {"reasoning_content": "hm"}}]}\n\n'
    reasoning, token, done = decode([(said + chunk("a") + chunk(reason="stop")).encode()])
    assert reasoning == {"type": "reasoning", "text": "hm"}
    assert done["text"] == token["text"] == "a"


def test_a_request_says_only_what_was_given() -> None:
    question = Question(({"role": "user", "content": "?"},), (), 5, None, {"seed": 1})
    body = OpenAIChat().body("m", question)
    assert (body["max_tokens"], body["seed"], body["stream"]) == (5, 1, True)
    assert "temperature" not in body
    assert OpenAIChat().headers("k") == {"Authorization": "Bearer k"}
    assert OpenAIChat().headers(None) == {}

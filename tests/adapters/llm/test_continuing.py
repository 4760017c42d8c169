"""However an answer breaks off, its reader has put together one answer, and nothing twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxstream.adapters.llm.continuing import PIECE, Continuing
from rxstream.adapters.llm.errors import ModelError
from rxstream.adapters.llm.openai import OpenAIChat
from rxstream.models import Delivered, Element
from tests.adapters.llm.reader import Reader

DONE: Element = {"type": "done", "text": "", "usage": None, "timings": {}, "finish_reason": "stop"}


def token(text: str) -> Element:
    return {"type": "token", "text": text}


def reasoning(text: str) -> Element:
    return {"type": "reasoning", "text": text}


def call(name: str) -> Element:
    return {"type": "tool_call", "id": f"id-{name}", "name": name, "arguments": {"x": 1}}


def attempts(*said: Sequence[Element], prefix: bool = False) -> tuple[Reader, list[Element], int]:
    """What is given of attempts, each from the beginning unless behind a prefix."""
    answer, reader, given = Continuing(), Reader(), list[Element]()
    for each in said:
        answer.begin(answer.prefix() if prefix else None)
        given += answer.take(each)
    return reader.read(given), given, answer.replayed


def test_what_is_the_same_is_not_given_again() -> None:
    reader, given, replayed = attempts(
        [token("one "), token("two")], [token("one two thr"), token("ee"), DONE]
    )
    assert [each["text"] for each in given[:-1]] == ["one ", "two", " thr", "ee"]
    assert given[-1]["text"] == "one two three"
    assert (reader.restarts, replayed) == (0, 7)


def test_another_answer_begins_anew_also_in_the_middle_of_a_chunk() -> None:
    reader, given, replayed = attempts([token("one two")], [token("one"), token(" too"), DONE])
    assert [each["type"] for each in given] == ["token", "restarted", "token", "token", "done"]
    assert "behind 5 characters" in given[1]["message"]
    assert reader.text == given[-1]["text"] == "one too"
    assert replayed == 0


def test_a_shorter_answer_is_another_one() -> None:
    reader, _, _ = attempts([token("one two")], [token("one"), DONE])
    assert (reader.text, reader.restarts) == ("one", 1)


def test_text_before_all_of_the_reasoning_has_come_again_is_another_answer() -> None:
    reader, given, _ = attempts(
        [reasoning("hm, well"), token("a")], [reasoning("hm"), token("a"), token("b"), DONE]
    )
    assert (reader.reasoning, reader.text, reader.restarts) == ("hm", "ab", 1)
    assert [each["type"] for each in given[2:]] == [
        "restarted",
        "reasoning",
        "token",
        "token",
        "done",
    ]


def test_a_call_before_all_of_the_text_has_come_again_is_another_answer() -> None:
    reader, _, _ = attempts([token("I look")], [token("I"), call("look"), DONE])
    assert (reader.text, reader.calls, reader.restarts) == ("I", [call("look")], 1)


def test_what_is_asked_for_behind_a_prefix_is_only_the_rest() -> None:
    reader, _, replayed = attempts([token("one two")], [token(" three"), DONE], prefix=True)
    assert (reader.text, replayed) == ("one two three", 0)


@pytest.mark.parametrize("rest", ["\n\nthree\n\n", "\nthree\n\n", "three\n\n"])
def test_white_space_at_the_seam_is_given_once(rest: str) -> None:
    answer, reader = Continuing(), Reader()
    answer.begin()
    reader.read(answer.take([token("one two\n\n")]))
    assert answer.prefix() == "one two"
    answer.begin("one two")
    reader.read(answer.take([*map(token, rest), DONE]))
    assert (reader.text, reader.restarts) == ("one two\n\nthree\n\n", 0)


def test_nothing_is_gone_on_with_where_there_is_reasoning_or_no_text() -> None:
    assert Continuing(Delivered("text", "reasoning")).prefix() is None
    assert Continuing(Delivered(" \n")).prefix() is None
    assert Continuing().prefix() is None


def test_what_was_delivered_in_another_life_is_not_given_again() -> None:
    answer = Continuing(Delivered("one two", "", (), 2))
    answer.begin()
    given = answer.take([token("one two three"), DONE])
    assert [each["text"] for each in given] == [" three", "one two three"]


def test_behind_a_call_the_answer_is_closed() -> None:
    answer = Continuing()
    answer.begin()
    answer.take([token("I look"), call("look")])
    assert not answer.can_follow
    done = answer.close("tool_calls", "broken")
    assert (done["text"], done["finish_reason"]) == ("I look", "tool_calls")
    assert done["usage"] == {"completion_tokens": 2}
    assert done["metadata"] == {"cut": "broken", "attempts": 1, "replayed": 0, "truncated": False}


def test_of_usage_nothing_is_forgotten_and_a_guess_is_called_one() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}
    _, given, _ = attempts([token("a "), token("b")], [token("a b c"), {**DONE, "usage": usage}])
    done = given[-1]
    assert done["usage"] == {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}
    assert done["metadata"]["estimated"]
    assert done["metadata"]["attempts"] == 2


def test_what_begins_anew_comes_in_pieces_an_event_can_hold() -> None:
    long = "x" * (PIECE * 2 + 5)
    reader, given, _ = attempts([token(f"{long}y")], [token(f"{long}z"), DONE])
    assert reader.text == f"{long}z"
    assert max(len(each["text"]) for each in given[2:-1]) == PIECE


def test_other_elements_pass() -> None:
    _, given, _ = attempts([{"type": "other"}])
    assert given == [{"type": "other"}]


# -- anything, cut anywhere --------------------------------------------------------------------

PARTS = st.lists(
    st.tuples(
        st.sampled_from(["token", "token", "reasoning"]),
        st.text("ab \n🌊é", min_size=1, max_size=6),
    ),
    min_size=2,
    max_size=6,
)


@st.composite
def answers(draw: st.DrawFn) -> list[list[tuple[str, str]]]:
    """What a model says, or two answers that begin alike."""
    one = draw(PARTS)
    if draw(st.booleans()):
        return [one]
    return [one, [*one[: draw(st.integers(0, len(one)))], *draw(PARTS)]]


def wire(parts: Sequence[tuple[str, str]], calls: int) -> bytes:
    fields = {"token": "content", "reasoning": "reasoning_content"}
    deltas: list[dict[str, Any]] = [{fields[kind]: text} for kind, text in parts]
    for index in range(calls):
        function = {"name": f"f{index}", "arguments": json.dumps({"x": index})}
        deltas.append({"tool_calls": [{"index": index, "id": f"c{index}", "function": function}]})
    chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    lines = [f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n" for chunk in chunks]
    return "".join([*lines, "data: [DONE]\n\n"]).encode()


def said(parts: Sequence[tuple[str, str]], kind: str) -> str:
    return "".join(text for each, text in parts if each == kind)


def behind(parts: Sequence[tuple[str, str]], prefix: str) -> list[tuple[str, str]]:
    """What a model that goes on behind the prefix has left to say."""
    left, rest = len(prefix), []
    for kind, text in parts:
        skipped = min(left, len(text)) if kind == "token" else 0
        left -= skipped
        rest.append((kind, text[skipped:]))
    return rest


def play(answer: Continuing, reader: Reader, sent: bytes, cuts: Sequence[int]) -> None:
    """One attempt, as it goes over the wire; raises when it is cut."""
    decoder = OpenAIChat().decoder()
    edges = [0, *sorted(cut % (len(sent) + 1) for cut in cuts), len(sent)]
    for start, end in pairwise(edges):
        reader.read(answer.take(decoder.feed(sent[start:end])))
    reader.read(answer.take(decoder.finish()))


@settings(max_examples=400, deadline=None)
@given(
    said_by=answers(),
    calls=st.integers(0, 2),
    continues=st.booleans(),
    chance=st.randoms(use_true_random=True),
)
def test_however_an_answer_breaks_off_it_is_one_answer(
    said_by: list[list[tuple[str, str]]],
    calls: int,
    continues: bool,
    chance: Random,
) -> None:
    answer, reader = Continuing(), Reader()
    for length in (*(chance.random() for _ in range(3)), 1.0):
        parts = chance.choice(said_by)
        prefix = answer.prefix() if continues else None
        sent = wire(parts if prefix is None else behind(parts, prefix), calls)
        cuts = [chance.randrange(len(sent)) for _ in range(4)]
        answer.begin(prefix)
        with suppress(ModelError):
            play(answer, reader, sent[: round(length * len(sent))], cuts)
        if answer.done is not None:
            break
        if not answer.can_follow:
            reader.read([answer.close("tool_calls", "")])
            break
    assert reader.done is not None
    assert reader.text == reader.done["text"]
    assert len(reader.calls) == calls or reader.done["metadata"].get("cut") is not None
    if not continues:
        whole = [(said(each, "token"), said(each, "reasoning")) for each in said_by]
        assert (reader.text, reader.reasoning) in whole
    if len(said_by) == 1:
        assert reader.restarts == 0
        assert reader.text == said(said_by[0], "token")
        assert reader.reasoning == said(said_by[0], "reasoning")

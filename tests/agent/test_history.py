"""Of a long conversation a model is shown what fits, and how much that is can be seen."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rxstream as rxs
from rxstream.agent import History, agent
from rxstream.agent.history import Strategy, estimate
from rxstream.codec import Binary
from rxstream.errors import AuthorError
from rxstream.models import Message, ToolSpec
from rxstream.testing import virtual_time
from rxstream.tools import tool
from tests.agent.running import elements, events_of, started
from tests.agent.scripted import Scripted, calls


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def said(text: str, *called: str) -> Message:
    made = [{"id": each, "name": "look", "arguments": {"a": 1}} for each in called]
    return {"role": "assistant", "content": text, "tool_calls": made}


def result(call: str, text: str) -> Message:
    return {"role": "tool", "tool_call_id": call, "name": "look", "content": text}


SYSTEM: Message = {"role": "system", "content": "be short"}
LONG = [
    SYSTEM,
    *(user("first"), said("", "1", "2"), result("1", "x" * 4_000), result("2", "short")),
    *(said("seen"), user("second"), said("so"), user("third")),
]


def shown(limit: int, strategy: Strategy = "drop_oldest", messages: Any = LONG) -> list[Message]:
    return list(History(limit, strategy).shown(messages).messages)


def test_the_oldest_exchanges_go_first_and_results_go_with_their_calls() -> None:
    assert shown(10_000) == LONG
    assert shown(200) == [SYSTEM, user("second"), said("so"), user("third")]
    assert shown(16) == [SYSTEM, user("third")]
    assert shown(1) == [SYSTEM, user("third")]


def test_results_are_shortened_before_anything_is_left_out() -> None:
    found = shown(300, "shorten_results")
    assert [each["role"] for each in found] == [each["role"] for each in LONG]
    assert "characters left out" in found[3]["content"]
    assert found[4]["content"] == "short"
    assert shown(60, "shorten_results") == [SYSTEM, user("second"), said("so"), user("third")]


def test_the_turn_under_way_stays() -> None:
    under_way = [user("old"), said("old"), user("go"), said("", "1"), result("1", "x" * 4_000)]
    assert shown(50, messages=under_way) == under_way[2:]


def test_tokens_are_counted_before_and_after_by_whoever_knows() -> None:
    found = History(200).shown(LONG)
    assert (found.trimmed, found.before > 1_000, found.after < 200) == (True, True, True)
    assert History(200).shown(LONG, factor=2).before == pytest.approx(2 * found.before, abs=1)
    spec = ToolSpec("look", "Looks.", {"type": "object"})
    assert History(200).shown(LONG, [spec]).before == pytest.approx(found.before + 11, abs=1)
    by_messages = History(3, count=len).shown(LONG)
    assert (by_messages.before, by_messages.after) == (9, 2)
    picture = [{"role": "user", "content": [{"type": "image", "data": Binary(b"", "image/png")}]}]
    assert estimate(picture) > 500
    assert estimate([{"role": "user", "content": [{"type": "text", "text": "x" * 40}]}]) == 14


def test_what_is_no_history_is_refused() -> None:
    with pytest.raises(
        AuthorError, match="no strategy is named 'magic': there are drop_oldest, sho"
    ):
        History(5, "magic")  # type: ignore[arg-type]  # what is refused
    with pytest.raises(AuthorError, match="a history of 0 tokens is none"):
        History(0)


MESSAGES = st.lists(
    st.sampled_from([user("u"), said("a"), said("b" * 50, "1"), user("v" * 200)]), max_size=12
).map(lambda made: [SYSTEM, *_with_results(made), user("last")])


def _with_results(messages: list[Message]) -> list[Message]:
    return [
        each
        for message in messages
        for each in (message, *([result("1", "r" * 500)] if message.get("tool_calls") else []))
    ]


@given(MESSAGES, st.integers(1, 400), st.sampled_from(["drop_oldest", "shorten_results"]))
def test_whatever_is_left_out_the_rest_is_a_conversation(
    messages: list[Message], limit: int, strategy: Strategy
) -> None:
    found = shown(limit, strategy, messages)
    assert (found[0], found[-1]) == (SYSTEM, user("last"))
    roles = [each["role"] for each in found]
    for place, role in enumerate(roles):
        if role == "tool":
            assert found[place - 1].get("tool_calls"), "a result without its call"
    kept = iter(messages)
    for each in found:
        assert any(each["role"] == other["role"] for other in kept), "the order changed"
    if estimate(messages) <= limit:
        assert found == messages


@virtual_time
async def test_an_agent_says_when_it_shows_the_model_less() -> None:
    @tool
    def look() -> str:
        return "x" * 2_000

    class ByTurn(Scripted):
        def line(self, question: Any) -> Any:
            return self.script[len(self.asked) - 1]

    model = ByTurn([calls("look")], [calls("look")], [1, "done"], pace=1)
    make = lambda: agent("go", model=model, tools=[look], history=300, system="be brief")  # noqa: E731  # one line
    async with started(make) as execution:
        found = await elements(execution)
        progress = await events_of(execution, "step_progress")
    turns = [each["history"] for each in found if each["type"] == "turn"]
    assert [each["messages"] for each in turns] == [2, 4, 4]
    assert turns[2]["messages_before"] == 6
    assert turns[2]["tokens"] < turns[2]["tokens_before"]
    assert any(each["status"] == "trimmed" for each in progress)
    assert [each["role"] for each in model.asked[2].messages] == [
        *("system", "user", "assistant", "tool"),
    ]


@virtual_time
async def test_what_the_model_said_a_question_was_corrects_the_estimate() -> None:
    class Dear(Scripted):
        def done(self, *given: Any) -> Any:
            made = super().done(*given)
            return {**made, "usage": {"prompt_tokens": 800, "completion_tokens": 1}}

    @tool
    def look() -> str:
        return "x" * 4_000

    model = Dear([calls("look")], ["done"])
    stream: rxs.Stream[Any] = agent("x" * 384, model=model, tools=[look])
    turns = [each["history"]["tokens"] async for each in stream if each["type"] == "turn"]
    assert 100 < turns[0] < 150
    assert turns[1] > 800 / turns[0] * 1_100


@virtual_time
async def test_a_model_that_counts_something_else_does_not_undo_the_limit() -> None:
    @rxs.tool
    def look() -> str:
        """Look at much."""
        return "line\n" * 5_000

    model = Scripted([calls("look")], ["done"])  # counts no tools, and texts only
    stream = agent("x", model=model, tools=[look], history=History(400, "shorten_results"))
    turns = [each["history"] async for each in stream if each["type"] == "turn"]
    assert turns[1]["tokens_before"] > 1_000 > 400 > turns[1]["tokens"]
    assert len(model.asked[1].messages[-1]["content"]) < 300


def test_who_counts_tokens_exactly_is_not_corrected() -> None:
    history = History(100, count=len)
    assert history.corrected(1.0, 500, history.shown(LONG)) == 1.0

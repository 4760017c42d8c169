"""What is no message, no limit and no model is said when a graph is drawn, in a line that says what to do."""

from __future__ import annotations

from typing import Any

import pytest

import rxstream as rxs
from rxstream.adapters.llm import chat
from rxstream.errors import AuthorError
from rxstream.models import open_model
from tests.agent.scripted import Scripted

MODEL = Scripted(["yes"])


@pytest.mark.parametrize("ask", [chat, rxs.agent])
@pytest.mark.parametrize(
    ("messages", "options", "said"),
    [
        ("", {}, "there is nothing to answer"),
        (" \n", {}, "there is nothing to answer"),
        ([], {}, "there is nothing to answer"),
        (None, {}, "messages are a text or a list of messages, not a NoneType"),
        ([{"role": "user", "content": " "}], {}, "message 0 of the user is empty"),
        ([{"role": "user"}], {}, "message 0 of the user is empty"),
        ([{"role": "boss", "content": "x"}], {}, "message 0 is not one"),
        ([{"role": "user", "content": 3}], {}, "the content of message 0 is neither"),
        ("x", {"model": ""}, "names no model: write one of"),
        ("x", {"model": "nobody:m"}, "'nobody:m' names no model"),
        ("x", {"model": "openai: "}, "names no model"),
        ("x", {"max_tokens": 0}, "max_tokens is at least 1"),
        ("x", {"temperature": "hot"}, "temperature is at least 0"),
        ("x", {"temperature": float("nan")}, "temperature is at least 0"),
        ("x", {"budget": 5}, "a budget is a rxstream.models.Budget"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    ask: Any, messages: Any, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(AuthorError, match=said):
        ask(messages, **{"model": MODEL, **options})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"system": 5}, "system is a text"),
        ({"tools": 5}, r"tools are a list of them, not a int: write \[tool\]"),
        ({"concurrency": "a"}, "concurrency is at least 1"),
        ({"tool_timeout": -1}, "tool_timeout is a number of seconds above 0"),
        ({"approval_timeout": 0}, "approval_timeout is a number of seconds above 0"),
        (
            {"model": "openai:m", "model_options": {"url": "x"}},
            "openai:m has no option 'url'",
        ),
    ],
)
def test_what_an_agent_cannot_be_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(AuthorError, match=said):
        rxs.agent("x", **{"model": MODEL, **options})


def test_a_function_is_no_description_of_a_tool() -> None:
    with pytest.raises(AuthorError, match=r"is no .*ToolSpec"):
        chat("x", model=MODEL, tools=[open_model])  # type: ignore[list-item]  # what is refused

"""A question goes to each provider in its own words; what it does not take is said before it is asked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rxstream.adapters.llm.answering import OUR_ID
from rxstream.adapters.llm.hermes import BEGINNING, MAX_CALL_TOKENS, HermesChat
from rxstream.adapters.llm.messages import encoded
from rxstream.codec import Binary
from rxstream.errors import AuthorError
from rxstream.models import Message, Question, ToolSpec
from tests.adapters.llm.dialects import ADD, DIALECTS, NOW, WEATHER

IMAGE = Binary(b"\x89PNG", "image/png")
CALL = {"id": "c1", "name": "look", "arguments": {"at": 1}}
MADE = {"id": f"{OUR_ID}x_1", "name": "look", "arguments": {"at": 2}}
TALK: tuple[Message, ...] = (
    {"role": "system", "content": "Be short."},
    {
        "role": "user",
        "content": [{"type": "text", "text": "What?"}, {"type": "image", "data": IMAGE}],
    },
    {"role": "assistant", "content": "Let me see.", "tool_calls": [CALL, MADE]},
    {"role": "tool", "tool_call_id": "c1", "name": "look", "content": "a cat"},
    {"role": "tool", "tool_call_id": MADE["id"], "content": "a dog"},
)

each = pytest.mark.parametrize("dialect", DIALECTS)


def body(dialect: str, *messages: Message, **question: Any) -> Any:
    asked = Question(messages or TALK, **question)
    return json.loads(json.dumps(DIALECTS[dialect].body("m", asked)))


def test_openai_is_told_calls_as_text_and_images_as_urls() -> None:
    system, user, assistant, first, second = body("openai")["messages"]
    assert system == {"role": "system", "content": "Be short."}
    assert user["content"][1]["image_url"]["url"] == "data:image/png;base64,iVBORw=="
    assert assistant["content"] == "Let me see."
    assert assistant["tool_calls"][0]["function"] == {"name": "look", "arguments": '{"at":1}'}
    assert first == {"role": "tool", "tool_call_id": "c1", "content": "a cat"}
    assert second["tool_call_id"] == MADE["id"]


def test_responses_are_told_items() -> None:
    system, user, assistant, call, _, result, _ = body("responses")["input"]
    assert system["content"] == [{"type": "input_text", "text": "Be short."}]
    assert [part["type"] for part in user["content"]] == ["input_text", "input_image"]
    assert assistant["content"] == [{"type": "output_text", "text": "Let me see."}]
    assert (call["type"], call["call_id"], call["arguments"]) == ("function_call", "c1", '{"at":1}')
    assert result == {"type": "function_call_output", "call_id": "c1", "output": "a cat"}


def test_anthropic_is_told_the_system_apart_and_results_in_one_message() -> None:
    said = body("anthropic")
    assert (said["system"], said["max_tokens"]) == ("Be short.", 4_096)
    user, assistant, results = said["messages"]
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}
    assert user["content"][1] == {"type": "image", "source": source}
    assert [block["type"] for block in assistant["content"]] == ["text", "tool_use", "tool_use"]
    assert assistant["content"][1]["input"] == {"at": 1}
    assert [block["tool_use_id"] for block in results["content"]] == ["c1", MADE["id"]]
    assert results["content"][0]["content"] == [{"type": "text", "text": "a cat"}]


def test_gemini_is_told_names_and_only_its_own_ids() -> None:
    said = body("gemini")
    assert said["systemInstruction"] == {"parts": [{"text": "Be short."}]}
    user, model, results = said["contents"]
    assert user["parts"][1] == {"inlineData": {"mimeType": "image/png", "data": "iVBORw=="}}
    assert model["role"] == "model"
    assert model["parts"][1]["functionCall"] == {"id": "c1", "name": "look", "args": {"at": 1}}
    assert model["parts"][2]["functionCall"] == {"name": "look", "args": {"at": 2}}
    answers = [part["functionResponse"] for part in results["parts"]]
    assert answers[0] == {"id": "c1", "name": "look", "response": {"output": "a cat"}}
    assert answers[1] == {"name": "look", "response": {"output": "a dog"}}


def test_ollama_is_told_arguments_as_objects_and_images_beside_the_text() -> None:
    _, user, assistant, first, second = body("ollama")["messages"]
    assert (user["content"], user["images"]) == ("What?", ["iVBORw=="])
    assert assistant["tool_calls"][0]["function"]["arguments"] == {"at": 1}
    assert (first["tool_name"], first["tool_call_id"]) == ("look", "c1")
    assert (second["tool_name"], "tool_call_id" in second) == ("look", False)


@each
def test_limits_and_tools_are_there_only_when_given(dialect: str) -> None:
    plain = json.dumps(body(dialect, {"role": "user", "content": "Hi."}))
    assert "temperature" not in plain
    assert "tools" not in plain
    told = json.dumps(body(dialect, max_tokens=77, temperature=0.5, tools=(WEATHER, ADD)))
    assert all(word in told for word in ("77", "0.5", "get_weather", "Add two numbers", "integer"))


@each
def test_options_are_fields_of_the_request_and_none_takes_one_out(dialect: str) -> None:
    said = body(dialect, temperature=0.5, options={"seed": 1, "stream": None})
    assert (said["seed"], "stream" in said) == (1, False)


def test_an_option_that_is_an_object_is_added_to_the_one_that_is_there() -> None:
    said = body("ollama", max_tokens=5, options={"options": {"num_ctx": 8_192}})
    assert said["options"] == {"num_predict": 5, "num_ctx": 8_192}


@each
def test_what_is_carried_goes_back_to_the_provider_it_came_from_only(dialect: str) -> None:
    carry = {
        "anthropic": [{"type": "thinking", "thinking": "hm", "signature": "s1gn"}],
        "gemini": "s1gn",
        "openai-responses": [{"type": "reasoning", "encrypted_content": "s1gn"}],
    }
    name = {"responses": "openai-responses"}.get(dialect, dialect)
    for provider, kept in carry.items():
        call = {**CALL, "carry": {provider: kept}}
        talk = ({"role": "user", "content": "?"}, {"role": "assistant", "tool_calls": [call]})
        assert ("s1gn" in json.dumps(body(dialect, *talk))) == (provider == name)


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"role": "teacher", "content": "x"}, "'teacher'"),
        ({"role": "user", "content": 5}, "not int"),
        ({"role": "user", "content": [{"type": "video"}]}, "message 1 is neither"),
        ({"role": "user", "content": [{"type": "image", "data": Binary(b"x")}]}, "media type"),
        ({"role": "tool", "content": "x"}, "tool_call_id"),
        ({"role": "assistant", "tool_calls": [{"function": {}}]}, "not {id, name, arguments}"),
        (
            {"role": "system", "content": [{"type": "image", "data": IMAGE}]},
            "does not take there",
        ),
    ],
)
@each
def test_a_wrong_message_is_an_error_that_names_it(
    dialect: str, wrong: Message, expected: str
) -> None:
    with pytest.raises(AuthorError, match=expected) as refused:
        body(dialect, {"role": "user", "content": "Hi."}, wrong)
    assert "message 1" in str(refused.value)


@each
def test_no_message_and_two_tools_of_one_name_are_errors(dialect: str) -> None:
    with pytest.raises(AuthorError, match="at least one"):
        DIALECTS[dialect].body("m", Question(()))
    with pytest.raises(AuthorError, match="two tools are called 'now'"):
        body(dialect, tools=(NOW, ToolSpec("now", "again", {})))


def test_the_local_model_looks_at_no_image() -> None:
    with pytest.raises(AuthorError, match="does not take"):
        HermesChat().body("m", Question(TALK))


def test_a_field_without_a_json_form_is_said() -> None:
    with pytest.raises(AuthorError, match="no JSON form"):
        encoded({"stop": object()})


def test_the_local_model_is_made_to_call_behind_a_question_and_to_speak_behind_a_result() -> None:
    ask: Message = {"role": "user", "content": "What?"}
    asked = Question((ask,), (WEATHER,), max_tokens=100_000)
    said = HermesChat().body("m", asked)
    assert (said["tool_choice"], said["max_tokens"]) == ("required", MAX_CALL_TOKENS)
    assert said["messages"][-1] == {"role": "assistant", "content": BEGINNING}
    told = HermesChat().body("m", Question((ask, *TALK[2:]), (WEATHER,)))
    assert (told["tool_choice"], told["messages"][-1]["role"]) == ("none", "tool")
    plain = HermesChat().body("m", Question(TALK[:1], max_tokens=5))
    assert (len(plain["messages"]), "tool_choice" in plain) == (1, False)

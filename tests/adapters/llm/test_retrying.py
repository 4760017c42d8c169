"""When a model is asked again, how long that waits, and when it gives up: by a script, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest

from rxstream.adapters.llm.errors import ModelError
from rxstream.adapters.llm.retrying import Retries, retried
from rxstream.errors import AuthorError
from rxstream.models import Delivered, Element, Question, Tell
from rxstream.testing import virtual_time
from tests.adapters.llm.reader import Reader

CUT = "CUT"
"""In a script: the answer breaks off."""
DONE: Element = {"type": "done", "text": "", "usage": None, "timings": {}, "finish_reason": "stop"}
ASKED = Question(({"role": "user", "content": "?"},), max_tokens=10)


class Scripted:
    """A model whose attempts are given: texts, elements, and what it raises."""

    name = "scripted:m"

    def __init__(self, *attempts: Sequence[Any], continues: bool = False) -> None:
        self.continues = continues
        self.asked: list[Question] = []
        self._attempts = iter(attempts)

    async def attempt(
        self, question: Question, tell: Tell | None = None
    ) -> AsyncGenerator[Sequence[Element], None]:
        self.asked.append(question)
        for said in next(self._attempts):
            if said == CUT:
                raise ModelError("it broke off", code="answer_cut", retryable=True)
            if isinstance(said, Exception):
                raise said
            yield [{"type": "token", "text": said} if isinstance(said, str) else said]


async def read(model: Scripted, **given: Any) -> Reader:
    reader = Reader()
    given = {"chance": lambda: 1.0, "retries": Retries(), **given}
    async for batch in retried(model, given.pop("question", ASKED), **given):
        reader.read(batch)
    assert reader.done is not None
    return reader


def failing(**error: Any) -> ModelError:
    return ModelError("not now", retryable=True, **error)


@virtual_time
async def test_an_answer_that_broke_off_comes_whole_after_longer_and_longer_pauses() -> None:
    told: list[str] = []
    model = Scripted(["one ", CUT], ["o", CUT], [CUT], ["one ", "two", DONE])
    reader = await read(model, tell=lambda percentage, message: told.append(message))
    assert (reader.text, reader.restarts) == ("one two", 0)
    assert reader.done is not None
    assert reader.done["metadata"]["attempts"] == 4
    assert reader.done["metadata"]["replayed"] == 5
    assert told == [f"asking again in {pause} s: it broke off" for pause in ("0.5", "1.0", "2.0")]
    assert asyncio.get_running_loop().time() == 3.5
    assert reader.done["timings"]["duration_ms"] == 3_500.0


@virtual_time
async def test_a_provider_that_goes_on_is_asked_for_the_rest() -> None:
    model = Scripted(["one ", "two ", CUT], [" three", DONE], continues=True)
    assert (await read(model)).text == "one two three"
    assert model.asked[1].messages[-1] == {"role": "assistant", "content": "one two"}
    assert model.asked[1].max_tokens == 8


@virtual_time
async def test_one_that_does_not_after_all_is_asked_anew_at_once() -> None:
    refused = ModelError("no prefill", code="model_refused")
    model = Scripted(["one ", CUT], [refused], ["one two", DONE], continues=True)
    assert (await read(model)).text == "one two"
    assert model.asked[2] == ASKED
    assert asyncio.get_running_loop().time() == 0.5


@virtual_time
async def test_the_wait_a_provider_wants_is_kept_to() -> None:
    await read(Scripted([failing(retry_after=17.0)], ["x", DONE]))
    assert asyncio.get_running_loop().time() == 17.0


@virtual_time
async def test_a_wait_that_is_too_long_is_an_error_at_once() -> None:
    with pytest.raises(ModelError, match="not now"):
        await read(Scripted([failing(retry_after=3_600.0)], ["x", DONE]))
    assert asyncio.get_running_loop().time() == 0.0


@virtual_time
async def test_it_gives_up_and_says_how_often_it_tried() -> None:
    model = Scripted(*[[failing()]] * 9)
    with pytest.raises(ModelError, match=r"not now \(after 5 attempts\)"):
        await read(model)
    assert len(model.asked) == 5


@virtual_time
async def test_a_server_that_never_was_there_is_tried_twice() -> None:
    model = Scripted(*[[failing(code="no_server")]] * 9)
    with pytest.raises(ModelError):
        await read(model)
    assert len(model.asked) == 2


@virtual_time
async def test_attempts_that_bring_it_further_do_not_count_in_a_row_but_in_all() -> None:
    model = Scripted(*[["x" * n, CUT] for n in range(1, 30)])
    with pytest.raises(ModelError, match="after 12 attempts"):
        await read(model, question=Question(()), retries=Retries(attempts=3, total=12))


@virtual_time
async def test_answers_that_begin_anew_each_time_bring_it_no_further() -> None:
    model = Scripted(*[[f"{n} and more", CUT] for n in range(9)])
    with pytest.raises(ModelError, match="after 3 attempts"):
        await read(model, retries=Retries(attempts=3))


@virtual_time
async def test_an_error_of_the_network_is_one_that_passes() -> None:
    reader = await read(
        Scripted(["one ", ConnectionResetError()], [TimeoutError()], ["one two", DONE])
    )
    assert reader.text == "one two"


@virtual_time
async def test_what_cannot_help_is_not_tried_again() -> None:
    model = Scripted(["x", ModelError("bad key", code="bad_key")])
    with pytest.raises(ModelError, match=r"bad key$"):
        await read(model)


@virtual_time
async def test_an_attempt_without_an_end_is_an_error() -> None:
    with pytest.raises(ModelError, match="without saying so"):
        await read(Scripted(["x"]))


@virtual_time
async def test_behind_a_call_nothing_is_asked_again() -> None:
    call = {"type": "tool_call", "id": "1", "name": "f", "arguments": {}}
    model = Scripted(["I call", call, CUT])
    reader = await read(model)
    assert (reader.text, reader.calls) == ("I call", [call])
    assert reader.done is not None
    assert reader.done["finish_reason"] == "tool_calls"
    assert "broke off" in reader.done["metadata"]["cut"]


@virtual_time
async def test_in_another_life_neither() -> None:
    call = {"type": "tool_call", "id": "1", "name": "f", "arguments": {}}
    model = Scripted()
    reader = await read(model, delivered=Delivered("I call", "", (call,), 2))
    assert reader.done is not None
    assert (reader.done["text"], reader.done["usage"], model.asked) == ("I call", None, [])


@virtual_time
async def test_an_answer_that_had_all_its_tokens_is_not_asked_for_more() -> None:
    model = Scripted([*"0123456789", CUT])
    reader = await read(model)
    assert reader.done is not None
    assert (reader.text, reader.done["finish_reason"]) == ("0123456789", "length")


@virtual_time
async def test_without_a_limit_of_tokens_the_rest_has_none() -> None:
    model = Scripted(["one", CUT], [" two", DONE], continues=True)
    assert (await read(model, question=Question(ASKED.messages))).text == "one two"
    assert model.asked[1].max_tokens is None


@virtual_time
async def test_who_stops_listening_ends_it_in_a_pause_too() -> None:
    model = Scripted([failing()], ["x", DONE])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await read(model)
    assert len(model.asked) == 1


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"first": 0.0}, {"first": 2.0, "longest": 1.0}])
def test_limits_that_are_none_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(AuthorError, match="at least once"):
        Retries(**wrong)

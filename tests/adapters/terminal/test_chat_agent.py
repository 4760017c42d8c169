"""The chat as an agent: tools that really run, a person who agrees or does not, messages that join."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from rxstream.adapters.terminal.chat import Models, Session, toolbox
from rxstream.adapters.terminal.chat.blocks import Call, Note
from rxstream.adapters.terminal.chat.conversation import messages_of
from rxstream.errors import AuthorError, BadRequest
from tests.adapters.terminal.chat_parts import Says, call, done, sandbox, token, until

__all__ = ["sandbox"]


class Asking(Models):
    """Asks that model with the real tools."""

    def __init__(self, model: Says) -> None:
        super().__init__()
        self._model = model

    def opened(self, model: str) -> Any:
        return self._model


def chat(model: Says, *tools: str) -> Session:
    return Session(None, Asking(model), "scripted:m", tools)


@pytest.mark.parametrize(("agrees", "shown"), [(True, "two words"), (False, "did not agree")])
@pytest.mark.usefixtures("sandbox")
async def test_a_command_runs_when_a_person_agrees(
    agrees: bool, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = Says([call("bash", command="echo two words"), done()], [token("Done."), done()])
    async with chat(model, "bash") as session:
        turn = session.ask("Say two words.")
        (request,) = await until(lambda: list(turn.requests.values()))
        assert "echo two words" in request.message
        assert request.yes_or_no
        await session.answer(request.id, agrees)
        await session.wait()
    asked, note = turn.blocks[0], turn.blocks[1]
    assert isinstance(asked, Call)
    assert isinstance(note, Note)
    assert asked.state == ("done" if agrees else "failed")
    assert shown in asked.result + asked.output
    assert turn.text == "Done."
    assert shown in str(model.questions[1].messages[-1]["content"])


async def test_files_are_read_below_the_folder_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("inside")
    calls = [call("view", path="a.txt"), {**call("view", path="/etc/passwd"), "id": "out"}, done()]
    async with chat(Says(calls, [token("Done."), done()]), "files") as session:
        turn = session.ask("Read.")
        await session.wait()
    inside, outside = (block for block in turn.blocks if isinstance(block, Call))
    assert "inside" in inside.result
    assert (outside.state, "root:" in outside.result) == ("failed", False)


async def test_a_message_that_is_typed_meanwhile_joins_the_next_turn() -> None:
    hold = asyncio.Event()
    model = Says([token("One."), hold, done()], [token("Two."), done()])
    async with chat(model) as session:
        turn = session.ask("Count.")
        await until(lambda: turn.text == "One.")
        assert await session.send("And further!")
        await until(lambda: turn.joining == ["And further!"])
        hold.set()
        await session.wait()
        assert turn.joining == []
    assert [m["content"] for m in model.questions[1].messages] == ["Count.", "One.", "And further!"]
    assert (turn.text, turn.status) == ("One.\n\nTwo.", "completed")
    assert [b.text for b in turn.blocks if isinstance(b, Note)] == ["And further!"]


@pytest.mark.usefixtures("sandbox")
async def test_a_tool_is_stopped_and_the_model_goes_on() -> None:
    model = Says([call("bash", command="sleep 60"), done()], [token("Fine."), done()])
    async with chat(model, "bash") as session:
        turn = session.ask("Wait.")
        (request,) = await until(lambda: list(turn.requests.values()))
        await session.answer(request.id, True)
        await until(lambda: not turn.requests)
        (running,) = session.calls
        assert running.state == "running"
        assert await session.stop_call(running)
        await session.wait()
        assert not await session.stop_call(running)
        assert not session.calls
    assert (turn.text, turn.status) == ("Fine.", "completed")


@pytest.mark.usefixtures("sandbox")
async def test_of_several_calls_one_is_stopped_also_before_anybody_agreed_to_it() -> None:
    calls = [{**call("bash", command=f"echo {n}"), "id": n} for n in ("one", "two")]
    model = Says([*calls, done()], [token("Fine."), done()])
    async with chat(model, "bash") as session:
        turn = session.ask("Go.")
        await until(lambda: len(turn.requests) == 2)
        first, second = session.calls
        assert (first.waits_for, second.waits_for) == ("your answer", "your answer")
        assert await session.stop_call(first)
        (left,) = await until(lambda: len(turn.requests) == 1 and turn.requests.values())
        await session.answer(left.id, True)
        await session.wait()
    assert (first.state, second.state, turn.text) == ("cancelled", "done", "Fine.")
    assert "a person cancelled it" in str(messages_of(turn)[2]["content"])
    assert "two" in second.output


@pytest.mark.usefixtures("sandbox")
def test_which_tools_run_beside_each_other_is_as_they_declare() -> None:
    tools = toolbox.made(toolbox.TOOLS)
    assert {tool.name for tool in tools if tool.settings.parallel} == toolbox.SIDE_BY_SIDE


def test_a_tool_nobody_knows_is_refused() -> None:
    with pytest.raises(BadRequest, match="there are bash, files, http_get, screenshot"):
        Models().check("openai:m", ["nope"])


def test_the_server_of_one_provider_is_never_asked_for_the_model_of_another() -> None:
    models = Models({"openai": "http://127.0.0.1:1/v1"})
    assert models.opened("openai:m").name == "openai:m"
    with pytest.raises(AuthorError, match="compatible:m is on no server"):
        models.check("compatible:m")

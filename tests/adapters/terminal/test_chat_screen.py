"""The screen of a chat, typed at through textual's pilot: what a person would see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

import rxstream as rxs
from rxstream.adapters.terminal.chat import History, Session, screen
from rxstream.adapters.terminal.chat.prompt import Prompt
from rxstream.adapters.terminal.chat.screen import ChatScreen
from rxstream.adapters.terminal.chat.widgets import AnswerView, NoteView, TurnView
from rxstream.stream import Stream
from tests.adapters.terminal.chat_parts import (
    Counting,
    Says,
    Scripted,
    call,
    done,
    output,
    result,
    token,
    until,
)
from tests.adapters.terminal.test_chat_agent import Asking

WRONG = {"kind": "world", "code": "wrong", "message": "bad"}


class Chat:
    """A person in front of the screen."""

    def __init__(self, screen: ChatScreen, pilot: Pilot[None]) -> None:
        self.screen = screen
        self.pilot = pilot

    @property
    def session(self) -> Session:
        return self.screen.session

    async def type(self, text: str, key: str = "enter") -> None:
        prompt = self.screen.query_one(Prompt)
        prompt.text = text
        prompt.move_cursor(prompt.document.end)
        await self.pilot.press(key)

    @property
    def text(self) -> str:
        """What is on the screen, as lines."""
        strips = self.screen.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)

    async def sees(self, text: str) -> None:
        await until(lambda: text in self.text, f"{text!r} in {self.text}")

    async def sees_no(self, text: str) -> None:
        await until(lambda: text not in self.text, f"no {text!r} in {self.text}")


@asynccontextmanager
async def chatting(
    asking: Any, *, session: Session | None = None, tools: tuple[str, ...] = ()
) -> AsyncIterator[Chat]:
    session = session or Session(None, asking, "local:m")
    await session.__aenter__()
    app = ChatScreen(
        session, History(), renew=lambda: Session(None, asking, "local:m"), known_tools=tools
    )
    try:
        async with app.run_test(size=(80, 30)) as pilot:
            yield Chat(app, pilot)
    finally:
        await app.session.__aexit__(None, None, None)


async def test_a_block_is_plain_while_it_grows_and_markdown_when_it_is_over() -> None:
    hold = asyncio.Event()
    script = [token("**One**\n\n"), token("**Tw"), hold, token("o**"), done(tokens=5)]
    async with chatting(Scripted(script)) as chat:
        await chat.type("Count")
        await chat.sees("**Tw")
        assert "**One**" not in chat.text
        assert "One" in chat.text
        hold.set()
        await chat.sees_no("**Tw")
        await chat.sees("5 tokens")
        assert not chat.screen.query_one(AnswerView).growing


async def test_thoughts_are_seen_then_folded_and_can_be_unfolded() -> None:
    hold = asyncio.Event()
    script = [{"type": "reasoning", "text": "I wonder"}, hold, token("Yes."), done()]
    async with chatting(Scripted(script)) as chat:
        await chat.type("Why?")
        await chat.sees("I wonder")
        hold.set()
        await chat.sees("▸ thought")
        await chat.sees_no("I wonder")
        await chat.pilot.press("ctrl+o")
        await chat.sees("I wonder")


async def test_a_tool_is_seen_at_work_and_its_result_after() -> None:
    hold = asyncio.Event()
    progress = {**output("make", "linking"), "channel": "progress", "percentage": 40}
    script = [call("make", target="all"), output("make", "one\ntwo\n"), progress, hold]
    script += [{"type": "tool_result", "id": "make-1", "name": "make", "error": WRONG}]
    async with chatting(Scripted([*script, call("f"), result("f", 42), done()])) as chat:
        await chat.type("Build it")
        await chat.sees("two")
        await chat.sees("40 %")
        for shown in ("make all", "linking", "one"):
            assert shown in chat.text
        hold.set()
        await chat.sees("✓ f")
        for shown in ("✗ make", "bad", "42"):
            assert shown in chat.text


async def test_a_call_that_waits_and_a_command_that_fails_look_so() -> None:
    hold = asyncio.Event()
    script = [call("bash", command="false"), output("bash", "no\n"), call("f"), hold]
    script += [result("bash", {"exit_code": 1}), result("f", 42), done()]
    async with chatting(Scripted(script)) as chat:
        await chat.type("Go")
        await chat.sees("◦ f   waits for bash")
        hold.set()
        await chat.sees("✗ bash false  exit code 1")
        await chat.sees("✓ f")


async def test_how_far_a_call_is_fits_however_long_it_is() -> None:
    progress = {**output("bash", "linking"), "channel": "progress", "percentage": 40}
    script = [call("bash", command="make " * 40), progress, asyncio.Event()]
    async with chatting(Scripted(script)) as chat:
        await chat.type("Go")
        await chat.sees("40 %  linking")
        await chat.sees("make make")


async def test_which_of_several_calls_is_stopped_a_person_says() -> None:
    @rxs.tool(parallel=True)
    async def find(who: str) -> None:
        """Look for ever."""
        await asyncio.Event().wait()

    class Looking(Asking):
        def __call__(
            self, messages: Sequence[Any], model: str, tools: Sequence[str]
        ) -> Stream[Any]:
            return rxs.agent(list(messages), model=self.opened(model), tools=[find])

    names = ("Ada", "Bob", "Cy")
    calls = [{**call("find", who=name), "id": name} for name in names]
    async with chatting(Looking(Says([*calls, done()], [token("Fine."), done()]))) as chat:
        await chat.type("Go", "enter")
        await chat.sees("Cy")
        await chat.pilot.press("ctrl+t")
        await chat.sees("2 find Bob")
        await chat.pilot.press("2")
        await chat.sees("– find Bob  stopped")
        await chat.sees("find  esc or ctrl+t stops")
        await chat.sees_no("Stop which of them?")
        await chat.pilot.press("ctrl+t", "escape")
        await chat.sees_no("Stop which of them?")
        assert [each.arguments["who"] for each in chat.session.calls] == ["Ada", "Cy"]
        await chat.pilot.press("ctrl+t")
        await chat.sees("a all")
        await chat.pilot.press("a")
        await chat.sees("Fine.")


async def test_of_long_output_the_end_is_shown_until_it_is_unfolded() -> None:
    lines = "".join(f"line {i}.\n" for i in range(20))
    async with chatting(Scripted([call("f"), output("f", lines), result("f", 1), done()])) as chat:
        await chat.type("Go")
        await chat.sees("line 19.")
        assert "line 11." not in chat.text
        await chat.pilot.press("ctrl+o")
        await chat.sees("line 11.")


@pytest.mark.parametrize("key", ["escape", "ctrl+c"])
async def test_a_key_stops_the_answer_and_keeps_what_came(key: str) -> None:
    async with chatting(Scripted([token("Half an ans"), asyncio.Event()])) as chat:
        await chat.type("Why?")
        await chat.sees("Half an ans")
        await chat.pilot.press(key)
        await chat.sees("stopped")
        assert "Half an ans" in chat.text
        await chat.type("And?")
        await chat.sees("Yes.")


async def test_ctrl_c_twice_leaves() -> None:
    async with chatting(Scripted()) as chat:
        await chat.type("a draft", "ctrl+c")
        await chat.sees("Ctrl-C again leaves")
        assert "a draft" not in chat.text
        await chat.pilot.press("ctrl+c")
        await until(lambda: not chat.screen.is_running)


async def test_ctrl_d_leaves_where_nothing_is_typed() -> None:
    async with chatting(Scripted()) as chat:
        await chat.type("a draft", "ctrl+d")
        await chat.type("", "ctrl+d")
        await until(lambda: not chat.screen.is_running)


async def test_what_is_typed_meanwhile_is_asked_next() -> None:
    hold = asyncio.Event()
    async with chatting(Scripted([token("One."), hold, done()], [token("Two."), done()])) as chat:
        await chat.type("First")
        await chat.sees("One.")
        await chat.type("Second")
        await chat.sees("1 next")
        hold.set()
        await chat.sees("Two.")


async def test_an_error_is_one_line_and_the_chat_goes_on() -> None:
    async with chatting(Scripted([token("Hal"), ValueError("no\nserver")])) as chat:
        await chat.type("Why?")
        await chat.sees("✗ ")
        await chat.sees("no server")
        await chat.type("And?")
        await chat.sees("Yes.")


class Asks:
    """Asks the person for a value of a kind, and says it."""

    message = "Which one?"

    def __init__(self, kind: Any) -> None:
        self.kind = kind

    def __call__(self, messages: Sequence[Any], model: str, tools: Sequence[str]) -> Stream[Any]:
        async def asked(_: Any) -> Any:
            return token(f"got {await rxs.ask(self.kind, self.message)!r}")

        return rxs.source([0]).map_async(asked)


@pytest.mark.parametrize(
    ("kind", "keys", "got"),
    [(bool, ["y"], "True"), (bool, ["n"], "False"), (int, ["7", "enter"], "7")],
)
async def test_a_question_is_answered_with_a_key_or_a_value(
    kind: Any, keys: list[str], got: str
) -> None:
    async with chatting(Asks(kind)) as chat:
        await chat.type("Do it")
        await chat.sees("? Which one?")
        prompt = chat.screen.query_one(Prompt)
        await until(lambda: prompt.keys == ("yn" if kind is bool else ""))
        await chat.pilot.press(*keys)
        await chat.sees(f"got {got}")
        assert "? Which one?" not in chat.text


async def test_a_key_that_was_on_its_way_is_no_answer_and_a_long_question_can_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(screen, "SEEN_S", 60.0)
    monkeypatch.setattr(
        Asks, "message", "Which one?\n" + "\n".join(f"line {i}." for i in range(30))
    )
    async with chatting(Asks(bool)) as chat:
        await chat.type("Do it")
        await chat.sees("? Which one?")
        await chat.pilot.press("y")
        assert chat.screen.query_one(Prompt).text == "y"
        assert chat.session.turn is not None
        assert chat.session.turn.requests
        assert "line 29." not in chat.text
        await chat.pilot.press("pagedown", "pagedown", "pagedown")
        await chat.sees("line 29.")


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(lambda: Scripted([token("One."), asyncio.Event()]), id="to come next"),
        pytest.param(lambda: Asking(Says([token("One."), asyncio.Event(), done()])), id="to join"),
    ],
)
async def test_what_waits_for_its_turn_is_typed_again_when_the_answer_is_stopped(
    model: Callable[[], Any],
) -> None:
    async with chatting(model()) as chat:
        await chat.type("First")
        await chat.sees("One.")
        await chat.type("Second")
        await chat.sees("1 next")
        await chat.pilot.press("escape")
        await until(lambda: chat.screen.query_one(Prompt).text == "Second")


async def test_what_is_neither_yes_nor_no_is_said() -> None:
    async with chatting(Asks(bool)) as chat:
        await chat.type("Do it")
        await chat.sees("? Which one?")
        await chat.type("maybe")
        await chat.sees("that is no answer: y or n is wanted")


async def test_what_is_no_answer_is_said_and_the_question_stays() -> None:
    async with chatting(Asks(int)) as chat:
        await chat.type("Do it")
        await chat.sees("? Which one?")
        await chat.type("seven")
        await chat.sees("that is no answer")
        await chat.type("7")
        await chat.sees("got 7")


async def test_a_prompt_has_lines_and_a_history() -> None:
    async with chatting(Scripted()) as chat:
        for text in ("first", "second"):
            await chat.type(text)
            await until(lambda: chat.session.turn is None)
        await chat.type("a", "ctrl+j")
        await chat.pilot.press("b", "up", "up")
        prompt = chat.screen.query_one(Prompt)
        await until(lambda: prompt.text == "second")
        await chat.pilot.press("up", "down", "down")
        assert prompt.text == "a\nb"
        await chat.pilot.press("enter")
        await until(lambda: chat.session.conversation.turns[-1].question == "a\nb")


async def test_commands_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with chatting(Scripted(), tools=("files", "bash")) as chat:
        for typed, said in [
            ("/help", "/replay [N] [SPEED]"),
            ("/modle", "did you mean /model?"),
            ("/model openai:x", "now openai:x who answers"),
            ("/tools bash on", "files off, bash on"),
            ("/tools nope on", "there are files, bash"),
            ("/replay", "there is no such answer"),
            ("/copy", "there is no answer to copy"),
            ("/save a.md", "nothing was said yet"),
        ]:
            await chat.type(typed)
            await chat.sees(said)
        assert (chat.session.model, chat.session.tools) == ("openai:x", ["bash"])
        await chat.type("Why?")
        await chat.sees("Yes.")
        await chat.type("/save no/a.md")
        await chat.sees("No such file")
        await chat.type("/save a.md")
        await until(lambda: (tmp_path / "a.md").exists())
        await chat.type("/replay 1 1000")
        await chat.sees("again: Why?")
        await chat.type("/new")
        await chat.sees("a new chat")
        assert (chat.session.conversation.turns, chat.session.model) == ([], "openai:x")
        await chat.type("/quit")
        await until(lambda: not chat.screen.is_running)


async def test_what_a_model_says_cannot_act_on_the_terminal() -> None:
    evil = "\x1b[2J\x1b]0;owned\x07 `\x1b[31m` [red]not markup[/red]"
    script = [token(f"{evil}\n\n"), call("f", a=evil), output("f", evil), result("f", evil), done()]
    async with chatting(Scripted(script)) as chat:
        await chat.type("[bold]Why?[/bold]")
        await chat.sees("✓ f")
        assert "[red]not markup[/red]" in chat.text
        assert "[bold]Why?[/bold]" in chat.text
        assert not set(chat.text) & set(map(chr, [*range(9), *range(11, 32), 127]))


async def test_an_unfinished_answer_goes_on_when_the_chat_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    first = Session(path, Counting(40, 0.02), "local:m")
    async with first:
        turn = first.ask("Count")
        await until(lambda: len(turn.text) > 10)
        execution = first._execution
        assert execution is not None
        assert await execution.suspend()  # what a crash leaves, without the crash
    async with chatting(None, session=Session(path, Counting(40))) as chat:
        await chat.sees("was not finished: going on with it")
        await chat.sees("38 39")
        assert chat.text.count("0 1 2") == 1
        assert len(chat.screen.query(TurnView)) == 1


async def test_only_so_many_turns_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen, "SHOWN_TURNS", 5)
    async with Session(tmp_path / "a.db", Scripted(), "local:m") as session:
        for number in range(8):
            session.ask(f"Question {number}?")
            await session.wait()
    async with chatting(None, session=Session(tmp_path / "a.db", Scripted())) as chat:
        await chat.sees("Question 7?")
        await chat.pilot.press("pageup", "pageup")
        await chat.sees("3 earlier answers are not shown")
        await chat.type("Question 8?")
        await chat.sees("▌ Question 8?")
        await until(lambda: chat.session.turn is None)
        await until(lambda: len(chat.screen.query(TurnView)) == 5)


async def test_text_is_wrapped_again_when_the_window_changes() -> None:
    hold = asyncio.Event()
    words = " ".join(f"word{i}" for i in range(30))
    async with chatting(Scripted([token(words), hold])) as chat:
        await chat.type("Why?")
        await chat.sees("word29")
        await chat.pilot.resize_terminal(40, 30)
        await until(lambda: max(map(len, chat.text.splitlines())) <= 40)
        shown = chat.screen.query_one(AnswerView)
        await until(lambda: shown.size.height >= len(words) // 40)
        await chat.sees("word29")


async def test_a_remark_is_a_line() -> None:
    script = [{"type": "done", "text": "", "usage": None, "finish_reason": "length"}]
    async with chatting(Scripted(script)) as chat:
        await chat.type("Why?")
        await chat.sees("cut: the longest answer")
        assert isinstance(chat.screen.query_one(NoteView), Static)

"""A chat is kept in its log: what was shown is there after a crash, and the answer goes on."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rxstream.adapters.terminal.chat import Session
from rxstream.adapters.terminal.chat.answering import DEFAULT_MODEL
from rxstream.adapters.terminal.chat.session import QUESTION_LIMIT
from rxstream.errors import BadRequest, LogLocked, UnknownRequest
from tests.adapters.terminal.chat_parts import Counting, Scripted, call, done, token, until

ROOT = Path(__file__).parents[3]


async def test_a_question_is_answered_with_what_was_said_before() -> None:
    asking = Scripted([token("Blue."), done()], [token("Green."), done()])
    async with Session(None, asking, "local:m", system="Be brief.") as session:
        for question in ("The sky?", "Grass?"):
            session.ask(question)
            await session.wait()
    assert [turn.text for turn in session.conversation.turns] == ["Blue.", "Green."]
    assert [m["content"] for m in asking.asked[1]] == ["Be brief.", "The sky?", "Blue.", "Grass?"]


async def test_a_chat_that_is_opened_again_is_what_it_was(tmp_path: Path) -> None:
    long = "Why? " * 2_000  # more than an event shows of a parameter
    where = {"local": "http://127.0.0.1:1", "openai": "http://me:secret@127.0.0.1:2"}
    first = Session(tmp_path / "a.db", Scripted(), "local:m", ["f"], system="x", addresses=where)
    async with first as session:
        session.ask(long)
        await session.wait()
    known: dict[str, str] = {}
    async with Session(tmp_path / "a.db", Scripted(), addresses=known) as again:
        assert known == {"local": "http://127.0.0.1:1"}, "what holds a password is not kept"
        (turn,) = again.conversation.turns
        assert (turn.question, turn.text, turn.status) == (long, "Yes.", "completed")
        assert (again.model, again.tools, again.conversation.system) == ("local:m", ["f"], "x")
        assert again.unfinished is None


async def test_a_new_chat_asks_the_model_that_is_here() -> None:
    async with Session(None, Scripted()) as session:
        assert session.model == DEFAULT_MODEL


async def test_what_came_before_it_was_stopped_is_kept() -> None:
    hold = asyncio.Event()
    async with Session(None, Scripted([token("Half"), hold])) as session:
        turn = session.ask("Why?")
        await until(lambda: turn.text)
        assert session.cancel()
        await session.wait()
        assert (turn.status, turn.text, session.cancel()) == ("cancelled", "Half", False)
        session.ask("And?")
        await session.wait()
        assert [t.text for t in session.conversation.turns] == ["Half", "Yes."]


async def test_a_turn_that_cannot_begin_or_breaks_says_why() -> None:
    async with Session(None, Scripted([token("Hal"), ValueError("no\nmore")])) as session:
        turn = session.ask("Why?")
        with pytest.raises(BadRequest, match="under way"):
            session.ask("And?")
        await session.wait()
        assert (turn.status, turn.text) == ("failed", "Hal")
        assert "no" in (turn.error or "")
        with pytest.raises(BadRequest, match="200,000 characters"):
            session.ask("x" * (QUESTION_LIMIT + 1))
        with pytest.raises(UnknownRequest):
            await session.answer("r", True)
        assert len(session.conversation.turns) == 1


async def test_a_replay_is_the_answer_again_and_no_part_of_the_chat() -> None:
    async with Session(None, Scripted([token("One "), token("two."), done()])) as session:
        turn = session.ask("Count.")
        await session.wait()
        again = session.replay(turn, 1_000)
        await session.wait()
        assert (again.text, again.status, again.replayed) == ("One two.", "completed", True)
        assert session.shown == [turn, again]
        assert session.conversation.turns == [turn]


async def test_a_chat_that_is_open_elsewhere_is_not_opened(tmp_path: Path) -> None:
    async with Session(tmp_path / "a.db", Scripted()):
        with pytest.raises(LogLocked, match="is written by"):
            await Session(tmp_path / "a.db", Scripted()).__aenter__()


CHILD = """
import asyncio, sys
from pathlib import Path
from rxstream.adapters.terminal.chat import Session
from tests.adapters.terminal import chat_parts

async def main():
    asking = eval(sys.argv[2], vars(chat_parts))
    async with Session(Path(sys.argv[1]), asking, "local:m") as session:
        turn = session.ask("Count.")
        session.changed = lambda: print(f"shown: {turn.text}", flush=True)
        await session.wait()

asyncio.run(main())
"""


def killed_while_it_answers(path: Path, asking: str, shown: str) -> str:
    """Run a chat in a process of its own, kill it once that was shown; all that was shown."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), asking],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    seen = ""
    with process.stdout as lines:
        for line in lines:
            if line.startswith("shown: "):
                seen = line.removeprefix("shown: ").strip()
                if shown in seen:
                    process.send_signal(signal.SIGKILL)
    process.wait()
    return seen


async def test_an_answer_that_a_kill_cut_off_goes_on_where_it_was(tmp_path: Path) -> None:
    whole = "".join(f"{i} " for i in range(60))
    seen = killed_while_it_answers(tmp_path / "a.db", "Counting(60, 0.01)", "9 10")
    async with Session(tmp_path / "a.db", Counting(60)) as session:
        turn = session.unfinished
        assert turn is not None
        assert turn.text.startswith(seen)
        assert not turn.ended
        assert await session.go_on() is turn
        await session.wait()
        assert (turn.text, turn.status) == (whole, "completed")
        assert session.conversation.turns == [turn]
        session.ask("And?")
        await session.wait()
    assert len(session.conversation.turns) == 2


async def test_an_answer_that_cannot_go_on_is_asked_for_anew(tmp_path: Path) -> None:
    asking = "Scripted([token('Half'), asyncio.Event()])"
    assert killed_while_it_answers(tmp_path / "a.db", asking, "Half") == "Half"
    scripted = Scripted()
    async with Session(tmp_path / "a.db", scripted) as session:
        cut = session.unfinished
        assert cut is not None
        turn = await session.go_on()
        await session.wait()
        assert (cut.status, cut.text) == ("interrupted", "Half")
        assert (turn.status, turn.text, turn.question) == ("completed", "Yes.", "Count.")
        assert [m["content"] for m in scripted.asked[-1]] == ["Count."]
    async with Session(tmp_path / "a.db", Scripted()) as again:
        assert again.unfinished is None
        told = [m["content"] for m in again.conversation.messages("And?")]
        assert told == ["Count.", "Yes.", "And?"]


async def test_an_answer_nobody_wants_to_go_on_stays_as_it_is(tmp_path: Path) -> None:
    killed_while_it_answers(tmp_path / "a.db", "Counting(60, 0.01)", "2")
    async with Session(tmp_path / "a.db", Counting(60)) as session:
        turn = session.unfinished
        assert turn is not None
        await session.give_up()
        assert (session.unfinished, turn.status) == (None, "cancelled")
        assert turn.text.startswith("0 1 2")


async def test_a_call_is_stopped_with_its_answer() -> None:
    async with Session(None, Scripted([call("f"), asyncio.Event()])) as session:
        turn = session.ask("Why?")
        await until(lambda: turn.blocks)
        session.cancel()
        await session.wait()
        assert turn.blocks[0].state == "cancelled"  # type: ignore[union-attr]  # it is a call

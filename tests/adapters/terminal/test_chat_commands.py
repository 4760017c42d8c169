"""What is typed, what was typed before, and what is written of a chat."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from rxstream.adapters.terminal.chat import Conversation, History, Store, Turn, state_folder
from rxstream.adapters.terminal.chat.blocks import Request
from rxstream.adapters.terminal.chat.commands import Command, Mistake, parse
from rxstream.adapters.terminal.chat.history import KEPT
from rxstream.adapters.terminal.chat.questions import how_to_answer, value_of
from rxstream.adapters.terminal.chat.toolbox import made
from rxstream.adapters.terminal.chat.transcript import save
from rxstream.errors import BadRequest
from tests.adapters.terminal.chat_parts import call, result, sandbox, token

__all__ = ["sandbox"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Why?", "Why?"),
        ("/etc/passwd, what is it?", "/etc/passwd, what is it?"),
        ("//help", "/help"),
        ("/", "/"),
        ("/HELP", Command("help")),
        ("/exit", Command("quit")),
        ("/save 'a b.md'", Command("save", ("a b.md",))),
    ],
)
def test_a_slash_and_a_word_is_a_command(typed: str, meant: object) -> None:
    assert parse(typed) == meant


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("/modle x", "/modle is no command: did you mean /model? (/help)"),
        ("/xyzzy", "/xyzzy is no command: there are /help, /model, /tools, /save, "),
        ("/save", "write /save FILE"),
        ("/save 'a", "/save: No closing quotation"),
    ],
)
def test_a_mistaken_command_says_what_there_is(typed: str, said: str) -> None:
    found = parse(typed)
    assert isinstance(found, Mistake)
    assert found.message.startswith(said)


def test_history_goes_back_and_forth_and_keeps_what_was_being_typed(tmp_path: Path) -> None:
    history = History(tmp_path / "history")
    for text in ("one", "two\nlines", "two\nlines"):
        history.add(text)
    again = History(tmp_path / "history")
    assert again.older("dra") == "two\nlines"
    assert again.older("two\nlines") == "one"
    assert again.older("one") is None
    assert [again.newer(), again.newer(), again.newer()] == ["two\nlines", "dra", None]


def test_history_is_bounded_and_survives_half_a_line(tmp_path: Path) -> None:
    path = tmp_path / "history"
    history = History(path)
    for number in range(2 * KEPT + 10):
        history.add(f"entry {number}")
    assert len(path.read_bytes().splitlines()) < KEPT + 20
    path.write_bytes(path.read_bytes() + b'"half')
    assert History(path).entries == history.entries[1:]
    assert path.stat().st_mode & 0o077 == 0


def test_a_history_that_cannot_be_written_is_kept_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    history = History(tmp_path / "file" / "history")
    history.add("one")
    assert history.older("") == "one"


def talk() -> Conversation:
    made, turn = Conversation(), Turn("Why?\nReally?")
    for element in (token("See."), call("f", a=1), result("f", "```"), token("Two.")):
        turn.element(element)
    made.turns.append(turn)
    return made


def test_a_chat_is_written_to_read(tmp_path: Path) -> None:
    save(talk(), str(tmp_path / "chat.md"))
    text = (tmp_path / "chat.md").read_text()
    assert text == '> Why?\n> Really?\n\nSee.\n\n````\nf {"a":1}\n```\n````\n\nTwo.\n'


def test_a_chat_is_written_as_messages(tmp_path: Path) -> None:
    save(talk(), str(tmp_path / "chat.json"))
    save(talk(), str(tmp_path / "chat.jsonl"))
    whole = orjson.loads((tmp_path / "chat.json").read_bytes())
    lines = [orjson.loads(line) for line in (tmp_path / "chat.jsonl").read_bytes().splitlines()]
    assert whole == lines
    assert [message["role"] for message in whole] == ["user", "assistant", "tool", "assistant"]


def test_what_is_there_already_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "chat.md").write_text("mine")
    for name, said in (("chat.md", "is there already"), ("chat.txt", "ends with .md")):
        with pytest.raises(BadRequest, match=said):
            save(talk(), str(tmp_path / name))
    with pytest.raises(BadRequest, match="nothing was said"):
        save(Conversation(), str(tmp_path / "new.md"))
    assert (tmp_path / "chat.md").read_text() == "mine"


def test_chats_are_found_by_the_beginning_of_their_id(tmp_path: Path) -> None:
    store = Store(tmp_path / "chats")
    assert store.newest() == []
    paths = [store.fresh(), store.fresh().with_stem("other")]
    for age, path in enumerate(paths):
        path.write_text("")
        os.utime(path, (age, age))
    assert [path.stem for path in store.newest()] == ["other", paths[0].stem]
    assert store.find("oth") == paths[1]
    for wrong in ("nobody", "../x", ""):
        with pytest.raises(BadRequest, match="the newest are other, "):
            store.find(wrong)


def test_the_state_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_folder() == tmp_path / "rxstream"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert state_folder() == Path.home() / ".local" / "state" / "rxstream"


@pytest.mark.parametrize(
    ("schema", "typed", "value", "hint"),
    [
        ({"type": "boolean"}, "Yes", True, "y or n"),
        ({"type": "boolean"}, "perhaps", "perhaps", "y or n"),
        ({"type": "string"}, "7", "7", "type your answer"),
        ({"type": "integer"}, "7", 7, "a number"),
        ({"enum": ["red", "blue"]}, "red", "red", "one of red, blue"),
        ({"type": "object"}, '{"a": 1}', {"a": 1}, "your answer, as JSON"),
        ({"type": "object"}, "{", "{", "your answer, as JSON"),
    ],
)
def test_what_is_typed_becomes_the_value_that_was_asked_for(
    schema: dict[str, Any], typed: str, value: Any, hint: str
) -> None:
    request = Request("r", "Which?", schema)
    assert value_of(request, typed) == value
    assert how_to_answer(request) == hint


@pytest.mark.usefixtures("sandbox")
def test_tools_that_let_something_out_ask_first() -> None:
    for tool in made(["bash", "http_get", "screenshot"]):
        assert tool.settings.approval, tool.name
    (pages,) = made(["http_get"])
    assert callable(pages.settings.approval)
    assert pages.settings.approval({"url": "http://x.org/?q=1"}) == "Get http://x.org/?q=1?"

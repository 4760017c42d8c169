"""`rxstream chat` without a screen: a question in, its answer out, for programs and for pipes."""

from __future__ import annotations

import asyncio
import io
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rxstream.adapters.cli import main
from rxstream.adapters.cli.chat import _begin, _check_screen, _unfinished
from rxstream.adapters.cli.failure import Failure
from rxstream.adapters.terminal.chat import Session, Store
from rxstream.errors import MissingExtra
from tests.adapters.cli.chat_provider import provider_on_a_thread
from tests.adapters.llm.provider import WORDS, Provider, transcript
from tests.adapters.terminal.chat_parts import Counting, Scripted, until

ANSWER = "".join(WORDS)


@pytest.fixture
def provider() -> Iterator[Provider]:
    with provider_on_a_thread() as started:
        yield started


class Chat:
    """The command, asked with a file as its standard input."""

    def __init__(self, rxstream: Any, provider: Provider, folder: Path) -> None:
        self._rxstream = rxstream
        self._folder = folder
        self.model: tuple[str, ...] = ("--model", "compatible:m", "--base-url", provider.url)

    def start(self, question: bytes, *arguments: str, **options: Any) -> Any:
        path = self._folder / "question"
        path.write_bytes(question)
        with path.open("rb") as stdin:
            return self._rxstream.start("chat", *self.model, *arguments, stdin=stdin, **options)

    def ask(self, question: bytes, *arguments: str) -> tuple[int, str, str]:
        running = self.start(question, *arguments)
        return running.end(), running.out.decode(), "\n".join(running.said)


@pytest.fixture
def chat(rxstream: Any, provider: Provider, tmp_path: Path) -> Chat:
    return Chat(rxstream, provider, tmp_path)


def test_a_question_is_answered_with_text(chat: Chat, provider: Provider) -> None:
    status, out, err = chat.ask(b"Speak.\n", "--system", "Be brief.")
    assert (status, out) == (0, ANSWER)
    assert "Traceback" not in err
    ((_, body),) = provider.asked
    assert [m["content"] for m in body["messages"]] == ["Be brief.", "Speak."]


def test_elements_are_json_lines(chat: Chat) -> None:
    status, out, _ = chat.ask(b"Speak.", "--jsonl")
    elements = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert "".join(e["text"] for e in elements if e["type"] == "token") == ANSWER
    assert elements[-1]["type"] == "done"


def test_an_error_is_one_line_and_status_1(chat: Chat, provider: Provider) -> None:
    provider.status, provider.refusal = 401, {"error": {"message": "bad key"}}
    status, out, err = chat.ask(b"Speak.")
    assert (status, out) == (1, "")
    line = err.splitlines()[-1]
    assert line.startswith("rxstream: ")
    assert "bad key" in line


@pytest.mark.parametrize(
    ("question", "arguments", "said"),
    [
        (b"", (), "holds no question: echo QUESTION | rxstream chat"),
        (b"\xff", (), "is no UTF-8 text"),
        (b"?", ("--model", "nope:x"), "names no model: write one of"),
        (
            b"?",
            ("--tool", "nope"),
            "no tool is called 'nope': there are bash, files, http_get, screenshot",
        ),
        (b"?", ("--new", "--log", "x.db"), "exclude each other"),
        (b"?", ("--resume", "nope"), "no chat has the id 'nope'"),
    ],
)
def test_what_was_typed_wrong_is_status_2(
    question: bytes,
    arguments: tuple[str, ...],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(question)))
    assert main(["chat", "--model", "ollama:m", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert len(captured.err.splitlines()) == 1


def test_a_reader_that_leaves_ends_it_quietly(chat: Chat, provider: Provider) -> None:
    provider.parts = [transcript([f"line {i}\n" for i in range(20_000)])]
    running = chat.start(b"Speak.")
    running.until(lambda r: b"\n" in r.out)
    running.process.stdout.close()
    assert running.end() == 141, running.said
    assert "Traceback" not in "\n".join(running.said)


def test_an_interrupt_ends_it(chat: Chat, provider: Provider) -> None:
    half(provider)
    running = chat.start(b"Speak.")
    running.until(lambda r: r.out)
    running.signal(signal.SIGINT)
    assert running.end() == 130


def half(provider: Provider) -> None:
    """Say half of the answer, then nothing."""
    wire = transcript()
    provider.parts, provider.ending = [wire[: wire.index(b" Schiffe")]], "silent"


def test_a_killed_answer_goes_on_and_has_each_word_once(chat: Chat, provider: Provider) -> None:
    half(provider)
    running = chat.start(b"Speak.", "--log", "a.db")
    running.until(lambda r: "🌊".encode() in r.out)
    running.signal(signal.SIGKILL)
    provider.parts, provider.ending = [transcript()], "well"
    status, out, err = chat.ask(b"", "--log", "a.db")
    assert (status, out) == (0, ANSWER)
    assert "was not finished: going on with it" in err
    assert chat.ask(b"And?", "--log", "a.db")[:2] == (0, ANSWER)
    told = [m["content"] for m in provider.asked[-1][1]["messages"]]
    assert told == ["Speak.", ANSWER, "And?"]


def test_a_chat_that_goes_on_knows_where_its_server_is(chat: Chat, provider: Provider) -> None:
    half(provider)
    running = chat.start(b"Speak.", "--log", "a.db")
    running.until(lambda r: "🌊".encode() in r.out)
    running.signal(signal.SIGKILL)
    provider.parts, provider.ending = [transcript()], "well"
    chat.model = ()
    assert chat.ask(b"", "--log", "a.db")[:2] == (0, ANSWER)


def test_a_server_that_may_be_anybodys_is_asked_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.db").touch()
    assert main(["chat", "--log", str(tmp_path / "a.db"), "--base-url", "http://x"]) == 2
    assert "say with --model whose server --base-url is" in capsys.readouterr().err


def test_a_standard_input_that_is_closed_holds_no_question(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert main(["chat", "--model", "ollama:m"]) == 2
    assert "standard input holds no question" in capsys.readouterr().err


def test_where_nobody_can_agree_a_tool_is_not_called(chat: Chat, provider: Provider) -> None:
    function = {"name": "http_get", "arguments": '{"url": "http://127.0.0.1/"}'}
    wanted = {"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": function}]}
    said = {"choices": [{"index": 0, "delta": wanted, "finish_reason": "tool_calls"}]}
    provider.parts = [f"data: {json.dumps(said)}\n\ndata: [DONE]\n\n".encode()]
    running = chat.start(b"Do it.", "--tool", "http_get")
    running.until(lambda r: b"refused, because nobody is here to agree" in r.err)
    provider.parts = [transcript()]
    assert (running.end(), running.out.decode()) == (0, ANSWER)
    assert "did not agree" in json.dumps(provider.asked[-1][1]["messages"])


def test_without_a_model_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["chat"]) == 1
    said = "rxstream: the local model needs xllamacpp: pip install 'rxstream[local]'\n"
    assert capsys.readouterr().err == said


def test_a_key_that_is_missing_is_said_before_anything_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.setattr("sys.stdin", None)  # nobody reads it
    assert main(["chat", "--model", "anthropic:m"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("rxstream: anthropic:m: ")
    assert "set ANTHROPIC_API_KEY" in said


def test_a_chat_that_goes_on_needs_its_own_model_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    async def held() -> None:
        async with Session(tmp_path / "a.db", Scripted(), "compatible:m") as session:
            session.ask("Why?")
            await session.wait()

    asyncio.run(held())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"And?")))
    assert main(["chat", "--log", str(tmp_path / "a.db")]) == 1
    assert "compatible:m is on no server" in capsys.readouterr().err


def test_a_screen_that_cannot_be_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with pytest.raises(Failure, match=r"echo QUESTION \| rxstream chat"):
        _check_screen()
    monkeypatch.setattr("rxstream.adapters.cli.chat.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'rxstream\[terminal\]'"):
        _check_screen()


async def test_looking_for_what_was_cut_off_leaves_the_newest_chat_the_newest(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path)
    for name in ("older", "newer"):
        async with Session(tmp_path / f"{name}.db", Scripted(), "local:m") as session:
            session.ask("Why?")
            await session.wait()
    before = [path.stem for path in store.newest()]
    assert await _unfinished(store, lambda path: Session(path, Scripted())) is None
    assert [path.stem for path in store.newest()] == before == ["newer", "older"]


async def test_another_question_leaves_what_was_cut_off_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with Session(path, Counting(40, 0.02), "local:m") as session:
        turn = session.ask("Count")
        await until(lambda: turn.text)
        assert session._execution is not None
        assert await session._execution.suspend()
    scripted = Scripted()
    async with Session(path, scripted) as session:
        turn = await _begin(session, "Else?")
        await session.wait()
        assert turn.text == "Yes."
        told = [message["content"] for message in scripted.asked[0]]
        assert told[0::2] == ["Count", "Else?"]
        assert told[1].startswith("0 ")


async def test_what_cannot_go_on_for_want_of_a_key_can_later(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with Session(path, Counting(20, 0.02), "openai:m") as session:
        turn = session.ask("Count")
        await until(lambda: turn.text)
        assert session._execution is not None
        assert await session._execution.suspend()

    def without(model: str) -> None:
        raise MissingExtra(f"{model} lacks a key")

    async with Session(path, Counting(20)) as session:
        with pytest.raises(MissingExtra, match="openai:m lacks a key"):
            await _begin(session, "", without)
    async with Session(path, Counting(20)) as session:
        turn = await _begin(session, "")
        await session.wait()
        assert turn.text.split() == [str(number) for number in range(20)]


async def test_a_chat_that_was_cut_off_is_found_unless_somebody_has_it_open(
    tmp_path: Path,
) -> None:
    store, path = Store(tmp_path), tmp_path / "cut.db"
    async with Session(path, Counting(40, 0.02), "local:m") as session:
        turn = session.ask("Count")
        await until(lambda: turn.text)
        assert await _unfinished(store, lambda path: Session(path, Counting(40))) is None
        assert session._execution is not None
        assert await session._execution.suspend()
    found = await _unfinished(store, lambda path: Session(path, Counting(40)))
    assert found is not None
    await found.__aexit__(None, None, None)

"""`rxstream chat` on a real pseudo-terminal, seen as a terminal would show it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyte
import pytest

from tests.adapters.cli.chat_provider import provider_on_a_thread
from tests.adapters.llm.provider import Provider, transcript
from tests.adapters.llm.real import fetched, model

__all__ = ["fetched", "model"]

COLUMNS, ROWS = 100, 30
LEAVES_ALTERNATE = b"\x1b[?1049l"


class Terminal:
    """A terminal with a person in front of it."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        size = struct.pack("HHHH", ROWS, COLUMNS, 0, 0)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, size)
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""

    def read(self) -> None:
        if select.select([self.master], [], [], 0.05)[0]:
            data = os.read(self.master, 65_536)
            self.raw += data
            self._stream.feed(data)

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self._screen.display)

    def sees(self, *texts: str) -> None:
        deadline = time.monotonic() + 40
        while not all(text in self.text for text in texts):
            assert time.monotonic() < deadline, f"{texts} not in {self.text}"
            self.read()

    def sees_once(self, *texts: str) -> None:
        """What was read so far may be half of a drawing, in which lines move."""
        deadline = time.monotonic() + 40
        while any(self.text.count(text) != 1 for text in texts):
            assert time.monotonic() < deadline, f"{texts} not once each in {self.text}"
            self.read()

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def until_ended(self, running: Any) -> int:
        deadline = time.monotonic() + 40
        while running.process.poll() is None:
            assert time.monotonic() < deadline, self.text
            self.read()
        while select.select([self.master], [], [], 0)[0]:
            self.raw += os.read(self.master, 65_536)
        return int(running.process.returncode)

    def close(self) -> None:
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    made: list[Terminal] = []
    yield made
    for terminal in made:
        terminal.close()


class Chat:
    """The command on terminals of its own."""

    def __init__(self, rxstream: Any, terminals: list[Terminal], folder: Path) -> None:
        self._rxstream = rxstream
        self._terminals = terminals
        self._folder = folder

    def open(self, *arguments: str) -> tuple[Terminal, Any]:
        terminal = Terminal()
        self._terminals.append(terminal)
        running = self._rxstream.start(
            "chat",
            *arguments,
            stdin=terminal.slave,
            stdout=terminal.slave,
            stderr=terminal.slave,
            env={"TERM": "xterm-256color", "XDG_STATE_HOME": str(self._folder / "state")},
        )
        return terminal, running


@pytest.fixture
def chat(rxstream: Any, terminals: list[Terminal], tmp_path: Path) -> Chat:
    return Chat(rxstream, terminals, tmp_path)


@pytest.fixture
def provider() -> Iterator[Provider]:
    with provider_on_a_thread() as started:
        yield started


def model_of(provider: Provider) -> tuple[str, ...]:
    return ("--model", "compatible:m", "--base-url", provider.url)


def test_a_chat_that_was_killed_goes_on_and_shows_everything_once(
    chat: Chat, provider: Provider
) -> None:
    terminal, running = chat.open(*model_of(provider))
    terminal.sees("Ask something")
    terminal.type("Speak.\r")
    terminal.sees("▌ Speak.", "— 船.")
    wire = transcript(["Half ", "of it", ", whole."])
    provider.parts, provider.ending = [wire[: wire.index(b", whole")]], "silent"
    terminal.type("Again.\r")
    terminal.sees("Half of it")
    running.signal(signal.SIGKILL)

    provider.parts, provider.ending = [wire], "well"
    terminal, running = chat.open(*model_of(provider))
    terminal.sees("was not finished: going on with it", "Half of it, whole.")
    terminal.sees_once("Speak.", "— 船", "Half of it")
    terminal.type("\x03\x03")
    assert terminal.until_ended(running) == 0
    assert b"rxstream chat --resume" in terminal.raw.rpartition(LEAVES_ALTERNATE)[2]

    terminal, running = chat.open("--resume", *model_of(provider))
    terminal.sees("Half of it, whole.", "▌ Speak.")
    assert "was not finished" not in terminal.text
    terminal.type("/quit\r")
    assert terminal.until_ended(running) == 0


def test_every_way_to_begin_a_line_and_a_paste(chat: Chat, provider: Provider) -> None:
    terminal, running = chat.open(*model_of(provider))
    terminal.sees("Ask something")
    terminal.type("one\ntwo\x1b\rthree\x1b[13;2ufour")
    terminal.sees("│ one", "│ two", "│ three", "│ four")
    terminal.type("\x1b[200~ a\nb \x1b[201~")
    terminal.sees("│ four a", "│ b")
    terminal.type("\r")
    terminal.sees("▌ one", "▌ b")
    running.until(lambda _: provider.asked)
    assert provider.asked[0][1]["messages"][-1]["content"] == "one\ntwo\nthree\nfour a\nb"
    terminal.type("\x03\x03")
    assert terminal.until_ended(running) == 0


def test_an_answer_is_stopped_with_a_key_and_by_a_signal(chat: Chat, provider: Provider) -> None:
    wire = transcript()
    provider.parts, provider.ending = [wire[: wire.index(b" Schiffe")]], "silent"
    terminal, running = chat.open(*model_of(provider))
    terminal.sees("Ask something")
    terminal.type("Speak.\r")
    terminal.sees("Flüsse tragen")
    terminal.type("\x1b")
    terminal.sees("stopped")
    assert "Flüsse tragen" in terminal.text
    terminal.type("Again.\r")
    terminal.sees("answering")
    running.process.send_signal(signal.SIGTERM)
    assert terminal.until_ended(running) == 143
    assert LEAVES_ALTERNATE in terminal.raw
    assert b"Traceback" not in terminal.raw


def test_the_local_model_chats(chat: Chat, model: str) -> None:
    terminal, running = chat.open("--model", model)
    terminal.sees("Ask something")
    terminal.type("What is a river?\r")
    terminal.sees("tokens/s", " tokens · local:smollm2", "Ask something")
    terminal.type("/quit\r")
    assert terminal.until_ended(running) == 0

"""On a real terminal a run is a picture that is redrawn; elsewhere it is lines."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest

from tests.adapters.cli.terminals import Terminal, start


@pytest.fixture(autouse=True)
def _graphs(graphs: Any) -> None: ...


def test_the_picture_grows_and_the_result_stays_on_stdout(
    rxstream: Any, terminal: Terminal
) -> None:
    running = start(rxstream, terminal, "run", "graphs.py:talk")
    terminal.until("running")
    terminal.until("word3 ")
    assert terminal.until_ended(running) == 0
    running.end()
    assert running.out == b'{"model":{"type":"token","text":"word29 "},"rows":{"row":4}}\n'
    last = terminal.text.rpartition("talk ")[2]
    for shown in ("completed", "✓  model", "✓  rows", '{"row":4}', "word29"):
        assert shown in last


def test_the_cursor_is_shown_again(rxstream: Any, terminal: Terminal) -> None:
    running = start(rxstream, terminal, "run", "graphs.py:count", "-p", "delay=60")
    terminal.until("number 0")
    running.process.send_signal(signal.SIGINT)
    assert terminal.until_ended(running) == 130
    assert terminal.raw.rindex(b"\x1b[?25h") > terminal.raw.rindex(b"\x1b[?25l")
    assert "cancelled" in terminal.text
    assert "Traceback" not in terminal.text


def test_the_cursor_is_shown_again_when_code_does_not_return(
    rxstream: Any, terminal: Terminal
) -> None:
    running = start(rxstream, terminal, "run", "graphs.py:refuses_to_close")
    terminal.until("numbers")
    running.process.send_signal(signal.SIGINT)
    assert terminal.until_ended(running) == 130
    assert terminal.raw.rindex(b"\x1b[?25h") > terminal.raw.rindex(b"\x1b[?25l")


def test_it_redraws_at_most_ten_times_a_second(rxstream: Any, terminal: Terminal) -> None:
    begin = time.monotonic()
    running = start(rxstream, terminal, "run", "graphs.py:talk", "-p", "words=200")
    assert terminal.until_ended(running) == 0
    drawn = terminal.text.count("talk  ")
    assert 3 <= drawn <= 10 * (time.monotonic() - begin) + 2


def test_a_held_terminal_does_not_hold_the_run(rxstream: Any, terminal: Terminal) -> None:
    """Nobody reads the terminal, as after Ctrl-S; the execution goes on to its end all the same."""
    running = start(rxstream, terminal, "run", "graphs.py:talk", "-p", "words=400")
    running.end()
    assert running.process.returncode == 0
    assert b"word399" in running.out


def test_what_a_graph_prints_appears_above_the_picture(rxstream: Any, terminal: Terminal) -> None:
    running = start(rxstream, terminal, "run", "graphs.py:prints", stdout=terminal.slave)
    assert terminal.until_ended(running) == 0
    assert "noise" in terminal.text
    assert terminal.text.rstrip().endswith("1")


def test_jsonl_on_the_terminal_has_no_picture_in_it(rxstream: Any, terminal: Terminal) -> None:
    running = start(rxstream, terminal, "run", "graphs.py:count", "--jsonl", stdout=terminal.slave)
    assert terminal.until_ended(running) == 0
    assert b"\x1b" not in terminal.raw


def test_a_terminal_that_cannot_draw_gets_lines(rxstream: Any, terminal: Terminal) -> None:
    running = start(rxstream, terminal, "run", "graphs.py:count", env={"TERM": "dumb"})
    assert terminal.until_ended(running) == 0
    assert b"\x1b" not in terminal.raw
    assert "completed in " in terminal.text

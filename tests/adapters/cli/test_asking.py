"""What an execution asks is answered at the terminal it runs in, or from another one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rxstream.adapters.cli import main
from tests.adapters.cli.terminals import Terminal, start


@pytest.fixture(autouse=True)
def _graphs(graphs: Any) -> None: ...


@pytest.fixture
def server(rxstream: Any) -> Any:
    graphs = ("graphs.py:approve", "graphs.py:interview", "graphs.py:hurry")
    return rxstream.start("serve", *graphs, "--port", "0", "--log", "memory:")


def asked(server: Any, execution: str) -> list[Any]:
    """What it asks, waited for."""

    def found(running: Any) -> Any:
        return running.get(f"/api/executions/{execution}").get("inputs")

    return list(server.until(found, "a question"))


class TestARun:
    def test_asks_for_one_of_each_kind(self, rxstream: Any, terminal: Terminal) -> None:
        running = start(rxstream, terminal, "run", "graphs.py:interview")
        for question, typed in [
            ("2) drop\r\n  (one of these, or its number)\r\n> ", "2"),
            ("(text)\r\n> ", "because"),
            ("(a whole number from 1 to 9)\r\n> ", "99"),
            ("value: Input should be less than or equal to 9\r\n> ", "3"),
            ("(a list as JSON)\r\n> ", "[1, 2]"),
        ]:
            terminal.until(question)
            terminal.type(f"{typed}\n")
        assert terminal.until_ended(running) == 0
        running.end()
        assert json.loads(running.out) == ["drop", "because", 3, [1, 2]]

    def test_asks_one_after_the_other_until_an_answer_fits(
        self, rxstream: Any, terminal: Terminal
    ) -> None:
        running = start(rxstream, terminal, "run", "graphs.py:approve", "-p", "drafts=2")
        terminal.until("approve asks: publish 'draft 1'?\r\n  (yes or no, within 59:")
        assert "approve asks: publish 'draft 2'?\r\n" not in terminal.text
        terminal.until_last("> ")
        terminal.type("maybe\n")
        terminal.until("yes or no is wanted\r\n> ")
        terminal.type("yes\n")
        terminal.until("approve asks: publish 'draft 2'?\r\n")
        terminal.until_last("> ")
        terminal.type("no\n")
        assert terminal.until_ended(running) == 0
        running.end()
        assert running.out == b'["draft 2",false]\n'
        assert "✓  approve" in terminal.text

    def test_says_when_it_is_too_late(self, rxstream: Any, terminal: Terminal) -> None:
        running = start(rxstream, terminal, "run", "graphs.py:hurry")
        assert terminal.until_ended(running) == 1
        assert "too late: its time is over" in terminal.text
        assert "nobody answered 'quick!' in time" in terminal.text

    def test_ends_with_ctrl_c_as_ever(self, rxstream: Any, terminal: Terminal) -> None:
        running = start(rxstream, terminal, "run", "graphs.py:approve")
        terminal.until("> ")
        terminal.type("ye\x03")
        assert terminal.until_ended(running) == 130
        assert "cancelled" in terminal.text
        assert "Traceback" not in terminal.text
        assert terminal.raw.rindex(b"\x1b[?25h") > terminal.raw.rindex(b"\x1b[?25l")

    def test_says_how_to_answer_when_nobody_types_any_more(
        self, rxstream: Any, terminal: Terminal
    ) -> None:
        running = start(rxstream, terminal, "run", "graphs.py:approve")
        terminal.until("> ")
        terminal.type("\x04")
        terminal.until("rxstream: approve asks for yes or no: run it in a terminal")
        terminal.type("\x03")
        assert terminal.until_ended(running) == 130

    def test_says_in_one_line_how_to_answer_where_there_is_no_terminal(self, rxstream: Any) -> None:
        running = rxstream.start("run", "graphs.py:approve")
        running.until(lambda r: b"rxstream answer\n" in r.err)
        assert running.said[-2:] == [
            "approve asks: publish 'draft 1'?",
            "rxstream: approve asks for yes or no: run it in a terminal, or serve it with "
            "rxstream serve and use rxstream answer",
        ]
        running.signal(2)

    def test_asks_again_after_it_was_killed(self, rxstream: Any, terminal: Terminal) -> None:
        given = ("run", "graphs.py:approve", "--log", "events.db")
        running = start(rxstream, terminal, *given)
        terminal.until("> ")
        running.process.kill()
        running.process.wait()
        second = Terminal()
        try:
            running = start(rxstream, second, *given)
            second.until("going on with")
            second.until("> ")
            second.type("no\n")
            assert second.until_ended(running) == 0
        finally:
            second.close()
        running.end()
        assert running.out == b'["draft 1",false]\n'


class TestAWatch:
    def test_asks_at_the_terminal(self, rxstream: Any, server: Any, terminal: Terminal) -> None:
        execution = server.execute("interview")
        asked(server, execution)
        running = start(rxstream, terminal, "watch", execution, "--url", server.url)
        for question, typed in [
            ("(one of these, or its number)\r\n> ", "keep"),
            ("(text)\r\n> ", ""),
            ("(a whole number from 1 to 9)\r\n> ", "0"),
            ("Input should be greater than or equal to 1\r\n> ", "1"),
            ("(a list as JSON)\r\n> ", "[]"),
        ]:
            terminal.until(question)
            terminal.type(f"{typed}\n")
        assert terminal.until_ended(running) == 0
        running.end()
        assert json.loads(running.out) == ["keep", "", 1, []]

    def test_leaves_it_when_somebody_else_has_answered(
        self, rxstream: Any, server: Any, terminal: Terminal
    ) -> None:
        execution = server.execute("approve")
        [question] = asked(server, execution)
        running = start(rxstream, terminal, "watch", execution, "--url", server.url)
        terminal.until("> ")
        assert main(["answer", execution, question["request_id"], "yes", "--url", server.url]) == 0
        assert terminal.until_ended(running) == 0
        assert "somebody else has answered" in terminal.text

    def test_says_how_to_answer_where_there_is_no_terminal(
        self, rxstream: Any, server: Any
    ) -> None:
        execution = server.execute("approve")
        [question] = asked(server, execution)
        running = rxstream.start("watch", execution, "--url", server.url)
        command = f"rxstream answer {execution} {question['request_id']} VALUE --url {server.url}"
        running.until(lambda r: command in r.err.decode())
        assert main(command.replace("VALUE", "no").split()[1:]) == 0
        assert running.end() == 0
        assert "approve: answered: false" in running.said


class TestAnAnswer:
    """The command, in this process."""

    def test_is_given_to_what_is_listed(self, server: Any, capsys: Any) -> None:
        execution = server.execute("approve", drafts=2)
        server.until(lambda _: len(asked(server, execution)) == 2)
        at = ("--url", server.url)
        assert main(["answer", execution, *at]) == 0
        rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
        assert [row[1:] for row in rows] == [
            ["yes or no", "publish 'draft 1'?"],
            ["yes or no", "publish 'draft 2'?"],
        ]
        (first, *_), (second, *_) = rows
        assert main(["answer", execution, second, *at]) == 0
        assert capsys.readouterr().out.split("\t") == [*rows[1][:2], f"{rows[1][2]}\n"]
        assert main(["answer", execution, first, "perhaps", *at]) == 2
        said = "rxstream: 'perhaps' is no answer: yes or no is wanted\n"
        assert capsys.readouterr().err == said
        assert main(["answer", execution, first, "yes", *at]) == 0
        assert main(["answer", execution, second, "no", *at]) == 0
        server.until(lambda s: s.get(f"/api/executions/{execution}")["status"] == "completed")
        assert main(["answer", execution, *at]) == 0
        assert capsys.readouterr().err == f"rxstream: no question of {execution} is open\n"
        assert main(["answer", execution, first, "yes", *at]) == 1
        said = f"rxstream: no question {first!r} of {execution} is open\n"
        assert capsys.readouterr().err == said

    def test_needs_a_server(self, capsys: Any) -> None:
        assert main(["answer", "e1", "--url", "http://127.0.0.1:9"]) == 1
        said = "rxstream: no server answers at http://127.0.0.1:9"
        assert capsys.readouterr().err.startswith(said)
        assert main(["answer", "e1", "--url", "nowhere"]) == 2

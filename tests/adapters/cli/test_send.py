"""A running execution on a server is told something it has not asked for."""

from __future__ import annotations

from typing import Any

import pytest

from rxstream.adapters.cli import main


@pytest.fixture(autouse=True)
def _graphs(graphs: Any) -> None: ...


def said(server: Any, execution: str) -> list[str]:
    """Texts of the answers that are whole."""
    events = server.get(f"/api/executions/{execution}/events?limit=1000")["events"]
    outputs = [each["data"] for each in events if each["event_type"] == "step_output"]
    return [each["text"] for each in outputs if each["type"] == "done"]


def test_a_message_and_what_cancels_are_sent(rxstream: Any, capsys: Any) -> None:
    server = rxstream.start("serve", "graphs.py:chatting", "--port", "0", "--log", "memory:")
    execution = server.execute("chatting")
    at = ("--url", server.url)
    server.until(lambda _: said(server, execution) == ["hello"])
    assert main(["send", execution, "is it?", "--to", "agent", *at]) == 0
    server.until(lambda _: said(server, execution) == ["hello", "so it is"])
    assert main(["send", execution, '{"type": "cancel_turn"}', "--json", *at]) == 0
    assert capsys.readouterr().err == ""
    assert main(["send", execution, "{cancel", "--json", *at]) == 2
    assert capsys.readouterr().err.startswith("rxstream: '{cancel' is not JSON: ")
    assert main(["send", execution, '{"type": "dance"}', "--json", *at]) == 1
    assert "an agent is sent a text" in capsys.readouterr().err
    assert main(["send", execution, "x", "--to", "nobody", *at]) == 1
    assert "node 'nobody' takes nothing that is sent: agent would" in capsys.readouterr().err

"""`rxstream run` with a log, killed and given again: the execution goes on, or another one starts."""

from __future__ import annotations

import json
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _graphs(graphs: Any) -> None: ...


def killed(rxstream: Any, *arguments: str) -> list[dict[str, Any]]:
    """What was told until it was killed, after some outputs."""
    running = rxstream.start("run", *arguments, "--log", "events.db", "--jsonl")
    running.until(lambda r: sum(e["event_type"] == "step_output" for e in r.events) > 3)
    running.process.kill()
    running.process.wait()
    events: list[dict[str, Any]] = running.events
    return events


def again(rxstream: Any, *arguments: str) -> tuple[list[dict[str, Any]], list[str]]:
    status, out, said = rxstream.run("run", *arguments, "--log", "events.db", "--jsonl")
    assert status == 0
    return [json.loads(line) for line in out.splitlines()], said


def test_the_same_command_goes_on_where_it_was(rxstream: Any) -> None:
    before = killed(rxstream, "graphs.py:totals")
    events, said = again(rxstream, "graphs.py:totals")
    assert events[: len(before)] == before
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    shown = [event["data"] for event in events if event["event_type"] == "step_output"]
    assert shown == [i * (i + 1) // 2 for i in range(40)]
    assert said == [f"rxstream: going on with {before[0]['execution_id']} (--new starts another)"]


def test_other_parameters_or_new_start_another(rxstream: Any) -> None:
    before = killed(rxstream, "graphs.py:totals")
    for arguments in (["-p", "n=3"], ["--new"]):
        events, said = again(rxstream, "graphs.py:totals", *arguments)
        assert events[0]["execution_id"] != before[0]["execution_id"]
        assert said == []
    status, out, _ = rxstream.run("log", "stats", "--log", "events.db", "--json")
    assert status == 0
    assert json.loads(out)["executions"] == {"completed": 2, "running": 1}


def test_one_that_cannot_go_on_is_ended_and_another_starts(rxstream: Any) -> None:
    before = killed(rxstream, "graphs.py:count", "-p", "n=9", "-p", "delay=0.3")
    events, said = again(rxstream, "graphs.py:count", "-p", "n=9", "-p", "delay=0")
    assert events[0]["execution_id"] != before[0]["execution_id"]
    assert said == []
    _, out, _ = rxstream.run("log", "stats", "--log", "events.db", "--json")
    assert json.loads(out)["executions"] == {"completed": 1, "interrupted": 1}

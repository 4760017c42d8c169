"""`rxstream serve` and `demo` say where they listen, refuse what they must, and lose nothing."""

from __future__ import annotations

import signal
from typing import Any

import pytest

SERVE = ("serve", "graphs.py:count", "--port", "0")


@pytest.fixture(autouse=True)
def _graphs(graphs: Any) -> None: ...


def test_it_says_where_it_listens_and_keeps_its_log_in_the_folder(rxstream: Any) -> None:
    server = rxstream.start_anew(*SERVE)
    assert server.url.startswith("http://127.0.0.1:")
    assert [graph["name"] for graph in server.get("/api/graphs")["items"]] == ["count"]
    assert (rxstream.folder / ".rxstream" / "events.db").is_file()


def test_a_port_in_use_is_one_line(rxstream: Any) -> None:
    port = rxstream.start(*SERVE, "--log", "memory:").url.rpartition(":")[2]
    status, out, said = rxstream.run(*SERVE[:-1], port, "--log", "memory:")
    assert (status, out) == (1, "")
    assert said == [
        f"rxstream: port {port} on 127.0.0.1 is in use: give another one, or 0 for a free one"
    ]


def test_another_address_than_this_machine_is_refused(rxstream: Any) -> None:
    status, out, said = rxstream.run(*SERVE, "--log", "memory:", "--host", "0.0.0.0")
    assert (status, out, len(said)) == (2, "", 1)
    assert said[0].startswith("rxstream: '0.0.0.0' is not a loopback address")


def test_two_graphs_of_one_name_are_refused_at_start(rxstream: Any) -> None:
    rxstream.write("other.py", "from graphs import count as first\ncount = first.named('x')")
    status, out, said = rxstream.run(*SERVE, "other.py:count", "--log", "memory:")
    assert (status, out, len(said)) == (2, "", 1)
    assert said[0].startswith("rxstream: two graphs are named 'count'")


def test_a_graph_with_its_parameters_given_is_refused(rxstream: Any) -> None:
    status, out, said = rxstream.run("serve", "graphs.py:bound", "--port", "0")
    assert (status, out, len(said)) == (2, "", 1)
    assert "has its parameters given already" in said[0]


def test_a_log_that_another_process_writes_is_one_line(rxstream: Any) -> None:
    first = rxstream.start(*SERVE)
    assert first.url
    status, out, said = rxstream.run(*SERVE)
    assert (status, out, len(said)) == (1, "", 1)
    assert str(first.process.pid) in said[0]


def test_who_watches_is_told_when_the_server_is_stopped(rxstream: Any) -> None:
    server = rxstream.start(*SERVE)
    execution = server.execute("count", n=100, delay=60)
    watching = rxstream.start("watch", execution, "--url", server.url, "--jsonl")
    watching.until(lambda r: r.events)
    server.process.send_signal(signal.SIGTERM)
    assert (server.end(), watching.end()) == (0, 1)
    assert watching.events[-1]["data"] == {"reason": "the server was stopped"}
    assert watching.said == [f"rxstream: execution {execution} cancelled: the server was stopped"]


def test_after_a_kill_everything_seen_is_there_and_the_execution_is_ended(rxstream: Any) -> None:
    port = "0"
    server = rxstream.start(*SERVE)
    execution = server.execute("count", n=1_000_000, delay=0.001)
    watching = rxstream.start("watch", execution, "--url", server.url, "--jsonl")
    watching.until(lambda r: len(r.events) > 200)
    server.signal(signal.SIGKILL)
    port = server.url.rpartition(":")[2]

    again = rxstream.start("serve", "graphs.py:count", "--port", port)
    assert again.url == server.url
    assert watching.end() == 1

    seen = watching.events
    assert [event["sequence"] for event in seen] == list(range(1, len(seen) + 1))
    assert (seen[-1]["event_type"], seen[-1]["data"]["error"]["code"]) == (
        "pipeline_error",
        "interrupted",
    )
    assert again.get(f"/api/executions/{execution}")["status"] == "interrupted"
    later = rxstream.start("watch", execution, "--url", again.url, "--jsonl")
    assert later.end() == 1
    assert later.events == seen


def test_the_demo_says_how_to_look_and_can_be_watched(rxstream: Any) -> None:
    demo = rxstream.start("demo", "--port", "0")
    hint = demo.until(
        lambda r: next((line for line in r.said if line.startswith("  rxstream watch ")), None)
    )
    assert demo.out.decode().splitlines() == [f"rxstream listening on {demo.url}"]
    watching = rxstream.start(*hint.split()[1:], "--jsonl")
    watching.until(lambda r: any(e["event_type"] == "step_output" for e in r.events))
    demo.signal(signal.SIGINT)
    assert demo.end() == 130
    assert not any("Traceback" in line or "Task was" in line for line in demo.said)
    assert not (rxstream.folder / ".rxstream").exists()

"""`rxstream watch` shows an execution elsewhere, through cut connections, and ends as it ends."""

from __future__ import annotations

import random
import select
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _graphs(graphs: Any) -> None: ...


@pytest.fixture
def server(rxstream: Any) -> Any:
    return rxstream.start(
        "serve",
        *("graphs.py:count", "graphs.py:breaks", "graphs.py:slow"),
        *("--port", "0", "--log", "memory:"),
    )


class CuttingProxy:
    """Passes bytes to a server and cuts every connection after a random number of them."""

    def __init__(self, port: int, seed: int, cuts: int) -> None:
        self._target = ("127.0.0.1", port)
        self._random = random.Random(seed)
        self._cuts = cuts
        self.cut = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client, socket.create_connection(self._target) as upstream:
                upstream.sendall(client.recv(65_536))
                left = self._random.randrange(100, 4_000) if self.cut < self._cuts else 1 << 40
                while left and not select.select([client], [], [], 0)[0]:
                    if select.select([upstream, client], [], [])[0] == [upstream]:
                        data = upstream.recv(min(left, 1_000))
                        client.sendall(data)
                        left -= len(data)
                self.cut += not left

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def cutting(server: Any) -> Iterator[CuttingProxy]:
    proxy = CuttingProxy(int(server.url.rpartition(":")[2]), seed=1, cuts=12)
    yield proxy
    proxy.close()


def test_it_shows_everything_and_ends_as_the_execution_ends(rxstream: Any, server: Any) -> None:
    execution = server.execute("count", n=5, delay=0.01)
    assert rxstream.run("watch", execution, "--url", server.url)[:2] == (0, "4\n")
    failing = server.execute("breaks")
    status, out, said = rxstream.run("watch", failing, "--url", server.url)
    assert (status, out) == (1, "")
    assert said[-1].startswith(f"rxstream: execution {failing} failed")


def test_who_made_the_others_wait_is_told_at_the_end(rxstream: Any, server: Any) -> None:
    status, out, said = rxstream.run("watch", server.execute("slow"), "--url", server.url)
    assert (status, out) == (0, "5\n")
    assert said[-1].startswith("rxstream: 'classify' (at ")
    assert "makes 'numbers' wait" in said[-1]


def test_it_survives_cut_connections_without_a_gap_or_a_double(
    rxstream: Any, server: Any, cutting: CuttingProxy
) -> None:
    execution = server.execute("count", n=150, delay=0.002)
    watching = rxstream.start("watch", execution, "--url", cutting.url, "--jsonl")
    assert watching.end() == 0
    events = watching.events
    assert cutting.cut == 12
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["event_type"] == "pipeline_complete"
    assert f"rxstream: lost the connection to {cutting.url}, reconnecting" in watching.said


def test_after_goes_on_from_an_event(rxstream: Any, server: Any) -> None:
    execution = server.execute("count", n=5)
    whole = rxstream.start("watch", execution, "--url", server.url, "--jsonl")
    assert whole.end() == 0
    seen = whole.events[2]["cursor"]
    rest = rxstream.start("watch", execution, "--url", server.url, "--jsonl", "--after", seen)
    assert rest.end() == 0
    assert rest.events == whole.events[3:]


@pytest.mark.parametrize(("graph", "status", "out"), [("count", 0, "2\n"), ("breaks", 1, "")])
def test_when_everything_was_read_the_ending_is_still_told(
    rxstream: Any, server: Any, graph: str, status: int, out: str
) -> None:
    execution = server.execute(graph)
    whole = rxstream.start("watch", execution, "--url", server.url, "--jsonl")
    assert whole.end() == status
    last = whole.events[-1]["cursor"]
    assert rxstream.run("watch", execution, "--url", server.url, "--after", last)[:2] == (
        status,
        out,
    )


def test_an_unknown_id_is_one_line(rxstream: Any, server: Any) -> None:
    status, out, said = rxstream.run("watch", "nope", "--url", server.url)
    assert (status, out) == (1, "")
    assert said == [
        f"rxstream: no execution has the id 'nope' at {server.url}: "
        "what is asked for is an execution's id"
    ]


def test_a_cursor_that_is_none_is_wrong_usage(rxstream: Any, server: Any) -> None:
    execution = server.execute("count")
    status, out, said = rxstream.run("watch", execution, "--url", server.url, "--after", "x y")
    assert (status, out) == (2, "")
    assert said == ["rxstream: 'x y' is not a cursor: give one from an event, or a sequence number"]


def test_a_cursor_ahead_of_the_log_is_told(rxstream: Any, server: Any) -> None:
    execution = server.execute("count")
    status, out, said = rxstream.run("watch", execution, "--url", server.url, "--after", "999")
    assert (status, out) == (0, "2\n")
    assert said[0] == "999 is no place in this log, going on from 1"


def test_a_server_of_another_kind_is_one_line(rxstream: Any, server: Any) -> None:
    status, out, said = rxstream.run("watch", "x/../../healthz?", "--url", server.url)
    assert (status, out, len(said)) == (1, "", 1)


def test_a_reader_that_leaves_ends_it_quietly(rxstream: Any, server: Any) -> None:
    execution = server.execute("count", n=3, delay=60)
    watching = rxstream.start("watch", execution, "--url", server.url, "--jsonl")
    watching.until(lambda r: r.events)
    watching.process.stdout.close()
    assert (watching.end(), watching.said) == (141, [])

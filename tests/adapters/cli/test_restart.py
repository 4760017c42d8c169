"""A server is told to end by SIGTERM and another follows, under load: nothing is lost, nothing is doubled."""

from __future__ import annotations

import json
import signal
import time
import urllib.error
from typing import Any

import pytest

from tests.adapters.cli.conftest import PATIENT

STEADY = '''
import asyncio, os, rxstream

async def opened(gate: str) -> None:
    while not os.path.exists(gate):
        await asyncio.sleep(0.02)

@rxstream.graph
def steady(n: int = 60) -> None:
    """Numbers, each of which takes a moment; the last ones wait until a test has made `gate`."""
    async def moment(number: int) -> int:
        await asyncio.sleep(0.01)
        if number > 40:
            await opened("gate")
        return number
    return rxstream.source(range(n)).named("numbers").map_async(moment).named("out")

@rxstream.graph
def once() -> None:
    """What has begun cannot go on, and lasts until a test has made `gate`."""
    async def work() -> str:
        await opened("gate")
        return "done"
    return rxstream.source(work).named("work")
'''


@pytest.fixture(autouse=True)
def _graph(rxstream: Any) -> None:
    rxstream.write("steady.py", STEADY)


def serve(rxstream: Any, port: str = "0", *options: str, **given: Any) -> Any:
    graphs = ("steady.py:steady", "steady.py:once")
    server = rxstream.start("serve", *graphs, "--port", port, *options, **given)
    assert server.url
    return server


def port_of(server: Any) -> str:
    return str(server.url.rpartition(":")[2])


def watch_one(rxstream: Any, server: Any) -> Any:
    """Start one more execution and somebody who follows it."""
    return rxstream.start("watch", server.execute("steady"), "--url", server.url, "--jsonl")


def until_refused(server: Any) -> urllib.error.HTTPError:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            server.execute("once")
        except urllib.error.HTTPError as refused:
            return refused
    raise AssertionError("nothing was refused")


def test_a_rolling_restart_under_load_loses_nothing(rxstream: Any) -> None:
    """Nor does a server that is killed instead."""
    server = serve(rxstream, "0", "--max-running", "2")
    watching = [watch_one(rxstream, server) for _ in range(3)]
    for signum, status in ((signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)):
        for watch in watching:
            watch.until(lambda r: r.events)
        server.signal(signum)
        assert server.end() == status
        server = serve(rxstream, port_of(server), "--max-running", "2")
        server.until(lambda r: b"execution goes on" in r.err, "a resumed execution")
        watching.append(watch_one(rxstream, server))
    rxstream.write("gate", "")

    for watch in watching:
        assert watch.end() == 0, watch.said
        events = watch.events
        assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
        shown = [event["data"] for event in events if event["event_type"] == "step_output"]
        assert shown == list(range(60))
        assert [event["event_type"] for event in events].count("pipeline_start") == 1
        assert events[-1]["event_type"] == "pipeline_complete"


def test_what_cannot_go_on_has_its_grace_while_new_work_is_refused(rxstream: Any) -> None:
    server = serve(rxstream, "0", "--grace", "5", limits=PATIENT)
    done = server.execute("once")
    server.process.send_signal(signal.SIGTERM)
    refused = until_refused(server)
    assert (refused.code, refused.headers["Retry-After"]) == (503, "2")
    assert json.load(refused)["error"]["code"] == "draining"
    rxstream.write("gate", "")
    assert server.end() == 0
    again = serve(rxstream)
    shown = again.get(f"/api/executions/{done}")
    assert (shown["status"], shown["result"]) == ("completed", "done")


def test_resources_and_places_are_given_on_the_command_line(rxstream: Any) -> None:
    server = serve(rxstream, "0", "--log", "memory:", "--resource", "gpu=1", "--max-running", "1")
    server.execute("once")
    waits = server.execute("once")
    place = {"position": 1, "waiting_for": [{"kind": "place"}]}
    assert server.get(f"/api/executions/{waits}")["queue"] == place


@pytest.mark.parametrize("given", ["gpu", "=1"])
def test_a_resource_that_is_none_is_one_line(rxstream: Any, given: str) -> None:
    status, out, said = rxstream.run("serve", "steady.py:once", "--resource", given)
    assert (status, out) == (2, "")
    assert said == [
        f"rxstream: --resource {given!r} is not NAME=AMOUNT with a whole amount, such as gpu=2"
    ]

"""Which sources a graph can be resumed with; the others say so when it is built."""

from __future__ import annotations

from typing import Any

import pytest

import rxstream as rxs
from rxstream.adapters import sources
from rxstream.errors import GraphError

SEEK = {
    "lines": lambda: sources.lines("x"),
    "read_bytes": lambda: sources.read_bytes("x"),
    "tail": lambda: sources.tail("x"),
    "interval": lambda: sources.interval(1),
    "http": lambda: sources.http("http://x/", resumable=True),
}
DO_NOT = {
    "http": lambda: sources.http("http://x/"),
    "subprocess": lambda: sources.subprocess("true"),
    "websocket": lambda: sources.websocket("ws://x/"),
    "callback": lambda: sources.callback(lambda emitter: None),
    "channel": lambda: rxs.source(sources.Channel[int]()),
}


@pytest.mark.parametrize("make", SEEK.values(), ids=SEEK)
def test_what_knows_its_place_can_be_resumed(make: Any) -> None:
    plan = rxs.graph(resumable=True)(make).build()
    assert (plan.nodes[0].resumable, plan.obstacles) == (True, ())


@pytest.mark.parametrize("make", DO_NOT.values(), ids=DO_NOT)
def test_what_does_not_is_refused_where_it_must_be(make: Any) -> None:
    plan = rxs.graph(make).build()
    assert not plan.nodes[0].resumable
    assert plan.nodes[0].operator in plan.obstacles[0]
    with pytest.raises(GraphError, match="cannot go on"):
        rxs.graph(resumable=True)(make).build()

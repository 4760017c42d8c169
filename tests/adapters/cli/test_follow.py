"""A follower is patient with a server that is away, and its patience ends."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from rxstream.adapters.cli.failure import Failure
from rxstream.adapters.cli.follow import Follower
from rxstream.adapters.cli.served import Served
from tests.adapters.terminal.test_state import event


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


class Flaky:
    """A server that gives one event a connection, then answers as its script says."""

    def __init__(self, script: list[int]) -> None:
        self.script = script
        self.resumed: list[str | None] = []

    async def stream(self, request: web.Request) -> web.StreamResponse:
        self.resumed.append(request.headers.get("Last-Event-ID"))
        status = self.script.pop(0)
        if status != 200:
            return web.Response(status=status)
        number = 1 + sum(1 for cursor in set(self.resumed) if cursor)
        kind = "step_output" if self.script else "pipeline_complete"
        sent = event(kind, {}, "n", number=number)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"id: %b\ndata: %b\n\n" % (sent.cursor.encode(), sent.json))
        return response

    async def start(self) -> tuple[web.AppRunner, str]:
        app = web.Application()
        app.router.add_get("/stream/pipeline/{id}", self.stream)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


async def test_a_server_that_restarts_is_waited_for(session: aiohttp.ClientSession) -> None:
    told: list[str] = []
    server = Flaky([200, 503, 502, 200, 503, 200])
    runner, url = await server.start()
    try:
        follower = Follower(Served(session, url, "e1"), tell=told.append)
        seen = [each.sequence async for batch in follower.batches() for each in batch]
    finally:
        await runner.cleanup()
    assert seen == [1, 2, 3]
    assert server.resumed == [None, "abcd:1", "abcd:1", "abcd:1", "abcd:2", "abcd:2"]
    assert told == [f"lost the connection to {url}, reconnecting"] * 2


async def test_patience_ends_with_the_line_that_goes_on_later(
    session: aiohttp.ClientSession,
) -> None:
    runner, url = await Flaky([200, *[503] * 1_000]).start()
    try:
        follower = Follower(Served(session, url, "e1"), tell=lambda _: None, patience=0.5)
        with pytest.raises(Failure, match="rxstream watch e1 --after abcd:1 --url http") as lost:
            async for _ in follower.batches():
                pass
    finally:
        await runner.cleanup()
    assert lost.value.status == 1


async def test_a_server_that_never_answered_is_not_waited_for(
    session: aiohttp.ClientSession,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    follower = Follower(Served(session, f"http://127.0.0.1:{port}", "e1"), tell=lambda _: None)
    with pytest.raises(Failure, match="no server answers"):
        async for _ in follower.batches():
            pass

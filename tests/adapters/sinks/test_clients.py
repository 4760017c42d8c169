"""A client's own connection is a sink: of events, of elements, of several streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import ClientSession, web

import rxstream as rxs
from rxstream.adapters import sinks
from rxstream.operators.sse import EventStreamDecoder

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@rxs.graph
def numbers() -> rxs.Stream[int]:
    return rxs.of(1, 2, 3)


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[tuple[ClientSession, str]]:
    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with ClientSession() as session:
            yield session, f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def test_a_handler_brings_its_client_what_it_likes_over_its_own_websocket() -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async with rxs.Engine() as engine:
            execution = await engine.start(numbers)
            await execution.subscribe(sinks.websocket(socket)).wait()
        await socket.send_str("mine")
        return socket

    async with served(handle) as (session, url), session.ws_connect(url) as client:
        said = [message.data async for message in client]
    events = [orjson.loads(text) for text in said[:-1]]
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["event_type"] == "pipeline_complete"
    assert said[-1] == "mine"


async def test_elements_of_a_node_are_messages_of_json() -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)

        @rxs.graph
        def shown() -> None:
            rxs.of({"n": 1}, rxs.Binary(b"x", "text/plain")).to(sinks.websocket(socket))

        await shown.run()
        return socket

    async with served(handle) as (session, url), session.ws_connect(url) as client:
        first, second = [orjson.loads(message.data) async for message in client]
    assert first == {"n": 1}
    assert (second["type"], second["size"]) == ("binary", 1)


async def test_a_client_that_left_is_reported_and_the_execution_goes_on() -> None:
    found: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def handle(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()
        async with rxs.Engine() as engine:
            execution = await engine.start(numbers)
            subscription = execution.subscribe(sinks.websocket(socket))
            await subscription.wait()
            found.set_result((subscription.error, await execution.result()))
        return socket

    async with served(handle) as (session, url):
        client = await session.ws_connect(url)
        await client.close()
        error, result = await found
    assert getattr(error, "code", "") == "client_left"
    assert result == 3


async def test_server_sent_events_have_the_cursor_as_their_id() -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        sink = sinks.sse(response)

        @rxs.graph
        def both() -> rxs.Stream[int]:
            stream = rxs.of(1, 2)
            stream.map(lambda n: n * 10).to(sink)
            return stream

        async with rxs.Engine() as engine:
            execution = await engine.start(both)
            await execution.wait()
            await execution.subscribe(sink).wait()
        return response

    async with served(handle) as (session, url), session.get(url) as answer:
        decoded: Any = []
        EventStreamDecoder().feed(await answer.read(), decoded)
    assert [event.data for event in decoded[:2]] == ["10", "20"]
    told = [orjson.loads(event.data) for event in decoded[2:]]
    assert [event.id for event in decoded[2:]] == [event["cursor"] for event in told]
    assert [event.event for event in decoded[2:]] == [event["event_type"] for event in told]
    assert told[-1]["event_type"] == "pipeline_complete"

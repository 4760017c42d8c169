"""A server or a log that goes away before the end of a run never lets it look complete."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from rxstream import Engine
from rxstream.adapters.web import Settings, serve
from rxstream.log import MemoryLog
from tests.adapters.web import parts
from tests.adapters.web.parts import Client

Http = aiohttp.ClientSession


@pytest.mark.parametrize("transport", ["sse", "websocket"])
@pytest.mark.parametrize("what", ["server", "log"])
async def test_a_stream_is_aborted_when_its_server_or_log_closes_before_the_end(
    http: Http, transport: str, what: str
) -> None:
    log = MemoryLog()
    async with Engine(log) as engine:
        await parts.recorded(log, "e", parts.outputs(3))
        server = await serve(engine, port=0, settings=parts.QUICK)
        client = Client("e")
        reading = asyncio.create_task(parts.TRANSPORTS[transport](http, server.url, client))
        await parts.until(lambda: len(client.texts) == 4)
        await (server.close() if what == "server" else log.close())
        assert await reading is False
        if transport == "websocket":
            assert client.closes == [1012]
        await server.close()


async def test_a_waiting_poll_is_answered_when_the_server_closes(http: Http) -> None:
    async with Engine() as engine:
        await parts.recorded(engine.log, "e", parts.outputs(0))
        server = await serve(engine, port=0, settings=parts.QUICK)
        address = f"{server.url}/api/executions/e/events?after=1&wait=60"

        async def ask() -> dict[str, object]:
            async with http.get(address) as response:
                assert response.status == 200
                return dict(await response.json())

        waiting = asyncio.create_task(ask())
        await parts.until(lambda: engine.log._waiting)
        await server.close()
        page = await waiting
    assert page["events"] == []
    assert page["cursor"] == f"{engine.log.epoch}:1"


async def test_a_waiting_poll_is_an_error_when_the_log_closes(http: Http) -> None:
    log = MemoryLog()
    async with Engine(log) as engine, parts.served(engine) as url:
        await parts.recorded(log, "e", parts.outputs(0))

        async def ask() -> tuple[int, str]:
            async with http.get(f"{url}/api/executions/e/events?after=1&wait=60") as response:
                return response.status, (await response.json())["error"]["code"]

        waiting = asyncio.create_task(ask())
        await parts.until(lambda: log._waiting)
        await log.close()
        assert await waiting == (503, "log_closed")


async def test_closing_is_quick_also_with_clients_that_read_nothing(http: Http) -> None:
    async with Engine() as engine:
        await parts.recorded(engine.log, "e", parts.outputs(0))
        settings = Settings(close_timeout=0.2)  # the rest as it is in production
        server = await serve(engine, port=0, settings=settings)
        async with (
            http.ws_connect(f"{server.url}/ws/pipeline/e", autoclose=False) as quiet,
            http.ws_connect(f"{server.url}/ws"),
            http.get(f"{server.url}/stream/pipeline/e"),
        ):
            await quiet.receive()
            async with asyncio.timeout(15):
                await server.close()


async def test_an_engine_that_closes_ends_its_streams_with_the_terminal_event(http: Http) -> None:
    parts.feed()
    async with Engine(graphs=parts.GRAPHS) as engine, parts.served(engine) as url:
        execution = await engine.start("fed", {"feed": "feed"})
        clients = [Client(execution.id), Client(execution.id)]
        reading = [
            asyncio.create_task(parts.sse(http, url, clients[0])),
            asyncio.create_task(parts.websocket(http, url, clients[1])),
        ]
        await parts.until(lambda: all(client.texts for client in clients))
        await engine.close()
        assert await asyncio.gather(*reading) == [True, True]
    assert [client.events[-1]["event_type"] for client in clients] == ["pipeline_cancelled"] * 2


async def test_more_streams_than_allowed_are_429(engine: Engine, http: Http) -> None:
    await parts.recorded(engine.log, "e", parts.outputs(0))
    async with parts.served(engine, Settings(max_streams=1, close_timeout=0.2)) as url:
        first = await http.get(f"{url}/stream/pipeline/e")
        async with http.get(f"{url}/stream/pipeline/e") as refused:
            assert refused.status == 429
            assert "Retry-After" in refused.headers
        first.close()

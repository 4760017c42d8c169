"""Events over SSE and WebSocket: complete, from any cursor, with an honest end."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from rxstream import Engine
from rxstream.adapters.web import Settings
from rxstream.log import MemoryLog
from tests.adapters.web import parts
from tests.adapters.web.parts import Client

Http = aiohttp.ClientSession
both = pytest.mark.parametrize("transport", ["sse", "websocket"])
every = pytest.mark.parametrize("transport", parts.TRANSPORTS)


@every
async def test_a_run_is_seen_from_its_first_event_to_its_last(
    engine: Engine, url: str, http: Http, transport: str
) -> None:
    execution = await engine.start("numbers", {"n": 500})
    client = Client(execution.id)
    assert await parts.TRANSPORTS[transport](http, url, client)
    assert client.sequences == list(range(1, len(client.texts) + 1))
    outputs = [e["data"] for e in client.events if e["event_type"] == "step_output"]
    assert outputs == list(range(500))
    assert client.ended


@every
async def test_who_joins_late_sees_everything_and_then_what_comes(
    engine: Engine, url: str, http: Http, transport: str
) -> None:
    queue = parts.feed()
    execution = await engine.start("fed", {"feed": "feed"})
    for item in range(10):
        queue.put_nowait(item)
    early = Client(execution.id)
    reading = asyncio.create_task(parts.websocket(http, url, early))
    await parts.until(lambda: len(early.texts) == 12)
    late = Client(execution.id)
    joining = asyncio.create_task(parts.TRANSPORTS[transport](http, url, late))
    await parts.until(lambda: len(late.texts) == 12)
    queue.put_nowait("last")
    queue.put_nowait(None)
    assert await reading
    assert await joining
    assert late.sequences == early.sequences
    assert late.events == early.events


async def test_a_hundred_clients_see_the_same_bytes(engine: Engine, url: str, http: Http) -> None:
    queue = parts.feed()
    execution = await engine.start("fed", {"feed": "feed"})
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        clients = [Client(execution.id) for _ in range(100)]
        reading = [
            asyncio.create_task((parts.sse, parts.websocket)[i % 2](session, url, client))
            for i, client in enumerate(clients)
        ]
        for item in range(200):
            queue.put_nowait({"item": item, "text": "é" * (item % 7)})
            if item % 20 == 0:
                await asyncio.sleep(0.005)
        queue.put_nowait(None)
        assert all(await asyncio.gather(*reading))
    stored = [event.json.decode() async for event in execution.events()]
    assert all(client.texts == stored for client in clients)


@both
async def test_a_stream_goes_on_after_a_cursor_or_a_bare_number(
    engine: Engine, url: str, http: Http, transport: str
) -> None:
    await parts.recorded(engine.log, "e", [*parts.outputs(5), parts.ENDING], "completed")
    for cursor in ("3", f"{engine.log.epoch}:3"):
        client = Client("e", cursor)
        assert await parts.TRANSPORTS[transport](http, url, client)
        assert client.sequences == [4, 5, 6, 7]


@both
@pytest.mark.parametrize("cursor", ["99", "deadbeef:3"])
async def test_a_cursor_that_cannot_be_served_is_a_gap_first(
    engine: Engine, url: str, http: Http, transport: str, cursor: str
) -> None:
    await parts.recorded(engine.log, "e", [*parts.outputs(2), parts.ENDING], "completed")
    client = Client("e", cursor)
    assert await parts.TRANSPORTS[transport](http, url, client)
    gap = client.events[0]
    assert (gap["event_type"], gap["sequence"]) == ("gap", None)
    assert gap["data"] == {"requested": cursor, "first_available": 1, "missed": None}
    assert client.sequences[1:] == [1, 2, 3, 4]


@both
async def test_what_was_trimmed_away_is_a_gap_that_says_how_much(
    http: Http, transport: str
) -> None:
    log = MemoryLog(ring_events=8)
    async with Engine(log) as engine, parts.served(engine) as url:
        await parts.recorded(log, "e", [*parts.outputs(20), parts.ENDING], "completed")
        first = (await log.head("e")).first
        client = Client("e", "2")
        assert await parts.TRANSPORTS[transport](http, url, client)
    assert client.events[0]["data"] == {
        "requested": "2",
        "first_available": first,
        "missed": first - 3,
    }
    assert client.sequences[1:] == list(range(first, 23))


# -- SSE -------------------------------------------------------------------------------------


async def test_sse_says_that_it_must_not_be_kept_or_held_back(
    engine: Engine, url: str, http: Http
) -> None:
    await parts.recorded(engine.log, "e", parts.outputs(1))
    async with http.get(f"{url}/stream/pipeline/e") as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        assert response.headers["Cache-Control"] == "no-cache"
        assert response.headers["X-Accel-Buffering"] == "no"


async def test_last_event_id_wins_over_after(engine: Engine, url: str, http: Http) -> None:
    await parts.recorded(engine.log, "e", [*parts.outputs(2), parts.ENDING], "completed")
    address = f"{url}/stream/pipeline/e?after=1"
    async with http.get(address, headers={"Last-Event-ID": "3"}) as response:
        seen = [m async for m in parts.messages(response.content)]
    assert [json.loads(message["data"])["sequence"] for message in seen] == [4]


async def test_sse_of_what_was_read_to_its_end_is_204(engine: Engine, url: str, http: Http) -> None:
    await parts.recorded(engine.log, "e", [*parts.outputs(2), parts.ENDING], "completed")
    client = Client("e")
    assert await parts.sse(http, url, client)
    headers = {"Last-Event-ID": client.after or ""}
    async with http.get(f"{url}/stream/pipeline/e", headers=headers) as response:
        assert response.status == 204
        assert await response.read() == b""


async def test_a_quiet_sse_stream_sends_comments(engine: Engine, url: str, http: Http) -> None:
    await parts.recorded(engine.log, "e", parts.outputs(0))
    async with http.get(f"{url}/stream/pipeline/e?after=1") as response:
        heard = b""
        while heard.count(b":\n\n") < 4:
            heard += await response.content.readany()
    assert set(heard) == set(b":\n")


async def test_a_head_request_does_not_open_a_stream(engine: Engine, url: str, http: Http) -> None:
    await parts.recorded(engine.log, "e", parts.outputs(0))
    async with asyncio.timeout(30), http.head(f"{url}/stream/pipeline/e") as response:
        assert response.status == 405


# -- WebSocket -------------------------------------------------------------------------------


async def closed(http: Http, address: str) -> int | None:
    async with http.ws_connect(address) as ws:
        async for message in ws:
            raise AssertionError(message)
        return ws.close_code


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/ws/pipeline/nope", 4404),
        ("/ws/pipeline/e?after=x", 4400),
        ("/ws/pipeline/e?after=", 4400),
    ],
)
async def test_what_is_wrong_with_a_websocket_is_its_close_code(
    engine: Engine, url: str, http: Http, path: str, code: int
) -> None:
    await parts.recorded(engine.log, "e", parts.outputs(0))
    assert await closed(http, url + path) == code


async def test_a_websocket_of_what_was_read_to_its_end_closes_at_once(
    engine: Engine, url: str, http: Http
) -> None:
    await parts.recorded(engine.log, "e", [*parts.outputs(0), parts.ENDING], "completed")
    assert await closed(http, f"{url}/ws/pipeline/e?after=2") == 1000


async def test_a_message_that_is_too_big_closes_with_1009(
    engine: Engine, url: str, http: Http
) -> None:
    await parts.recorded(engine.log, "e", parts.outputs(0))
    for path in ("/ws/pipeline/e?after=1", "/ws"):
        async with http.ws_connect(url + path) as ws:
            await ws.send_str("x" * (64 * 1024 + 1))
            message = await ws.receive()
            assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1009)


async def test_a_client_that_says_nonsense_to_a_single_stream_is_told_and_loses_nothing(
    engine: Engine, url: str, http: Http
) -> None:
    await parts.recorded(engine.log, "e", parts.outputs(0))
    async with http.ws_connect(f"{url}/ws/pipeline/e") as ws:
        await ws.receive()
        await ws.send_str("hello")
        await ws.send_bytes(b"\xff")
        for word in ("not JSON", "binary"):
            told = await ws.receive_json()
            assert (told["type"], told["stream_id"]) == ("error", "e")
            assert word in told["error"]["message"]
        await parts.complete(engine.log, "e")
        assert (await ws.receive_json())["event_type"] == "pipeline_complete"
        assert (await ws.receive()).data == 1000


async def test_a_websocket_is_not_compressed(engine: Engine, url: str, http: Http) -> None:
    await parts.recorded(engine.log, "e", parts.outputs(0))
    async with http.ws_connect(f"{url}/ws/pipeline/e", compress=15) as ws:
        assert not ws.compress


async def test_a_plain_request_to_a_websocket_is_refused(url: str, http: Http) -> None:
    for path in ("/ws", "/ws/pipeline/e"):
        async with http.get(url + path) as response:
            assert response.status == 400
            assert (await response.json())["error"]["code"] == "bad_request"


async def test_a_quiet_websocket_is_pinged_and_answers_pings(
    engine: Engine, url: str, http: Http
) -> None:
    await parts.recorded(engine.log, "e", parts.outputs(0))
    async with http.ws_connect(f"{url}/ws/pipeline/e?after=1", autoping=False) as ws:
        assert (await ws.receive()).type is aiohttp.WSMsgType.PING
        await ws.ping(b"there?")
        kinds: list[Any] = []
        while not kinds or kinds[-1].type is not aiohttp.WSMsgType.PONG:
            kinds.append(await ws.receive())
        assert kinds[-1].data == b"there?"


async def test_a_websocket_client_that_answers_nothing_is_given_up(
    engine: Engine, http: Http
) -> None:
    settings = Settings(heartbeat=0.02, stale_timeout=0.1, close_timeout=0.1)
    await parts.recorded(engine.log, "e", parts.outputs(0))
    async with (
        parts.served(engine, settings) as url,
        http.ws_connect(f"{url}/ws/pipeline/e", autoping=False, autoclose=False) as ws,
    ):
        codes = []
        while not ws.closed and (message := await ws.receive()).type not in (
            aiohttp.WSMsgType.CLOSED,
            aiohttp.WSMsgType.ERROR,
        ):
            if message.type is aiohttp.WSMsgType.CLOSE:
                codes.append(message.data)
                break
    assert codes == [4408]

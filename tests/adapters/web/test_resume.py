"""Connections cut at any byte: whoever comes back with a cursor has no gap and no double."""

from __future__ import annotations

import random

import aiohttp
import pytest

from rxstream import Engine
from tests.adapters.web import parts
from tests.adapters.web.parts import Client

Http = aiohttp.ClientSession


@pytest.mark.parametrize("transport", parts.TRANSPORTS)
@pytest.mark.parametrize("seed", range(3))
async def test_cuts_at_random_bytes_lose_and_double_nothing(
    engine: Engine, url: str, transport: str, seed: int
) -> None:
    chance = random.Random(seed)
    execution = await engine.start("numbers", {"n": 300, "padding": 50})
    await execution.wait()
    stored = [event.to_dict() async for event in execution.events()]
    client = Client(execution.id)
    # a connection must get through at least once in a while for the test to end
    async with parts.cutting(url, chance, 40_000) as proxied:
        done = False
        while not done:
            async with aiohttp.ClientSession() as http:
                ended = await parts.TRANSPORTS[transport](http, proxied, client)
            assert not ended or client.ended  # a cut stream never looks complete
            done = client.ended
    assert client.connections > 2
    assert client.events == stored


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_a_stream_cut_before_its_terminal_event_never_ends_well(
    engine: Engine, url: str, http: Http, transport: str
) -> None:
    await parts.recorded(engine.log, "e", [*parts.outputs(5), parts.ENDING], "completed")
    whole = Client("e")
    assert await parts.TRANSPORTS[transport](http, url, whole)
    for most in range(1, 2_200, 150):
        chance = random.Random(most)
        async with parts.cutting(url, chance, most) as proxied:
            client = Client("e")
            ended = await parts.TRANSPORTS[transport](http, proxied, client)
            assert client.texts == whole.texts[: len(client.texts)]
            assert not ended or client.ended


@pytest.mark.parametrize("transport", parts.TRANSPORTS)
async def test_a_client_goes_on_over_another_transport(
    engine: Engine, url: str, http: Http, transport: str
) -> None:
    await parts.recorded(engine.log, "e", parts.outputs(5))
    client = Client("e")
    async with http.ws_connect(f"{url}/ws/pipeline/e") as ws:
        for _ in range(3):
            client.saw(await ws.receive_str())
    await parts.complete(engine.log, "e")
    assert await parts.TRANSPORTS[transport](http, url, client)
    assert client.sequences == list(range(1, 8))

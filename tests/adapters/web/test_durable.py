"""The same endpoints over a log on disk, also after the process that wrote it is gone."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from rxstream import Binary, Engine
from tests.adapters.web import parts
from tests.adapters.web.parts import Client

Http = aiohttp.ClientSession


def engine_on(path: Path) -> Engine:
    return Engine(f"sqlite:{path / 'events.db'}", graphs=parts.GRAPHS)


@pytest.mark.parametrize("transport", parts.TRANSPORTS)
async def test_a_cursor_outlives_the_engine(tmp_path: Path, http: Http, transport: str) -> None:
    async with engine_on(tmp_path) as engine, parts.served(engine) as url:
        execution = await engine.start("numbers", {"n": 400})
        whole = Client(execution.id)
        assert await parts.TRANSPORTS[transport](http, url, whole)
    async with engine_on(tmp_path) as engine, parts.served(engine) as url:
        half = whole.events[150]
        client = Client(execution.id, half["cursor"])
        assert await parts.TRANSPORTS[transport](http, url, client)
        assert client.events == whole.events[151:]
        async with http.get(f"{url}/api/executions/{execution.id}") as response:
            told = await response.json()
        assert (told["status"], told["result"]) == ("completed", 399)
        assert told["last_cursor"] == whole.after


async def test_what_was_read_to_its_end_is_204_after_a_restart(tmp_path: Path, http: Http) -> None:
    async with engine_on(tmp_path) as engine:
        execution = await engine.start("numbers", {"n": 4})
        last = [event async for event in execution.events()][-1]
    async with engine_on(tmp_path) as engine, parts.served(engine) as url:
        address = f"{url}/stream/pipeline/{execution.id}"
        async with http.get(address, headers={"Last-Event-ID": last.cursor}) as response:
            assert response.status == 204


async def test_an_execution_that_died_is_ended_honestly(tmp_path: Path, http: Http) -> None:
    async with engine_on(tmp_path) as engine:
        # a record that says "running" is what a killed process leaves
        await parts.recorded(engine.log, "died", parts.outputs(3))
    async with engine_on(tmp_path) as engine, parts.served(engine) as url:
        client = Client("died", "2")
        assert await parts.sse(http, url, client)
        assert [event["event_type"] for event in client.events] == [
            "step_output",
            "step_output",
            "pipeline_error",
        ]
        async with http.get(f"{url}/api/executions/died") as response:
            told = await response.json()
        assert told["status"] == "interrupted"
        assert told["error"]["code"] == "interrupted"


@pytest.mark.parametrize("strange", ["%ff", "%00", "%ed%a0%80", "'", "%F0%9F%98%80", "x" * 3000])
async def test_a_strange_id_is_unknown_and_no_more(
    tmp_path: Path, http: Http, strange: str
) -> None:
    async with engine_on(tmp_path) as engine, parts.served(engine) as url:
        for path in ("/api/executions/{}", "/api/executions/{}/events", "/stream/pipeline/{}"):
            async with http.get(URL(url + path.format(strange), encoded=True)) as response:
                assert response.status == 404
                assert (await response.json())["error"]["code"] == "unknown_execution"
        address = URL(f"{url}/api/executions?graph={strange}&after={strange}", encoded=True)
        async with http.get(address) as response:
            assert response.status == 400
        address = URL(f"{url}/ws/pipeline/{strange}", encoded=True)
        async with http.ws_connect(address) as ws:
            assert (await ws.receive()).data == 4404


async def test_a_blob_outlives_the_engine(tmp_path: Path, http: Http) -> None:
    async with engine_on(tmp_path) as engine:
        queue = parts.feed()
        execution = await engine.start("fed", {"feed": "feed"})
        queue.put_nowait(Binary(b"pixels", "image/png"))
        queue.put_nowait(None)
        outputs = [e.data async for e in execution.events() if e.event_type == "step_output"]
    async with (
        engine_on(tmp_path) as engine,
        parts.served(engine) as url,
        http.get(url + outputs[0]["href"]) as response,
    ):
        assert await response.read() == b"pixels"

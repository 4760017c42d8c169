"""Graphs and executions over plain requests."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # ships no types

import rxstream as rxs
from rxstream import Engine
from rxstream import operators as ops
from rxstream.adapters.web.openapi import document
from tests.adapters.web import parts

Http = aiohttp.ClientSession


async def test_graphs_are_listed_by_name_with_their_parameters(url: str, http: Http) -> None:
    async with http.get(f"{url}/api/graphs") as response:
        told = await response.json()
    assert response.status == 200
    assert [item["name"] for item in told["items"]] == ["broken", "fed", "numbers", "undrawable"]
    assert told["items"][2]["description"] == "Numbers from zero."
    assert told["items"][2]["parameters"]["required"] == ["n"]
    assert told["next"] is None


async def test_the_list_of_graphs_goes_on_after_a_name(url: str, http: Http) -> None:
    async with http.get(f"{url}/api/graphs?limit=2") as response:
        first = await response.json()
    async with http.get(f"{url}/api/graphs?limit=2&after={first['next']}") as response:
        second = await response.json()
    names = [item["name"] for item in first["items"] + second["items"]]
    assert names == ["broken", "fed", "numbers", "undrawable"]
    assert second["next"] is None


async def test_a_graph_has_nodes_once_its_required_parameters_are_given(
    url: str, http: Http
) -> None:
    async with http.get(f"{url}/api/graphs/numbers") as response:
        bare = await response.json()
    assert bare == {"name": "numbers", "nodes": None, "outputs": None, "fingerprint": None}
    async with http.get(f"{url}/api/graphs/numbers", params={"params": '{"n":3}'}) as response:
        built = await response.json()
    assert [node["id"] for node in built["nodes"]] == ["numbers"]
    assert {"id", "operator", "inputs"} <= built["nodes"][0].keys()
    assert len(built["fingerprint"]) == 16


async def test_a_started_execution_is_at_its_location(url: str, http: Http) -> None:
    body = {"graph": "numbers", "params": {"n": 3}, "priority": 2, "detached": True}
    async with http.post(f"{url}/api/executions", json=body) as response:
        started = await response.json()
    assert response.status == 201
    assert started.keys() == {"execution_id", "status"}
    assert response.headers["Location"] == f"/api/executions/{started['execution_id']}"
    client = parts.Client(started["execution_id"])
    assert await parts.poll(http, url, client)
    async with http.get(url + response.headers["Location"]) as response:
        shown = await response.json()
    assert shown["status"] == "completed"
    assert shown["result"] == 2
    assert shown["last_cursor"] == client.after
    assert shown["created_at"] <= shown["ended_at"]
    assert "error" not in shown


async def test_an_execution_says_which_node_makes_the_others_wait(
    engine: Engine, url: str, http: Http
) -> None:
    async def never(number: int) -> None:
        await asyncio.Event().wait()

    @rxs.graph
    def g() -> Any:
        return rxs.source(range(1_000)).named("numbers").pipe(ops.map_async(never)).named("stuck")

    execution = await engine.start(g)
    shown: dict[str, Any] = {}
    async with asyncio.timeout(30):
        while "bottleneck" not in shown:
            async with http.get(f"{url}/api/executions/{execution.id}") as response:
                shown = await response.json()
    execution.cancel()
    assert shown["bottleneck"]["node"] == "stuck"
    assert shown["bottleneck"]["waiting"] == ["numbers"]
    assert "makes 'numbers' wait" in shown["bottleneck"]["message"]
    described = {"$ref": "#/components/schemas/Execution", **document()}
    Draft202012Validator(described).validate(shown)


async def test_a_failed_execution_shows_its_error_and_no_stack(
    engine: Engine, url: str, http: Http
) -> None:
    execution = await engine.start("broken")
    await execution.wait()
    async with http.get(f"{url}/api/executions/{execution.id}") as response:
        shown = await response.json()
    assert shown["status"] == "failed"
    assert shown["error"]["kind"] == "user"
    assert "deep inside" in shown["error"]["message"]
    assert "Traceback" not in await response.text()
    assert "result" not in shown


async def test_executions_are_listed_newest_first_in_pages(
    engine: Engine, url: str, http: Http
) -> None:
    ids = [(await engine.start("numbers", {"n": 1})).id for _ in range(5)]
    found: list[str] = []
    query: dict[str, str] = {"limit": "2"}
    while True:
        async with http.get(f"{url}/api/executions", params=query) as response:
            page = await response.json()
        found += [item["execution_id"] for item in page["items"]]
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert found == ids[::-1]


async def test_executions_are_chosen_by_status_and_graph(
    engine: Engine, url: str, http: Http
) -> None:
    for name, params in (("numbers", {"n": 1}), ("broken", {})):
        await (await engine.start(name, params)).wait()
    parts.feed()
    running = await engine.start("fed", {"feed": "feed"})

    async def listed(query: str) -> list[str]:
        async with http.get(f"{url}/api/executions?{query}") as response:
            return [item["graph"] for item in (await response.json())["items"]]

    assert await listed("status=running") == ["fed"]
    assert await listed("status=failed,completed") == ["broken", "numbers"]
    assert await listed("status=failed&status=running") == ["fed", "broken"]
    assert await listed("graph=numbers") == ["numbers"]
    assert await listed("graph=numbers&status=failed") == []
    running.cancel()


async def test_cancel_ends_a_running_execution_once(engine: Engine, url: str, http: Http) -> None:
    parts.feed()
    execution = await engine.start("fed", {"feed": "feed"})
    address = f"{url}/api/executions/{execution.id}/cancel"
    async with http.post(address, json={"reason": "enough"}) as response:
        assert response.status == 202
    await execution.wait()
    assert (await engine.record(execution.id)).status == "cancelled"
    async with http.post(address) as response:
        assert response.status == 409
        assert (await response.json())["error"]["code"] == "already_ended"


async def test_stop_lets_what_was_emitted_through(engine: Engine, url: str, http: Http) -> None:
    queue = parts.feed()
    execution = await engine.start("fed", {"feed": "feed"})
    client = parts.Client(execution.id)
    async with http.ws_connect(f"{url}/ws/pipeline/{execution.id}") as ws:
        queue.put_nowait("kept")
        while (await ws.receive_json())["data"] != "kept":
            pass
    async with http.post(f"{url}/api/executions/{execution.id}/stop") as response:
        assert response.status == 202
    assert await parts.poll(http, url, client)
    assert client.events[-1]["data"] == {"reason": "stopped"}


async def test_a_detached_execution_outlives_its_last_listener(
    engine: Engine, url: str, http: Http
) -> None:
    queue = parts.feed()
    body = {"graph": "fed", "params": {"feed": "feed"}, "on_last_listener": "cancel"}
    async with http.post(f"{url}/api/executions", json=body) as response:
        execution = engine.execution((await response.json())["execution_id"])
    async with http.ws_connect(f"{url}/ws/pipeline/{execution.id}") as ws:
        await ws.receive()
        async with http.post(f"{url}/api/executions/{execution.id}/detach") as response:
            assert response.status == 202
    queue.put_nowait(1)
    queue.put_nowait(None)
    assert await execution.result() == 1


@pytest.mark.parametrize("transport", ["websocket", "sse", "poll"])
async def test_the_last_listener_that_leaves_ends_what_was_started_so(
    engine: Engine, url: str, http: Http, transport: str
) -> None:
    parts.feed()
    execution = await engine.start("fed", {"feed": "feed"}, on_last_listener="cancel")
    client = parts.Client(execution.id)
    reading = asyncio.create_task(parts.TRANSPORTS[transport](http, url, client))
    await parts.until(lambda: len(client.texts) == 2)
    assert not execution.ended
    reading.cancel()
    await parts.until(lambda: execution.ended)
    assert (await engine.record(execution.id)).status == "cancelled"


async def test_an_execution_of_an_earlier_process_is_read_and_cannot_be_ended(
    engine: Engine, url: str, http: Http
) -> None:
    await parts.recorded(engine.log, "old", [*parts.outputs(3), parts.ENDING], "completed")
    async with http.get(f"{url}/api/executions/old") as response:
        assert (await response.json())["status"] == "completed"
    for transport in parts.TRANSPORTS.values():
        client = parts.Client("old")
        assert await transport(http, url, client)
        assert client.sequences == [1, 2, 3, 4, 5]
    for action in ("cancel", "stop", "detach"):
        async with http.post(f"{url}/api/executions/old/{action}") as response:
            assert response.status == 409


async def test_a_head_request_is_answered_without_a_body(url: str, http: Http) -> None:
    for path in ("/healthz", "/api/graphs", "/"):
        async with http.head(url + path) as response:
            assert response.status == 200
            assert await response.read() == b""


async def test_a_start_outlives_the_client_that_asked_for_it(
    engine: Engine, url: str, http: Http
) -> None:
    parts.feed()
    host, port = url.removeprefix("http://").split(":")
    body = b'{"graph":"fed","params":{"feed":"feed"}}'
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /api/executions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b"
        % (len(body), body)
    )
    await writer.drain()
    writer.transport.abort()
    async with asyncio.timeout(30):
        while not await engine.records(statuses=["running"]):  # noqa: ASYNC110  nothing tells
            await asyncio.sleep(0.005)

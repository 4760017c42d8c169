"""What a node asks is seen and answered over HTTP and over a WebSocket, once."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

import rxstream as rxs
from rxstream import Engine
from tests.adapters.web import parts
from tests.agent.scripted import Scripted

Http = aiohttp.ClientSession


async def told(http: Http, url: str, execution: rxs.Execution) -> Any:
    async with http.get(f"{url}/api/executions/{execution.id}") as response:
        return await response.json()


async def posted(http: Http, url: str, value: Any) -> tuple[int, Any]:
    async with http.post(url, json={"value": value}) as response:
        return response.status, await response.json()


async def test_a_question_is_seen_by_whoever_comes_later_and_answered_once(
    url: str, http: Http, asking: rxs.Execution
) -> None:
    seen = await told(http, url, asking)
    (asked,) = seen["inputs"]
    assert (seen["status"], asked["message"]) == ("waiting", "publish it?")
    assert (asked["schema"], asked["expires_at"]) == ({"type": "boolean"}, None)
    address = f"{url}/api/executions/{asking.id}/inputs/{asked['request_id']}"
    status, refused = await posted(http, address, "maybe")
    assert (status, refused["error"]["code"]) == (422, "invalid_parameters")
    status, _ = await posted(http, address, True)
    assert status == 202
    assert await asking.result() == "yes"
    status, refused = await posted(http, address, False)
    assert (status, refused["error"]["code"]) == (409, "already_ended")
    client = parts.Client(asking.id)
    await parts.sse(http, url, client)
    kinds = [event["event_type"] for event in client.events]
    assert kinds.index("input_requested") < kinds.index("input_received")


async def test_an_unknown_question_is_said(url: str, http: Http, asking: rxs.Execution) -> None:
    address = f"{url}/api/executions/{asking.id}/inputs/nope"
    status, refused = await posted(http, address, True)
    assert (status, refused["error"]["code"]) == (404, "unknown_request")
    asking.cancel()


async def test_over_the_websocket_of_many_streams(
    url: str, http: Http, asking: rxs.Execution
) -> None:
    (asked,) = asking.questions
    async with http.ws_connect(f"{url}/ws") as ws:
        said = {"type": "answer", "execution_id": asking.id, "request_id": asked.request_id}
        await ws.send_json({**said, "value": False})
        answered = await ws.receive_json()
    assert (answered["type"], answered["stream_id"]) == ("answered", asking.id)
    assert await asking.result() == "no"


@pytest.fixture
async def agent(engine: Engine) -> rxs.Execution:
    """One that waits for a message, and ends with a word of it."""
    model = Scripted(["what?"], ["so be it"])
    graph = rxs.Graph(lambda: rxs.agent("go", model=model, stay=True).named("agent"), "agent")
    execution = await engine.start(graph)
    return execution


async def messages_of(execution: rxs.Execution, count: int) -> list[str]:
    found: list[str] = []
    async for event in execution.events():
        if event.event_type == "step_output" and event.data["type"] == "message":
            found.append(event.data["content"])
            if len(found) == count:
                break
    execution.cancel()
    return found


async def test_what_nobody_asked_for_is_sent_over_http_and_the_websocket(
    url: str, http: Http, agent: rxs.Execution
) -> None:
    address = f"{url}/api/executions/{agent.id}/inputs"
    status, accepted = await posted(http, address, "over http")
    assert (status, accepted["execution_id"]) == (202, agent.id)
    async with http.ws_connect(f"{url}/ws") as ws:
        said = {"type": "answer", "execution_id": agent.id, "value": "over a socket", "to": "agent"}
        await ws.send_json(said)
        assert (await ws.receive_json())["type"] == "answered"
    assert await messages_of(agent, 2) == ["over http", "over a socket"]


async def test_who_takes_what_is_sent_is_told_while_it_does(
    url: str, http: Http, agent: rxs.Execution
) -> None:
    await agent.send("hello")
    assert (await told(http, url, agent))["listens"] == ["agent"]
    agent.cancel()
    await agent.wait()
    assert "listens" not in await told(http, url, agent)


async def test_what_an_agent_cannot_take_is_said(
    url: str, http: Http, agent: rxs.Execution
) -> None:
    address = f"{url}/api/executions/{agent.id}/inputs"
    for body, word in (({"value": 3}, "an agent is sent a text"), ({}, "value is missing")):
        async with http.post(address, json=body) as response:
            assert response.status == 400
            assert word in (await response.json())["error"]["message"]
    agent.cancel()

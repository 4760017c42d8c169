"""The queue over HTTP: asking for turns and resources, seeing one's place, and a server that restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

import rxstream as rxs
from rxstream import Engine
from rxstream.adapters.web import serve, setup
from rxstream.testing import JournalLog
from tests.adapters.web import parts
from tests.adapters.web.parts import Client
from tests.engine.crashing import ticks

Http = aiohttp.ClientSession


@rxs.graph
def counting(count: int = 30, apart: float = 0.02) -> Any:
    """Numbers that take a while, and can go on after a restart."""
    return ticks(count, apart).named("counting")


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    async with Engine(
        graphs=[counting], max_running=2, max_queued=2, resources={"gpu": 1}
    ) as opened:
        yield opened


async def started(http: Http, url: str, **fields: Any) -> Any:
    body = {"graph": "counting", "params": {"count": 1_000}, **fields}
    async with http.post(f"{url}/api/executions", json=body) as response:
        return response.status, await response.json(), response.headers


async def test_an_execution_that_waits_shows_its_place_and_what_for(url: str, http: Http) -> None:
    _, first, _ = await started(http, url, resources={"gpu": 1})
    gpu = {"kind": "resource", "name": "gpu"}
    _, second, _ = await started(http, url, resources={"gpu": 1}, user="anna", priority=3)
    _, third, _ = await started(http, url, after_success=[first["execution_id"]], after_end=[])
    assert [told["status"] for told in (first, second, third)] == ["running", "queued", "queued"]

    async with http.get(f"{url}/api/executions/{second['execution_id']}") as response:
        assert (await response.json())["queue"] == {"position": 1, "waiting_for": [gpu]}
    async with http.get(f"{url}/api/executions") as response:
        shown = {item["execution_id"]: item for item in (await response.json())["items"]}
    waits = {"kind": "execution", "name": first["execution_id"]}
    assert shown[third["execution_id"]]["queue"] == {"position": None, "waiting_for": [waits]}
    assert "queue" not in shown[first["execution_id"]]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("resources", {"gpu": 2}, "2 gpu can never be had: there is 1 gpu"),
        ("resources", {"tpu": 1}, "no resource is named 'tpu': there is 1 gpu"),
        ("resources", "gpu", "it must be an object of whole numbers by name"),
        ("user", 7, "it must be a string of at most 200 characters"),
        ("after_end", "id", "it must be a list of at most 64 ids of executions"),
        ("after_success", ["nobody"], "no execution has the id 'nobody'"),
    ],
)
async def test_what_cannot_be_asked_for_is_422_by_parameter(
    url: str, http: Http, field: str, value: Any, said: str
) -> None:
    status, told, _ = await started(http, url, **{field: value})
    assert (status, told["error"]["code"]) == (422, "invalid_parameters")
    assert [(entry["name"], entry["message"]) for entry in told["error"]["detail"]] == [
        (field, said)
    ]


async def test_a_full_queue_is_429_and_says_when_to_come_back(url: str, http: Http) -> None:
    statuses = [(await started(http, url))[0] for _ in range(4)]
    status, told, headers = await started(http, url)
    assert (statuses, status, told["error"]["code"]) == ([201] * 4, 429, "overloaded")
    assert 1 <= int(headers["Retry-After"]) <= 60


class TestRestart:
    async def test_clients_are_told_to_come_back_and_miss_nothing(self, http: Http) -> None:
        log = JournalLog()
        engine = Engine(log, graphs=[counting], max_running=1)
        await engine.open()
        running = await engine.start("counting")
        queued = await engine.start("counting")
        clients = [Client(running.id) for _ in parts.TRANSPORTS] + [Client(queued.id)]
        follow = [*parts.TRANSPORTS.values(), parts.websocket]
        async with parts.served(engine) as url:
            reading = [
                asyncio.create_task(read(http, url, client))
                for read, client in zip(
                    follow[:2] + follow[3:], clients[:2] + clients[3:], strict=True
                )
            ]
            await parts.until(lambda: len(clients[0].texts) > 5 and len(clients[1].texts) > 5)
            await engine.drain()
            assert await asyncio.gather(*reading) == [False] * 3
            assert clients[1].closes == clients[3].closes == [1012]
        await engine.close()

        again = JournalLog(log.commits, log.epoch)
        async with Engine(again, graphs=[counting]) as second, parts.served(second) as url:
            for read, client in zip(follow, clients, strict=True):
                assert await read(http, url, client)
        for client in clients:
            shown = [e["data"] for e in client.events if e["event_type"] == "step_output"]
            assert shown == list(range(30))
            assert client.sequences == list(range(1, len(client.sequences) + 1))

    async def test_each_way_to_ask_says_when_to_come_back(self, http: Http) -> None:
        engine = Engine(JournalLog(), graphs=[counting])
        await engine.open()
        execution = await engine.start("counting", {"apart": 60})  # quiet, so that a poll waits
        async with parts.served(engine) as url:
            address = f"{url}/api/executions/{execution.id}"
            await parts.until(lambda: execution.recorder.events == 2)
            streaming = asyncio.create_task(streamed_until_cut(http, url, execution.id))
            waiting = asyncio.create_task(asked(http, f"{address}/events?after=2&wait=20"))
            await parts.until(lambda: execution.listeners == 2)
            await engine.drain()
            assert (await streaming).endswith(b"retry: 2000\n\n")
            assert await waiting == (503, "log_abandoned", "2")
            assert await asked(http, f"{address}/cancel", "POST") == (503, "draining", "2")
            status, told, headers = await started(http, url)
            assert (status, told["error"]["code"]) == (503, "draining")
            assert headers["Retry-After"] == "2"
        await engine.close()

    async def test_a_stream_of_a_server_that_closes_says_so_too(self, http: Http) -> None:
        async with Engine(graphs=[counting]) as engine:
            execution = await engine.start("counting", {"count": 1_000})
            server = await serve(engine, port=0, settings=parts.QUICK)
            streaming = asyncio.create_task(streamed_until_cut(http, server.url, execution.id))
            await parts.until(lambda: execution.listeners == 1)
            await server.close()
            assert (await streaming).endswith(b"retry: 2000\n\n")

    async def test_an_application_that_ends_puts_its_executions_away(self) -> None:
        log = JournalLog()
        engine = Engine(log, graphs=[counting])
        app = web.Application()
        setup(app, engine)
        async with TestServer(app):
            execution = await engine.start("counting")
        assert (execution.status, execution.ended) == ("running", True)
        async with Engine(JournalLog(log.commits, log.epoch), graphs=[counting]) as second:
            assert await second.execution(execution.id).result() == 29


async def streamed_until_cut(http: Http, url: str, execution_id: str) -> bytes:
    body = b""
    try:
        async with http.get(f"{url}/stream/pipeline/{execution_id}") as response:
            async for chunk in response.content.iter_any():
                body += chunk
    except aiohttp.ClientError:
        return body
    raise AssertionError("the body looks complete")


async def asked(http: Http, address: str, method: str = "GET") -> tuple[int, str, str]:
    async with http.request(method, address) as response:
        told = await response.json()
        return response.status, told["error"]["code"], response.headers["Retry-After"]

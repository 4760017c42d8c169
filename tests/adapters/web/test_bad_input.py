"""What a client gets wrong has a status, a code and one line, and never a stack."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from typing import Any

import aiohttp
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rxstream import Engine
from rxstream.adapters.web import Settings
from tests.adapters.web import parts

Http = aiohttp.ClientSession


async def refusal(response: aiohttp.ClientResponse, status: int, code: str) -> dict[str, Any]:
    told = await response.json()
    assert (response.status, told["error"]["code"]) == (status, code), told
    assert told.keys() == {"error"}
    assert told["error"].keys() <= {"code", "message", "detail"}
    assert "\n" not in told["error"]["message"]
    assert "Traceback" not in await response.text()
    return dict(told["error"])


@pytest.mark.parametrize(
    ("body", "status", "code", "said"),
    [
        (b"", 400, "invalid_json", "not JSON"),
        (b"graph=numbers", 400, "invalid_json", "not JSON"),
        (b'{"graph":', 400, "invalid_json", "not JSON"),
        (b"\xff\xfe", 400, "invalid_json", "not JSON"),
        (b'{"graph":"\\ud800"}', 400, "invalid_json", "not JSON"),
        (b'{"graph":NaN}', 400, "invalid_json", "not JSON"),
        (b"[" * 65 + b"]" * 65, 400, "invalid_json", "deeper than 64"),
        (b"[" * 5000 + b"]" * 5000, 400, "invalid_json", ""),
        (b"[]", 400, "bad_request", "must be an object"),
        (b"3", 400, "bad_request", "must be an object"),
        (b"null", 400, "bad_request", "must be an object"),
        (b"{}", 400, "bad_request", "graph is missing"),
        (b'{"graph":7}', 400, "bad_request", "graph is a number"),
        (b'{"graph":"numbers","params":[]}', 400, "bad_request", "params is a list"),
        (b'{"graph":"numbers","priority":"high"}', 400, "bad_request", "priority is a string"),
        (b'{"graph":"numbers","priority":true}', 400, "bad_request", "priority is true or false"),
        (b'{"graph":"numbers","priority":9999999999}', 400, "bad_request", "32 bits"),
        (b'{"graph":"numbers","detached":1}', 400, "bad_request", "detached is a number"),
        (b'{"graph":"numbers","on_last_listener":"x"}', 400, "bad_request", "'cancel' or null"),
        (b'{"graph":"numbers","parms":{}}', 400, "bad_request", "'parms' is not known"),
        (b'{"graph":"nope"}', 404, "unknown_graph", "nope"),
        (b'{"graph":"undrawable"}', 500, "internal_error", "server"),
    ],
)
async def test_a_bad_body_is_refused_with_what_is_wrong(
    url: str, http: Http, body: bytes, status: int, code: str, said: str
) -> None:
    async with http.post(f"{url}/api/executions", data=body) as response:
        error = await refusal(response, status, code)
    assert said in error["message"]
    assert "secret internals" not in error["message"]


async def test_a_body_at_the_depth_that_is_allowed_is_read(url: str, http: Http) -> None:
    deep = b'{"graph":"numbers","params":{"n":' + b"[" * 62 + b"]" * 62 + b"}}"
    async with http.post(f"{url}/api/executions", data=deep) as response:
        await refusal(response, 422, "invalid_parameters")


async def test_a_parameter_that_fails_in_several_ways_is_one_entry(http: Http) -> None:
    async with Engine(graphs=[parts.either]) as engine, parts.served(engine) as url:
        body = {"graph": "either", "params": {"x": []}}
        async with http.post(f"{url}/api/executions", json=body) as response:
            error = await refusal(response, 422, "invalid_parameters")
    assert [entry["name"] for entry in error["detail"]] == ["x"]


async def test_a_wrong_parameter_is_named_with_what_was_expected(url: str, http: Http) -> None:
    body = {"graph": "numbers", "params": {"padding": "wide", "pading": 1}}
    async with http.post(f"{url}/api/executions", json=body) as response:
        error = await refusal(response, 422, "invalid_parameters")
    detail = {entry["name"]: entry for entry in error["detail"]}
    assert len(error["detail"]) == 3
    assert detail.keys() == {"n", "padding", "pading"}
    assert detail["n"].keys() == {"name", "message", "expected"}
    assert "missing" in detail["n"]["message"]
    assert detail["padding"]["expected"] == "integer"


@pytest.mark.parametrize("name", ["self", "graph", "args", "priority", "", "a.b"])
async def test_no_parameter_name_confuses_the_server(url: str, http: Http, name: str) -> None:
    body = {"graph": "numbers", "params": {"n": 1, name: 1}}
    async with http.post(f"{url}/api/executions", json=body) as response:
        await refusal(response, 422, "invalid_parameters")
    text = orjson.dumps(body["params"]).decode()
    async with http.get(f"{url}/api/graphs/numbers", params={"params": text}) as response:
        await refusal(response, 422, "invalid_parameters")


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_a_mebibyte_is_refused(url: str, http: Http, chunked: bool) -> None:
    size = 1024 * 1024
    start = b'{"graph":"numbers","params":{"n":"'

    async def body(extra: int) -> Any:
        yield start + b"x" * (size + extra - len(start) - 3) + b'"}}'

    for extra, status, code in ((0, 422, "invalid_parameters"), (1, 413, "too_large")):
        whole = io.BytesIO(b"".join([part async for part in body(extra)]))
        data = body(extra) if chunked else whole
        async with http.post(f"{url}/api/executions", data=data) as response:
            await refusal(response, status, code)


async def test_a_compressed_bomb_is_refused(url: str, http: Http) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    headers = {"Content-Encoding": "gzip"}
    async with http.post(f"{url}/api/executions", data=bomb, headers=headers) as response:
        await refusal(response, 413, "too_large")


async def test_a_connection_that_never_finishes_asking_is_closed(engine: Engine) -> None:
    async with parts.served(engine, Settings(idle_timeout=0.1)) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        async with asyncio.timeout(30):
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_a_body_that_does_not_arrive_is_given_up(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /api/executions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
    assert b" 408 " in await reader.readline()
    writer.transport.abort()


@pytest.mark.parametrize(
    "path",
    [
        "/api/graphs?limit=0",
        "/api/graphs/numbers?params=",
        "/api/executions?limit=1001",
        "/api/executions?limit=-1",
        "/api/executions?limit=ten",
        "/api/executions?limit=%D9%A3",
        "/api/executions?limit=99999999999999999999",
        "/api/executions?status=done",
        "/api/executions?after=nobody",
        "/api/executions/old/events?limit=0",
        "/api/executions/old/events?wait=61",
        "/api/executions/old/events?wait=-1",
        "/api/executions/old/events?wait=nan",
        "/api/executions/old/events?wait=soon",
        "/api/executions/old/events?after=",
        "/api/executions/old/events?after=yesterday",
        "/api/executions/old/events?after=-1",
        "/api/executions/old/events?after=1.5",
        "/api/executions/old/events?after=%C3%A9:1",
        "/stream/pipeline/old?after=x",
    ],
)
async def test_a_bad_query_is_refused(engine: Engine, url: str, http: Http, path: str) -> None:
    await parts.recorded(engine.log, "old", parts.outputs(1))
    async with http.get(url + path) as response:
        cursor = "after" in path
        query = "params" in path
        code = "invalid_cursor" if cursor else "invalid_json" if query else "bad_request"
        await refusal(response, 400, code)


async def test_a_last_event_id_that_is_no_cursor_is_refused(
    engine: Engine, url: str, http: Http
) -> None:
    await parts.recorded(engine.log, "old", parts.outputs(1))
    headers = {"Last-Event-ID": "x"}
    async with http.get(f"{url}/stream/pipeline/old?after=1", headers=headers) as response:
        await refusal(response, 400, "invalid_cursor")


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/api/graphs/nope", "unknown_graph"),
        ("GET", "/api/executions/nope", "unknown_execution"),
        ("POST", "/api/executions/nope/cancel", "unknown_execution"),
        ("POST", "/api/executions/nope/stop", "unknown_execution"),
        ("POST", "/api/executions/nope/detach", "unknown_execution"),
        ("GET", "/api/executions/nope/events", "unknown_execution"),
        ("GET", "/api/executions/nope/blobs/" + "0" * 64, "unknown_execution"),
        ("GET", "/stream/pipeline/nope", "unknown_execution"),
        ("GET", "/nope", "not_found"),
        ("GET", "/api/", "not_found"),
        ("GET", "/api/executions/%00%ff", "unknown_execution"),
    ],
)
async def test_what_is_not_there_is_404(
    url: str, http: Http, method: str, path: str, code: str
) -> None:
    async with http.request(method, url + path) as response:
        await refusal(response, 404, code)


async def test_a_method_nobody_serves_is_405_and_says_which_are(url: str, http: Http) -> None:
    async with http.put(f"{url}/api/executions") as response:
        await refusal(response, 405, "method_not_allowed")
        assert "POST" in response.headers["Allow"]


@pytest.mark.parametrize("action", ["cancel", "stop", "detach"])
async def test_an_action_takes_no_field_it_does_not_know(
    engine: Engine, url: str, http: Http, action: str
) -> None:
    await parts.recorded(engine.log, "old", parts.outputs(1))
    address = f"{url}/api/executions/old/{action}"
    async with http.post(address, json={"force": True}) as response:
        error = await refusal(response, 400, "bad_request")
    assert "'force'" in error["message"]


async def test_too_many_executions_are_429_with_when_to_come_back(http: Http) -> None:
    parts.feed()
    body = {"graph": "fed", "params": {"feed": "feed"}}
    async with (
        Engine(graphs=parts.GRAPHS, max_running=1, max_queued=0) as engine,
        parts.served(engine) as url,
    ):
        async with http.post(f"{url}/api/executions", json=body) as response:
            assert response.status == 201
        async with http.post(f"{url}/api/executions", json=body) as response:
            await refusal(response, 429, "overloaded")
            assert int(response.headers["Retry-After"]) >= 1


async def test_a_draining_engine_starts_nothing_and_says_it_is_not_ready(http: Http) -> None:
    async with Engine(graphs=parts.GRAPHS) as engine, parts.served(engine) as url:
        await parts.recorded(engine.log, "old", parts.outputs(1))
        async with http.get(f"{url}/readyz") as response:
            assert response.status == 200
        await engine.close()
        async with http.post(f"{url}/api/executions", json={"graph": "broken"}) as response:
            await refusal(response, 503, "draining")
        async with http.get(f"{url}/readyz") as response:
            await refusal(response, 503, "draining")
        async with http.get(f"{url}/healthz") as response:
            assert response.status == 200


async def test_any_body_is_answered_with_less_than_a_server_error(url: str, http: Http) -> None:
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
    names = st.sampled_from(["graph", "params", "priority", "detached", "on_last_listener"])
    graphs = st.fixed_dictionaries({"graph": st.just("numbers"), "params": values})
    bodies = st.dictionaries(names | st.text(), values) | values | graphs
    loop = asyncio.get_running_loop()
    sent: list[bytes] = []

    @settings(
        max_examples=60,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(bodies | st.binary())
    def collect(body: Any) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode("utf-8", "replace")
        sent.append(raw)

    await loop.run_in_executor(None, collect)
    await loop.shutdown_default_executor()
    for raw in sent:
        async with http.post(f"{url}/api/executions", data=raw) as response:
            assert response.status < 500, raw
            told = await response.json()
            assert response.status == 201 or told.keys() == {"error"}

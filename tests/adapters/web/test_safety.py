"""Without authentication only this machine's programs and this server's own pages may ask."""

from __future__ import annotations

import aiohttp
import pytest
import structlog

from rxstream import Engine
from rxstream.adapters.web import Settings, serve
from rxstream.adapters.web.guard import is_loopback
from rxstream.errors import AuthorError, WorldError
from tests.adapters.web import parts

Http = aiohttp.ClientSession


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.2", "::", "example.com", ""])
async def test_an_address_that_is_not_loopback_is_refused_in_one_line(host: str) -> None:
    async with Engine() as engine:
        with pytest.raises(AuthorError, match="not a loopback address") as refused:
            await serve(engine, host, 0)
    assert "\n" not in refused.value.message


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.9.9.9"])
async def test_every_loopback_address_is_served(http: Http, host: str) -> None:
    async with Engine() as engine:
        server = await serve(engine, host, 0)
        async with http.get(f"{server.url}/healthz") as response:
            assert response.status == 200
        await server.close()


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("LOCALHOST", True),
        ("[::1]", True),
        ("app.localhost", True),
        ("127.0.0.1.nip.io", False),
        ("localhost.evil.com", False),
        ("2130706433", False),
    ],
)
def test_what_counts_as_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


async def test_a_port_in_use_is_said_in_one_line() -> None:
    async with Engine() as engine:
        server = await serve(engine, port=0)
        port = int(server.url.rpartition(":")[2])
        with pytest.raises(WorldError, match=f"port {port} on 127.0.0.1 is in use") as refused:
            await serve(engine, port=port)
        assert refused.value.code == "port_in_use"
        await server.close()


@pytest.mark.parametrize("port", [-1, 65_536])
async def test_a_port_that_is_none_is_refused(engine: Engine, port: int) -> None:
    with pytest.raises(AuthorError, match="is not a port"):
        await serve(engine, port=port)


@pytest.mark.parametrize("host", ["evil.com", "evil.com:80", "127.0.0.1.evil.com", "]["])
@pytest.mark.parametrize("path", ["/api/executions", "/", "/ws", "/nope"])
async def test_another_name_in_host_is_refused(url: str, http: Http, host: str, path: str) -> None:
    async with http.get(url + path, headers={"Host": host}) as response:
        if path == "/nope":
            assert response.status == 404  # nothing there to protect
            return
        assert response.status == 403
        assert (await response.json())["error"]["code"] == "forbidden_host"


ORIGINS = ["https://evil.com", "null", "http://127.0.0.1:1", "http://localhost", "file://", "x"]


@pytest.mark.parametrize("origin", ORIGINS)
async def test_a_page_of_another_origin_changes_nothing(
    engine: Engine, url: str, http: Http, origin: str
) -> None:
    headers = {"Origin": origin}
    body = {"graph": "numbers", "params": {"n": 1}}
    async with http.post(f"{url}/api/executions", json=body, headers=headers) as response:
        assert response.status == 403
        assert (await response.json())["error"]["code"] == "forbidden_origin"
    assert await engine.records() == []


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("path", ["/ws", "/ws/pipeline/e"])
async def test_a_page_of_another_origin_opens_no_websocket(
    engine: Engine, url: str, http: Http, origin: str, path: str
) -> None:
    await parts.recorded(engine.log, "e", parts.outputs(0))
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await http.ws_connect(url + path, origin=origin)
    assert refused.value.status == 403


async def test_our_own_page_may_do_both(url: str, http: Http) -> None:
    body = {"graph": "numbers", "params": {"n": 1}}
    async with http.post(f"{url}/api/executions", json=body, headers={"Origin": url}) as response:
        assert response.status == 201
    async with http.ws_connect(f"{url}/ws", origin=url) as ws:
        await ws.send_json({"type": "ping"})
        assert (await ws.receive_json())["type"] == "pong"


async def test_names_and_origins_can_be_allowed(engine: Engine, http: Http) -> None:
    settings = Settings(allowed_hosts=("app.example",), allowed_origins=("https://app.example",))
    body = {"graph": "numbers", "params": {"n": 1}}
    headers = {"Host": "app.example", "Origin": "https://app.example"}
    async with parts.served(engine, settings) as url:
        async with http.post(f"{url}/api/executions", json=body, headers=headers) as response:
            assert response.status == 201
        async with http.get(f"{url}/healthz", headers={"Host": "other.example"}) as response:
            assert response.status == 403


async def test_no_answer_lets_another_origin_read_it(url: str, http: Http) -> None:
    headers = {"Origin": "https://evil.com"}
    async with http.get(f"{url}/api/graphs", headers=headers) as response:
        assert "Access-Control-Allow-Origin" not in response.headers
        assert "Set-Cookie" not in response.headers
    async with http.options(f"{url}/api/executions", headers=headers) as response:
        assert response.status == 405


async def test_the_access_log_keeps_the_query_to_itself(engine: Engine, http: Http) -> None:
    with structlog.testing.capture_logs() as lines:
        server = await serve(engine, port=0, access_log=True)
        async with http.get(f"{server.url}/healthz?token=hush") as response:
            assert response.status == 200
        await parts.until(lambda: any(line["event"] == "request" for line in lines))
        await server.close()
    assert any(line.get("path") == "/healthz" for line in lines)
    assert "hush" not in str(lines)


async def test_what_nobody_foresaw_is_logged_whole_and_answered_without_a_word_of_it(
    url: str, http: Http
) -> None:
    with structlog.testing.capture_logs() as lines:
        async with http.get(f"{url}/api/graphs/undrawable") as response:
            assert response.status == 500
            told = await response.json()
    assert told["error"]["code"] == "internal_error"
    assert "secret" not in str(told)
    failed = next(line for line in lines if line["event"] == "request failed")
    assert "secret internals" in str(failed["exc_info"])

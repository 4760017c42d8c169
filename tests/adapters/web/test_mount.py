"""One call mounts the API into an application, which is otherwise left as it was."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from rxstream import Engine
from rxstream.adapters.web import setup
from rxstream.errors import AuthorError
from tests.adapters.web import parts
from tests.adapters.web.parts import Client

Http = aiohttp.ClientSession


@asynccontextmanager
async def running(app: web.Application) -> AsyncIterator[str]:
    """The application on a free port, run the way its owner would."""
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


async def works(http: Http, url: str, prefix: str) -> None:
    body = {"graph": "numbers", "params": {"n": 3}}
    async with http.post(f"{url}{prefix}/api/executions", json=body) as response:
        assert response.status == 201
        location = response.headers["Location"]
    async with http.get(url + location) as response:
        assert response.status == 200
        execution_id = (await response.json())["execution_id"]
    for transport in parts.TRANSPORTS.values():
        client = Client(execution_id)
        assert await transport(http, url + prefix, client)
        assert len(client.texts) == 7


@pytest.mark.parametrize("prefix", ["", "/streams", "/a/b/"])
async def test_an_application_serves_its_own_paths_and_ours(http: Http, prefix: str) -> None:
    app = web.Application()
    app.router.add_get("/hello", hello)
    setup(app, Engine(graphs=parts.GRAPHS), prefix)
    async with running(app) as url:
        async with http.get(f"{url}/hello") as response:
            assert await response.text() == "hello"
        await works(http, url, prefix.rstrip("/"))


async def test_a_sub_application_serves_it_too(http: Http) -> None:
    inner = web.Application()
    setup(inner, Engine(graphs=parts.GRAPHS))
    app = web.Application()
    app.add_subapp("/inner", inner)
    async with running(app) as url:
        await works(http, url, "/inner")


async def test_two_engines_live_in_one_application(http: Http) -> None:
    app = web.Application()
    setup(app, Engine(graphs=parts.GRAPHS), "/one")
    setup(app, Engine(graphs=parts.GRAPHS), "/two")
    async with running(app) as url:
        await works(http, url, "/one")
        await works(http, url, "/two")


async def test_errors_of_the_application_stay_its_own(http: Http) -> None:
    async def teapot(request: web.Request) -> web.Response:
        raise web.HTTPNotFound(text="no tea")

    app = web.Application()
    app.router.add_get("/tea", teapot)
    setup(app, Engine(graphs=parts.GRAPHS))
    async with running(app) as url:
        async with http.get(f"{url}/tea") as response:
            assert await response.text() == "no tea"
        async with http.get(f"{url}/nothing") as response:
            assert response.status == 404
            assert response.content_type == "text/plain"
        async with http.get(f"{url}/api/nothing") as response:
            assert response.status == 404
            assert (await response.json())["error"]["code"] == "not_found"


async def test_pages_the_application_serves_already_are_left_to_it(http: Http) -> None:
    app = web.Application()
    app.router.add_get("/", hello)
    app.router.add_get("/metrics", hello)
    setup(app, Engine(graphs=parts.GRAPHS))
    async with running(app) as url:
        for path in ("/", "/metrics"):
            async with http.get(url + path) as response:
                assert await response.text() == "hello"


async def test_the_engine_opens_and_closes_with_the_application() -> None:
    app = web.Application()
    engine = Engine(graphs=parts.GRAPHS)
    setup(app, engine)
    async with running(app):
        assert engine.log.is_open
    assert not engine.log.is_open


async def test_an_engine_that_is_open_is_left_open(engine: Engine) -> None:
    app = web.Application()
    setup(app, engine)
    async with running(app):
        pass
    assert engine.log.is_open


async def test_an_application_that_ends_does_not_wait_for_its_streams(
    engine: Engine, http: Http
) -> None:
    await parts.recorded(engine.log, "e", parts.outputs(0))
    app = web.Application()
    setup(app, engine, settings=parts.QUICK)
    async with running(app) as url:
        stream = await http.get(f"{url}/stream/pipeline/e")
        socket = await http.ws_connect(f"{url}/ws/pipeline/e?after=1")
    assert (await socket.receive()).data == 1012
    with pytest.raises(aiohttp.ClientPayloadError):
        await stream.read()


async def test_the_bare_prefix_leads_to_the_page(http: Http) -> None:
    app = web.Application()
    setup(app, Engine(), "/streams")
    async with (
        running(app) as url,
        http.get(f"{url}/streams", allow_redirects=False) as response,
    ):
        assert (response.status, response.headers["Location"]) == (308, "/streams/")


@pytest.mark.parametrize("prefix", ["streams", "/{x}", "/a?b"])
def test_a_prefix_that_is_no_path_is_refused(prefix: str) -> None:
    with pytest.raises(AuthorError, match="is not a path"):
        setup(web.Application(), Engine(), prefix)

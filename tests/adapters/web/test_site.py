"""What stands beside the API: the page, blobs, metrics, health, the description of it all."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # ships no types
from openapi_spec_validator import OpenAPIV31SpecValidator

import rxstream as rxs
from rxstream import Engine
from rxstream import operators as ops
from rxstream.adapters.web import Settings, setup
from rxstream.adapters.web.openapi import document
from rxstream.adapters.web.site import content_policy
from rxstream.codec import Binary
from tests.adapters.web import parts

Http = aiohttp.ClientSession


async def stored(engine: Engine, data: bytes, media_type: str) -> str:
    blob = Binary(data, media_type)
    blobs = {blob.sha256: blob}
    await parts.recorded(engine.log, "e", parts.outputs(0), blobs=blobs)
    return f"/api/executions/e/blobs/{blob.sha256}"


async def test_a_blob_comes_back_as_it_was_and_may_be_kept_for_ever(
    engine: Engine, url: str, http: Http
) -> None:
    path = await stored(engine, b"\x89PNG\x00\xff", "image/png")
    async with http.get(url + path) as response:
        assert await response.read() == b"\x89PNG\x00\xff"
        assert response.headers["Content-Type"] == "image/png"
        assert "immutable" in response.headers["Cache-Control"]
        etag = response.headers["ETag"]
    async with http.get(url + path, headers={"If-None-Match": etag}) as response:
        assert response.status == 304
        assert await response.read() == b""


async def test_a_large_blob_arrives_whole(engine: Engine, url: str, http: Http) -> None:
    data = bytes(range(256)) * 80_000
    path = await stored(engine, data, "video/mp4")
    async with http.get(url + path) as response:
        assert hashlib.sha256(await response.read()).hexdigest() == path.rpartition("/")[2]


async def test_a_client_that_keeps_reading_may_take_longer_than_the_deadline(
    engine: Engine, http: Http
) -> None:
    path = await stored(engine, bytes(20_000_000), "video/mp4")
    async with (
        parts.served(engine, Settings(write_timeout=0.2)) as url,
        http.get(url + path) as response,
    ):
        count = 0
        async for chunk in response.content.iter_chunked(1_000_000):
            count += len(chunk)
            await asyncio.sleep(0.02)
    assert count == 20_000_000


@pytest.mark.parametrize("media_type", ["text/html", "image/svg+xml", "application/xhtml+xml"])
async def test_a_blob_that_is_a_page_runs_nothing(
    engine: Engine, url: str, http: Http, media_type: str
) -> None:
    path = await stored(engine, b"<script>alert(1)</script>", media_type)
    async with http.get(url + path) as response:
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Content-Security-Policy"].startswith("sandbox;")
        shown = "inline" if media_type.startswith("image") else "attachment"
        assert response.headers["Content-Disposition"] == shown


async def test_a_media_type_that_is_none_is_not_repeated(
    engine: Engine, url: str, http: Http
) -> None:
    path = await stored(engine, b"x", "text/html\r\nSet-Cookie: a=b")
    async with http.get(url + path) as response:
        assert response.headers["Content-Type"] == "application/octet-stream"
        assert "Set-Cookie" not in response.headers


async def test_a_blob_that_is_not_there_is_404(engine: Engine, url: str, http: Http) -> None:
    await parts.recorded(engine.log, "e", parts.outputs(0))
    async with http.get(f"{url}/api/executions/e/blobs/{'0' * 64}") as response:
        assert response.status == 404
        assert (await response.json())["error"]["code"] == "unknown_blob"


async def test_a_binary_element_is_fetched_where_its_event_says(
    engine: Engine, url: str, http: Http
) -> None:
    queue = parts.feed()
    execution = await engine.start("fed", {"feed": "feed"})
    queue.put_nowait(Binary(b"pixels", "image/png"))
    queue.put_nowait(None)
    client = parts.Client(execution.id)
    assert await parts.poll(http, url, client)
    element = next(e["data"] for e in client.events if e["event_type"] == "step_output")
    async with http.get(url + element["href"]) as response:
        assert await response.read() == b"pixels"


async def test_metrics_are_prometheus_text(engine: Engine, url: str, http: Http) -> None:
    await (await engine.start("numbers", {"n": 1})).wait()
    async with http.get(f"{url}/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = await response.text()
    assert re.search(r"^rxstream_\w+({.*})? [\d.e+]+$", text, re.MULTILINE)


async def test_metrics_name_the_node_that_makes_others_wait(
    engine: Engine, url: str, http: Http
) -> None:
    async def never(number: int) -> int:
        await asyncio.Event().wait()
        return number

    @rxs.graph
    def g() -> Any:
        numbers = rxs.source(range(1_000)).named("numbers")
        return numbers.pipe(ops.map_async(never)).named("stuck")

    execution = await engine.start(g)
    text = ""
    async with asyncio.timeout(30):
        while "rxstream_bottleneck{" not in text:
            async with http.get(f"{url}/metrics") as response:
                text = await response.text()
    told = f'{{graph="g",execution="{execution.id}"'
    assert f'rxstream_bottleneck{told},node="stuck",cause="slow"}}' in text
    edge = f'{told},edge="numbers->stuck",policy="block"}}'
    assert f"rxstream_edge_depth{edge} 64\n" in text
    assert f"rxstream_edge_elements_total{edge} 65\n" in text
    assert re.search(re.escape(f"rxstream_edge_blocked_seconds_total{edge}") + r" 0\.\d+", text)
    assert f'rxstream_node_errors_total{told},node="stuck",operator="map_async"}} 0\n' in text
    execution.cancel()


async def test_the_page_is_served_with_a_policy_its_own_script_passes(url: str, http: Http) -> None:
    async with http.get(f"{url}/") as response:
        assert response.status == 200
        assert response.content_type == "text/html"
        policy = response.headers["Content-Security-Policy"]
        html = await response.text()
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    assert scripts
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]


def test_a_page_without_script_may_run_none() -> None:
    assert "script-src 'none'" in content_policy(b"<p>hello</p>")


def test_the_description_is_valid_openapi_31() -> None:
    OpenAPIV31SpecValidator(document()).validate()


async def test_the_description_has_every_route_and_no_other(
    engine: Engine, url: str, http: Http
) -> None:
    app = web.Application()
    setup(app, engine)
    served = {
        (route.method.lower(), route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    async with http.get(f"{url}/openapi.json") as response:
        told = await response.json()
    assert served == {
        (method, path) for path, methods in told["paths"].items() for method in methods
    }


async def test_the_description_says_where_it_is_mounted(engine: Engine, http: Http) -> None:
    app = web.Application()
    setup(app, engine, "/streams")
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    async with http.get(f"http://127.0.0.1:{port}/streams/openapi.json") as response:
        assert (await response.json())["servers"] == [{"url": "/streams"}]
    await runner.cleanup()


async def test_what_is_answered_is_what_is_described(engine: Engine, url: str, http: Http) -> None:
    description = document()

    def check(name: str, value: object) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", **description}
        Draft202012Validator(schema).validate(value)

    execution = await engine.start("numbers", {"n": 2})
    await execution.wait()
    for path, name in (
        (f"/api/executions/{execution.id}", "Execution"),
        (f"/api/executions/{execution.id}/events", "Events"),
        ("/api/graphs/numbers", "Plan"),
        ('/api/graphs/numbers?params={"n":1}', "Plan"),
        ("/api/executions/nope", "Error"),
    ):
        async with http.get(url + path) as response:
            check(name, await response.json())
    async with http.get(f"{url}/api/graphs") as response:
        for item in (await response.json())["items"]:
            check("Graph", item)

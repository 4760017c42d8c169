"""From starting `rxstream demo` to what a newcomer sees: the page, then the first event over the WebSocket.

The floor is a bare aiohttp server that answers a page and one WebSocket message, started the same way. The
model is left out (an empty cache, a package index nobody answers at), because it is fetched and loaded beside
the rest and its time is the network's.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import aiohttp
import orjson

from tests.benchmarks.harness import Row, Samples, interleave, ratios, spread

ROOT = Path(__file__).parents[2]
BARE = """
import asyncio
from aiohttp import web

async def page(request):
    return web.Response(text="<!doctype html><title>bare</title>", content_type="text/html")

async def executions(request):
    return web.json_response({"items": [{"execution_id": "bare"}]})

async def stream(request):
    response = web.WebSocketResponse(compress=False)
    await response.prepare(request)
    await response.send_json({"event_type": "step_output"})
    await asyncio.sleep(60)

async def main():
    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_get("/api/executions", executions)
    app.router.add_get("/ws/pipeline/bare", stream)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"rxstream listening on http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
DEMO = ("-m", "rxstream", "demo", "--port", "0", "--host", "127.0.0.1")
MOMENTS = ("listening", "page answered", "first event", "first element")


async def moments(command: Sequence[str]) -> dict[str, float]:
    """Seconds from the start of the process to each moment."""
    with tempfile.TemporaryDirectory(prefix="rxstream-benchmark-") as cache:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        environment |= {
            "PYTHONPATH": str(ROOT),
            "XDG_CACHE_HOME": cache,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": cache,
        }
        begun = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert process.stdout is not None
            line = (await process.stdout.readline()).decode().strip()
            url = line.removeprefix("rxstream listening on ")
            found = {"listening": time.monotonic() - begun}
            async with asyncio.timeout(30), aiohttp.ClientSession() as http:
                async with http.get(url + "/") as response:
                    assert response.status == 200
                    await response.read()
                found["page answered"] = time.monotonic() - begun
                while not (items := await _executions(http, url)):  # noqa: ASYNC110  no event to set
                    await asyncio.sleep(0.005)
                path = f"/ws/pipeline/{items[0]['execution_id']}"
                async with http.ws_connect(url + path) as ws:
                    while "first element" not in found:
                        event = orjson.loads((await ws.receive()).data)
                        now = time.monotonic() - begun
                        found.setdefault("first event", now)
                        if event["event_type"] == "step_output":
                            found["first element"] = now
            return found
        finally:
            process.terminate()
            await process.wait()


async def _executions(http: aiohttp.ClientSession, url: str) -> list[dict[str, str]]:
    async with http.get(url + "/api/executions") as response:
        items: list[dict[str, str]] = (await response.json())["items"]
        return items


def measure(short: bool = False) -> list[Row]:
    """Wall time of each moment."""
    base = "bare aiohttp server (floor, base)"
    ours = "`rxstream demo`"
    seen: dict[str, Samples] = {moment: {base: [], ours: []} for moment in MOMENTS}

    def once(name: str, command: Sequence[str]) -> float:
        found = asyncio.run(moments(command))
        for moment, seconds in found.items():
            seen[moment][name].append(seconds)
        return found["first event"]

    interleave(
        {base: partial(once, base, ("-c", BARE)), ours: partial(once, ours, DEMO)},
        2 if short else 7,
    )
    lines = []
    for moment in MOMENTS:
        # the round that only warms up is not counted
        samples = {name: costs[1:] for name, costs in seen[moment].items()}
        for name in (base, ours):
            cost = spread(samples[name]).scaled(1e3)
            ratio = ratios(samples, name, base)
            lines.append(Row(f"start to: {moment}", name, cost, "ms", ratio))
    return lines

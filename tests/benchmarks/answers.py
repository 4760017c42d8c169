"""A model's answer on its way: from a scripted server, through the graph and the log, to a WebSocket client.

Server and client are processes of their own, so what is measured is ours. The floor is an aiohttp handler
that asks the same server and sends each token on at once: no graph, no log, nothing kept.

* time to the first token: from the start of the execution to the server, and from the server's first token
  to the client; what the server itself waits is left out;
* processor at 100 tokens a second, of one chat alone and of each of many at once;
* tokens a second at full speed, by decoder, `coalesce_tokens`, SQLite log and WebSocket;
* from a client's leaving to the end of the provider's connection, with a grace of no time;
* memory an answer of 10,000 tokens takes, above what an idle server has (a process of its own,
  `python -m tests.benchmarks.answers`).
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import web

import rxstream as rxs
from rxstream import operators as ops
from rxstream.adapters.llm import chat
from rxstream.adapters.llm.openai import OpenAIChat
from tests.benchmarks.harness import Row, Samples, interleave, percentile, quiet, ratios, spread
from tests.benchmarks.memory import resident
from tests.benchmarks.parts import Clients, clients, engine_on, served

PACE_S: Final = 0.01
FIRST_S: Final = 0.03
"""How long the server thinks: time for the client to connect."""
CHATS: Final = 20
"""Chats at once that one core can serve beside the processes that ask and answer."""
BURST: Final = 64
"""Tokens the server writes at once at full speed."""
CAME = re.compile(r"#(\d+)#")


class ModelServer:
    """The other process."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.url = f"http://127.0.0.1:{port}/v1"

    async def left(self) -> float:
        """When the next one left in the middle of an answer, in seconds."""
        assert self._process.stdout is not None
        return float(json.loads(await self._process.stdout.readline())["left"]) / 1e9


@asynccontextmanager
async def model_server() -> AsyncIterator[ModelServer]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("model_server.py")),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield ModelServer(process, int(await process.stdout.readline()))
    finally:
        process.stdin.close()
        await process.wait()


@rxs.graph
def talk(url: str, asked: str, least: int = 0) -> rxs.Stream[Any]:
    answer = chat(asked, model="openai:m", base_url=url, api_key="k", max_tokens=None)
    return (answer.pipe(ops.coalesce_tokens(least)) if least else answer).named("answer")


class Way:
    """One way from a question to a client."""

    def __init__(self, model: ModelServer, to: Clients) -> None:
        self.model = model
        self.to = to

    async def ask(self, **asked: Any) -> tuple[float, float, list[float]]:
        """Seconds on the way to the server (0 if unknown), in all, and of each token to the client."""
        raise NotImplementedError

    async def ask_at_once(self, chats: int, **asked: Any) -> None:
        """Until so many clients have each got an answer of their own."""
        raise NotImplementedError


class Ours(Way):
    def __init__(
        self, model: ModelServer, to: Clients, engine: rxs.Engine, address: str, least: int
    ) -> None:
        super().__init__(model, to)
        self.engine = engine
        self.address = address
        self.least = least

    async def ask(self, **asked: Any) -> tuple[float, float, list[float]]:
        begun = time.monotonic()
        bound = talk.bind(url=self.model.url, asked=json.dumps(asked), least=self.least)
        execution = await self.engine.start(bound)
        await self.to.connect(self.address, f"/ws/pipeline/{execution.id}")
        latencies = await self.to.latencies()
        took = time.monotonic() - begun
        events = await self.engine.log.read(execution.id, 0, 8)
        first = [e.data["text"] for e in events if e.event_type == "step_output"][:1]
        came = CAME.search(first[0]) if first else None
        there = int(came[1]) / 1e9 - begun if came else 0.0
        return there, took, latencies[: asked["count"]]

    async def ask_at_once(self, chats: int, **asked: Any) -> None:
        bound = talk.bind(url=self.model.url, asked=json.dumps(asked), least=self.least)
        executions = [await self.engine.start(bound) for _ in range(chats)]
        await self.to.connect(self.address, *(f"/ws/pipeline/{e.id}" for e in executions))
        await self.to.latencies()


class Bare(Way):
    """aiohttp alone."""

    def __init__(
        self, model: ModelServer, to: Clients, address: str, asking: dict[str, Any]
    ) -> None:
        super().__init__(model, to)
        self.address = address
        self.asking = asking

    async def ask(self, **asked: Any) -> tuple[float, float, list[float]]:
        self.asking["asked"] = json.dumps(asked)
        begun = time.monotonic()
        await self.to.connect(self.address, "/")
        latencies = await self.to.latencies()
        return self.asking.get("there", 0.0), time.monotonic() - begun, latencies

    async def ask_at_once(self, chats: int, **asked: Any) -> None:
        self.asking["asked"] = json.dumps(asked)
        await self.to.connect(self.address, "/", count=chats)
        await self.to.latencies()


@asynccontextmanager
async def ours(least: int = 0) -> AsyncIterator[Ours]:
    async with (
        model_server() as model,
        clients() as to,
        engine_on("sqlite", [talk]) as engine,
        served(engine) as address,
    ):
        yield Ours(model, to, engine, address, least)


@asynccontextmanager
async def bare() -> AsyncIterator[Bare]:
    asking: dict[str, Any] = {}

    async def handle(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse(compress=False)
        await response.prepare(request)
        body = {"model": "m", "messages": [{"role": "user", "content": asking["asked"]}]}
        begun = time.monotonic()
        decoder = OpenAIChat().decoder()
        async with session.post(f"{model.url}/chat/completions", json=body) as answer:
            async for data in answer.content.iter_any():
                for element in decoder.feed(data):
                    came = CAME.search(element["text"])
                    if came:
                        asking["there"] = int(came[1]) / 1e9 - begun
                    await response.send_str(json.dumps(element))
        await response.close()
        return response

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app, access_log=None)
    async with model_server() as model, clients() as to, aiohttp.ClientSession() as session:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield Bare(model, to, f"127.0.0.1:{runner.addresses[0][1]}", asking)
        finally:
            await runner.cleanup()


# -- the figures -------------------------------------------------------------------------------


async def first_tokens(way: Callable[[], Any], count: int) -> list[float]:
    """Of each answer, how much later the first token is there than the server alone would have it."""
    found = []
    async with way() as it:
        for number in range(-3, count):
            there, _, latencies = await it.ask(count=1, first=FIRST_S, stamped=True)
            if number >= 0:
                found.append(there + latencies[0])
    return found


async def core_share(way: Callable[[], Any], chats: int, count: int) -> float:
    """Of one core, for each of so many chats at once whose tokens come at that pace."""
    async with way() as it:
        await it.ask_at_once(chats, count=20, apart=PACE_S, first=FIRST_S)  # warms up
        cpu, wall = time.process_time(), time.monotonic()
        await it.ask_at_once(chats, count=count, apart=PACE_S, first=FIRST_S)
        return (time.process_time() - cpu) / (time.monotonic() - wall) / chats


async def seconds_a_token(way: Callable[[], Any], count: int) -> float:
    """Processor time at full speed, all threads."""
    async with way() as it:
        await it.ask(count=BURST * 8, burst=BURST)
        cpu = time.process_time()
        await it.ask(count=count, burst=BURST)
        return (time.process_time() - cpu) / count


async def until_it_closes(count: int) -> list[float]:
    """From a client's leaving to the end of the provider's connection."""
    found = []
    async with (
        model_server() as model,
        rxs.Engine(graphs=[talk], grace_s=0.0) as engine,
        served(engine) as address,
        aiohttp.ClientSession() as session,
    ):
        for _ in range(count):
            asked = json.dumps({"count": 1_000, "apart": PACE_S})
            execution = await engine.start(
                talk.bind(url=model.url, asked=asked), on_last_listener="cancel"
            )
            client = await session.get(f"http://{address}/stream/pipeline/{execution.id}")
            async for line in client.content:
                if b'"token"' in line:
                    break
            gone = time.monotonic()
            client.close()
            found.append(await model.left() - gone)
    return found


async def memory() -> float:
    """MiB above idle after 10,000 tokens that were kept, shown and put together, all in one process."""
    async with model_server() as model, rxs.Engine() as engine:

        async def answer(count: int) -> str:
            asked = json.dumps({"count": count, "burst": 4})
            execution = await engine.start(talk.bind(url=model.url, asked=asked))
            parts = [
                event.data["text"]
                async for event in execution.events()
                if event.event_type == "step_output" and event.data["type"] == "token"
            ]
            assert len(parts) == count
            return "".join(parts)

        await answer(100)
        gc.collect()
        idle = resident()
        text = await answer(10_000)
        assert len(text) > 10_000
        return resident() - idle


def in_its_own_process() -> float:
    done = subprocess.run([sys.executable, "-m", __spec__.name], stdout=subprocess.PIPE, check=True)
    return float(json.loads(done.stdout))


def measure(short: bool = False) -> list[Row]:
    answers, rounds, tokens = (10, 2, 20_000) if short else (60, 5, 200_000)
    floor, each = "aiohttp alone (floor, base)", "rxstream"
    pieces, larger = "rxstream, `coalesce_tokens()`", "rxstream, `coalesce_tokens(40)`"
    joined = partial(ours, 10)

    tails: Samples = {}

    def firsts(name: str, way: Callable[[], Any]) -> float:
        found = asyncio.run(first_tokens(way, answers))
        tails.setdefault(name, []).append(percentile(found, 0.99))
        return percentile(found, 0.5)

    def once(of: Callable[..., Awaitable[float]], *given: Any) -> float:
        return asyncio.run(of(*given))  # type: ignore[arg-type]  # a coroutine function

    medians = interleave(
        {floor: partial(firsts, floor, bare), each: partial(firsts, each, ours)}, rounds
    )
    lines = []
    for share, samples, allowed in (("p50", medians, 5.0), ("p99", tails, 15.0)):
        samples = {name: costs[-rounds:] for name, costs in samples.items()}
        for name in samples:
            figure = f"first token, later than the server has it, {share}"
            lines.append(
                _row(figure, name, samples, floor, 1e3, "ms", allowed if name == each else 0)
            )
    paced = 100 if short else 500
    ways = {floor: bare, each: ours, pieces: joined, larger: partial(ours, 40)}
    for chats, figure in (
        (1, "a chat at 100 tokens/s, processor"),
        (CHATS, f"each of {CHATS} such chats at once"),
    ):
        shares = interleave(
            {name: partial(once, core_share, way, chats, paced) for name, way in ways.items()},
            2 if short else 3,
        )
        lines += [
            _row(figure, name, shares, floor, 100, "% of a core", 0 if name == floor else 2.0)
            for name in shares
        ]
    speeds = interleave(
        {
            each: partial(once, seconds_a_token, ours, tokens // 4),
            pieces: partial(once, seconds_a_token, joined, tokens),
        },
        2 if short else 5,
    )
    figure = "tokens at full speed, processor"
    lines += [
        _row(figure, name, speeds, each, 1e6, "µs/token", 20.0 if name == pieces else 0)
        for name in speeds
    ]
    closing = asyncio.run(until_it_closes(answers))
    figure = "client gone → provider's connection closed, no grace"
    lines.append(Row(figure, "SSE client", spread(closing).scaled(1e3), "ms"))
    grown = [in_its_own_process() for _ in range(2 if short else 5)]
    figure = "memory of an answer of 10,000 tokens"
    most = "kept, read and put together"
    lines.append(
        Row(figure, most, spread(grown), "MiB", None, "< 10 MiB", spread(grown).median < 10)
    )
    return lines


def _row(
    figure: str, way: str, samples: Samples, base: str, scale: float, unit: str, allowed: float
) -> Row:
    cost = spread(samples[way]).scaled(scale)
    wanted = f"< {allowed:g} {unit}" if allowed else ""
    held = not allowed or cost.median < allowed
    return Row(figure, way, cost, unit, ratios(samples, way, base), wanted, held)


if __name__ == "__main__":
    with quiet():
        print(json.dumps(asyncio.run(memory())))

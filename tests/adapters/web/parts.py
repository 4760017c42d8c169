"""What the tests of the endpoints are made of: graphs to start, a server, and clients that resume."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import orjson

import rxstream as rxs
from rxstream import Binary, Engine
from rxstream.adapters.web import Server, Settings, serve
from rxstream.events import Draft, EventType, draft
from rxstream.log import Commit, EventLog, ExecutionRecord

QUICK = Settings(
    read_timeout=0.5,
    write_timeout=0.3,
    close_timeout=0.3,
    heartbeat=0.05,
    stale_timeout=20.0,
)
"""Deadlines short enough to be waited for in a test."""

FEEDS: dict[str, asyncio.Queue[Any]] = {}
"""What `fed` emits, by the name it is given; None ends it."""


@rxs.graph
def numbers(n: int, padding: int = 0) -> rxs.Stream[int | str]:
    """Numbers from zero.

    With `padding`, texts of that length.
    """
    items: Sequence[int | str] = range(n) if not padding else [f"{i:0{padding}}" for i in range(n)]
    return rxs.source(items).named("numbers")


@rxs.graph
def fed(feed: str) -> rxs.Stream[Any]:
    """Whatever a test puts into a feed."""

    async def elements() -> AsyncIterator[Any]:
        queue = FEEDS[feed]
        while (item := await queue.get()) is not None:
            yield item

    return rxs.source(elements).named("fed")


@rxs.graph
def broken() -> rxs.Stream[int]:
    """Fails at its first element."""

    def elements() -> Iterator[int]:
        raise RuntimeError("deep inside")
        yield 1

    return rxs.source(elements).named("failing")


@rxs.graph
def undrawable() -> rxs.Stream[int]:
    """Cannot be built."""
    raise ValueError("secret internals")


@rxs.graph
def either(x: int | bool | None) -> rxs.Stream[object]:
    """Takes one of several types."""
    return rxs.source([x])


GRAPHS = (numbers, fed, broken, undrawable)


def feed(name: str = "feed") -> asyncio.Queue[Any]:
    """A feed that `fed` can be started with."""
    FEEDS[name] = asyncio.Queue()
    return FEEDS[name]


@asynccontextmanager
async def served(engine: Engine, settings: Settings = QUICK) -> AsyncIterator[str]:
    """A server of that engine; the value is its URL."""
    server = await serve(engine, "127.0.0.1", 0, settings=settings)
    try:
        yield server.url
    finally:
        await server.close()


def buffered(server: Server) -> list[int]:
    """Bytes each connection holds because its client does not take them."""
    inner = server._runner.server
    assert inner is not None
    transports = [protocol.transport for protocol in inner.connections]
    return [each.get_write_buffer_size() for each in transports if each is not None]


async def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Poll a condition, with a deadline."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  what is waited for has no event to set
            await asyncio.sleep(0.005)


# -- executions that are only in the log ------------------------------------------------------


def outputs(count: int, size: int = 20) -> list[Draft]:
    """A start and `count` outputs of about `size` bytes."""
    data = orjson.dumps("x" * size)
    told = [draft(EventType.PIPELINE_START, None, b"{}")]
    return told + [draft(EventType.STEP_OUTPUT, "node", data) for _ in range(count)]


ENDING = draft(EventType.PIPELINE_COMPLETE, None, b'{"result":null,"duration_ms":1.0}')


async def recorded(
    log: EventLog,
    execution_id: str,
    drafts: Sequence[Draft],
    status: str = "running",
    blobs: dict[str, Binary] | None = None,
) -> str:
    """An execution of which the log knows and the engine does not, as after a restart."""
    now = datetime.now(UTC)
    ended = now if status not in ("queued", "running", "waiting") else None
    record = ExecutionRecord(execution_id, "earlier", status, now, ended_at=ended)
    await log.commit(Commit(execution_id, drafts, record, blobs=blobs or {}))
    return execution_id


async def complete(log: EventLog, execution_id: str) -> None:
    """End such an execution well."""
    now = datetime.now(UTC)
    record = ExecutionRecord(execution_id, "earlier", "completed", now, ended_at=now)
    await log.commit(Commit(execution_id, [ENDING], record))


# -- clients ----------------------------------------------------------------------------------

CUT = (aiohttp.ClientError, ConnectionError, asyncio.IncompleteReadError, TimeoutError)
"""What a client may be told when its connection is cut."""


@dataclass
class Client:
    """What one client has seen, over as many connections as it took."""

    execution_id: str
    after: str | None = None
    texts: list[str] = field(default_factory=list)
    connections: int = 0
    closes: list[int | None] = field(default_factory=list)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.texts]

    @property
    def sequences(self) -> list[int]:
        return [event["sequence"] for event in self.events]

    @property
    def ended(self) -> bool:
        return bool(self.texts) and json.loads(self.texts[-1])["event_type"] in (
            "pipeline_complete",
            "pipeline_error",
            "pipeline_cancelled",
        )

    def saw(self, text: str) -> None:
        self.texts.append(text)
        self.after = json.loads(text)["cursor"]

    @property
    def query(self) -> dict[str, str]:
        return {} if self.after is None else {"after": self.after}


async def sse(http: aiohttp.ClientSession, url: str, client: Client) -> bool:
    """One SSE connection; True when the body ended well, or there was nothing left (204)."""
    client.connections += 1
    headers = {} if client.after is None else {"Last-Event-ID": client.after}
    address = f"{url}/stream/pipeline/{client.execution_id}"
    with suppress(*CUT):
        async with http.get(address, headers=headers) as response:
            assert response.status in (200, 204)
            async for message in messages(response.content):
                assert message["id"] == json.loads(message["data"])["cursor"]
                assert message["event"] == json.loads(message["data"])["event_type"]
                client.saw(message["data"])
            return True
    return False


async def messages(content: aiohttp.StreamReader) -> AsyncIterator[dict[str, str]]:
    """SSE messages with data, by the standard's rules as far as we use them."""
    fields: dict[str, str] = {}
    rest = b""
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                name, _, value = line.decode().partition(":")
                fields[name] = value.removeprefix(" ")
            else:
                if "data" in fields:
                    yield fields
                fields = {}


async def websocket(http: aiohttp.ClientSession, url: str, client: Client) -> bool:
    """One WebSocket connection; True when it was closed with 1000."""
    client.connections += 1
    code = None
    with suppress(*CUT):
        async with http.ws_connect(
            f"{url}/ws/pipeline/{client.execution_id}", params=client.query
        ) as ws:
            async for message in ws:
                client.saw(message.data)
            code = ws.close_code
    client.closes.append(code)
    return code == 1000


async def poll(http: aiohttp.ClientSession, url: str, client: Client) -> bool:
    """Polls until the terminal event; False when a connection was cut."""
    client.connections += 1
    address = f"{url}/api/executions/{client.execution_id}/events"
    with suppress(*CUT):
        while not client.ended:
            async with http.get(address, params={**client.query, "wait": "5"}) as response:
                assert response.status == 200
                page = await response.json()
            for event in page["events"]:
                client.saw(json.dumps(event))
            client.after = page["cursor"]
        return True
    return False


TRANSPORTS = {"sse": sse, "websocket": websocket, "poll": poll}


@asynccontextmanager
async def cutting(url: str, chance: random.Random, most: int) -> AsyncIterator[str]:
    """A proxy that cuts each connection after up to `most` random bytes of the answer."""
    host, port = url.removeprefix("http://").split(":")
    tasks: set[asyncio.Task[Any]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: float) -> None:
        while left > 0 and (data := await reader.read(1024)):
            writer.write(data[: int(min(left, len(data)))])
            await writer.drain()
            left -= len(data)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        ends = [writer]
        both: list[asyncio.Task[None]] = []
        try:
            upstream_reader, upstream = await asyncio.open_connection(host, int(port))
            ends.append(upstream)
            both.append(asyncio.create_task(pump(reader, upstream, float("inf"))))
            left = chance.randint(1, most)
            both.append(asyncio.create_task(pump(upstream_reader, writer, left)))
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in both:
                direction.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            for end in ends:
                end.transport.abort()
            await asyncio.gather(*(end.wait_closed() for end in ends), return_exceptions=True)
            tasks.discard(task)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        proxied = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{proxied}"
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

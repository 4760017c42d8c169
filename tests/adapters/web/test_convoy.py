"""Clients of one execution that have caught up are written to together; none depends on another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from rxstream import Engine
from rxstream.adapters.web import Server, Settings, serve
from tests.adapters.web import parts
from tests.adapters.web.parts import Client
from tests.adapters.web.test_slow_clients import unread

SETTINGS = Settings(write_timeout=30, close_timeout=0.1)


class Fed:
    """An execution whose elements a test gives, and clients that read it."""

    def __init__(self, engine: Engine, http: aiohttp.ClientSession, server: Server) -> None:
        self.queue = parts.feed()
        self.engine = engine
        self.http = http
        self.server = server
        self.id = ""
        self.reading: dict[asyncio.Task[bool], Client] = {}

    async def join(self, count: int) -> list[asyncio.Task[bool]]:
        """So many clients, each of which has read all there is."""
        clients = [Client(self.id) for _ in range(count)]
        tasks = [
            asyncio.create_task(parts.websocket(self.http, self.server.url, c)) for c in clients
        ]
        self.reading.update(zip(tasks, clients, strict=True))
        await self.seen()
        return tasks

    async def seen(self) -> None:
        """Wait until everybody has read what is recorded."""
        last = (await self.engine.log.head(self.id)).last
        await parts.until(lambda: all(len(c.texts) >= last for c in self.reading.values()))

    async def give(self, *elements: object) -> None:
        """Elements that everybody reads."""
        before = (await self.engine.log.head(self.id)).last
        for element in elements:
            self.queue.put_nowait(element)
        after = before
        while after < before + len(elements):
            await self.engine.log.wait(self.id, after)
            after = (await self.engine.log.head(self.id)).last
        await self.seen()

    async def end(self) -> None:
        """The execution ends, and everybody has read 1..N."""
        self.queue.put_nowait(None)
        assert all(await asyncio.gather(*self.reading))
        last = (await self.engine.log.head(self.id)).last
        assert all(c.sequences == list(range(1, last + 1)) for c in self.reading.values())


@pytest.fixture
async def fed(engine: Engine, http: aiohttp.ClientSession) -> AsyncIterator[Fed]:
    server = await serve(engine, port=0, settings=SETTINGS)
    try:
        it = Fed(engine, http, server)
        it.id = (await engine.start("fed", {"feed": "feed"})).id
        yield it
    finally:
        await server.close()


@asynccontextmanager
async def stalled(fed: Fed) -> AsyncIterator[None]:
    """A client that upgrades and then never reads."""
    before = fed.server.connections
    with await unread(fed.server.url, f"/ws/pipeline/{fed.id}", upgrade=True):
        await parts.until(lambda: fed.server.connections > before)
        yield


async def test_all_read_the_same_and_who_comes_later_catches_up(fed: Fed) -> None:
    await fed.join(20)
    await fed.give("a")
    await fed.give("b", "c")
    await fed.join(5)
    await fed.give("d")
    await fed.end()
    texts = [client.texts for client in fed.reading.values()]
    assert all(each == texts[0] for each in texts)


async def test_when_the_one_that_reads_for_all_leaves_the_others_go_on(fed: Fed) -> None:
    (leader,) = await fed.join(1)
    await fed.give("a")
    await fed.join(10)
    await fed.give("b")
    del fed.reading[leader]
    leader.cancel()
    await fed.give("c")
    await fed.give("d")
    await fed.end()


async def test_one_of_many_that_leaves_is_missed_by_nobody(fed: Fed) -> None:
    tasks = await fed.join(6)
    await fed.give("a")
    for task in tasks[2:4]:
        del fed.reading[task]
        task.cancel()
    await fed.give("b")
    await fed.end()


@pytest.mark.parametrize("first", [True, False])
async def test_one_that_stalls_holds_nobody_up(fed: Fed, first: bool) -> None:
    if not first:
        await fed.join(5)
    async with stalled(fed):
        if first:
            await fed.join(5)
        while not any(parts.buffered(fed.server)):  # its socket still takes what it is given
            await fed.give("x" * 60_000)
        await fed.give("a", "b")
        assert max(parts.buffered(fed.server)) < 300_000
        await fed.end()


async def test_what_does_not_fit_one_write_reaches_everybody(fed: Fed) -> None:
    await fed.join(5)
    await fed.give("a")
    await fed.give("x" * 500_000)
    await fed.give("b")
    await fed.end()


async def test_many_clients_are_written_to_in_turns(fed: Fed) -> None:
    # a session's own limit is a hundred connections
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as fed.http:
        await fed.join(150)
        await fed.give("a")
        await fed.end()

"""One session for each loop, closed with it. What is left unclosed warns, and warnings fail."""

from __future__ import annotations

import asyncio
import gc
import threading

import aiohttp
import psutil
import pytest
from aiohttp import web

from rxstream.adapters import http

from .servers import served


async def hello(request: web.Request) -> web.StreamResponse:
    response = web.Response(text=request.headers.get("Cookie", "none"))
    response.set_cookie("user", "someone")
    return response


async def test_everyone_on_a_loop_has_the_same_session() -> None:
    first, second = await asyncio.gather(http.session(), http.session())
    assert first is second


async def test_no_cookie_reaches_another_user() -> None:
    async with served(hello) as host:
        named = host.replace("127.0.0.1", "localhost")  # aiohttp keeps no cookie of an address
        for _ in range(2):
            async with (await http.session()).get(f"http://{named}/") as response:
                assert await response.text() == "none"


async def test_after_close_there_is_a_new_session_and_no_connection_left() -> None:
    async with served(hello) as host:
        first = await http.session()
        async with first.get(f"http://{host}/") as response:
            await response.read()
        await http.close()
        await http.close()
        assert first.closed
        second = await http.session()
        assert second is not first
        async with second.get(f"http://{host}/") as response:
            assert response.status == 200


def test_the_end_of_a_loop_closes_its_session_and_its_connections() -> None:
    before = psutil.Process().num_fds()

    async def use() -> aiohttp.ClientSession:
        async with served(hello) as host:
            session = await http.session()
            async with session.get(f"http://{host}/") as response:
                await response.read()
            return session

    sessions = [asyncio.run(use()) for _ in range(3)]
    assert len(set(map(id, sessions))) == 3
    assert all(session.closed for session in sessions)
    gc.collect()  # what was not closed would warn here
    assert psutil.Process().num_fds() == before
    assert not http._open


def test_loops_of_several_threads_have_their_own() -> None:
    found: list[aiohttp.ClientSession] = []
    both = threading.Barrier(2)

    async def use() -> None:
        found.append(await http.session())
        await asyncio.to_thread(both.wait, 5)

    threads = [threading.Thread(target=asyncio.run, args=(use(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] is not found[1]
    assert all(session.closed for session in found)


@pytest.mark.filterwarnings("ignore:Unclosed client session:ResourceWarning")
def test_a_loop_closed_without_its_generators_is_forgotten() -> None:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(http.session())
    loop.close()

    async def use() -> int:
        await http.session()
        return len(http._open)

    assert asyncio.run(use()) == 1
    gc.collect()


def test_a_url_is_shown_without_its_secrets() -> None:
    assert http.shown("https://me:pass@host:81/a/b?token=x#y") == "https://host:81/a/b"

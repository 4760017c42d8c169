from __future__ import annotations

import asyncio

import pytest
from aiohttp import WSMsgType, web

from rxstream.adapters import sources
from rxstream.errors import AuthorError, ExecutionTimeout, WorldError
from rxstream.stream import Stream

from .running import everything, running, until
from .servers import served


async def accept(request: web.Request, **settings: float) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(**settings)  # type: ignore[arg-type]  # tests pass few of them
    await socket.prepare(request)
    return socket


async def test_text_is_str_and_binary_is_bytes_until_the_server_closes() -> None:
    async def talk(request: web.Request) -> web.StreamResponse:
        socket = await accept(request)
        await socket.send_str("ö 🎈")
        await socket.send_bytes(b"\x00\xff")
        await socket.close(code=1000)
        return socket

    async with served(talk) as host:
        assert await everything(sources.websocket(f"ws://{host}/")) == ["ö 🎈", b"\x00\xff"]


async def test_what_is_to_be_sent_first_is_sent() -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        socket = await accept(request)
        for _ in range(2):
            message = await socket.receive()
            if message.type is WSMsgType.TEXT:
                await socket.send_str(f"{request.headers['X-A']} {message.data}")
            else:
                await socket.send_bytes(message.data)
        await socket.close()
        return socket

    async with served(echo) as host:
        stream = sources.websocket(f"ws://{host}/", send=["hello", b"raw"], headers={"X-A": "you"})
        assert await everything(stream) == ["you hello", b"raw"]


@pytest.mark.parametrize("code", [1001, 1011, 1012, 4408])
async def test_any_other_close_code_is_an_error(code: int) -> None:
    async def leave(request: web.Request) -> web.StreamResponse:
        socket = await accept(request)
        await socket.send_str("last")
        await socket.close(code=code, message=b"go away")
        return socket

    async with served(leave) as host, running(sources.websocket(f"ws://{host}/?key=secret")) as run:
        assert await run.take(1) == ["last"]
        with pytest.raises(
            WorldError, match=rf"^WebSocket ws://{host}/ was closed with code {code}: go away$"
        ) as raised:
            await run.rest()
        assert raised.value.detail == {"code": code}


@pytest.mark.parametrize("abort", [True, False])
async def test_a_connection_cut_without_a_close_frame_is_an_error(abort: bool) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        socket = await accept(request)
        await socket.send_str("last")
        assert request.transport is not None
        if abort:
            request.transport.abort()
        else:
            request.transport.close()
        return socket

    async with served(cut) as host, running(sources.websocket(f"ws://{host}/")) as run:
        assert await run.take(1) == ["last"]
        with pytest.raises(WorldError, match="the connection was cut off"):
            await run.rest()


async def test_a_message_that_is_too_big_is_an_error() -> None:
    async def big(request: web.Request) -> web.StreamResponse:
        socket = await accept(request)
        await socket.send_str("x" * 1_000)
        await socket.send_str("x" * 1_001)
        await socket.receive()
        return socket

    def bounded(host: str) -> Stream[str | bytes]:
        return sources.websocket(f"ws://{host}/", max_msg_size=1_000)

    async with served(big) as host, running(bounded(host)) as run:
        assert await run.take(1) == ["x" * 1_000]
        with pytest.raises(WorldError, match="sent a message above 1000 bytes"):
            await run.rest()


async def test_a_server_that_is_none_is_said_in_one_line(unused_tcp_port: int) -> None:
    async def plain(request: web.Request) -> web.StreamResponse:
        return web.Response(status=403, text="no")

    async with served(plain) as host:
        with pytest.raises(WorldError, match=rf"^WebSocket ws://{host}/ was answered with 403$"):
            await everything(sources.websocket(f"ws://{host}/?key=secret"))
    with pytest.raises(WorldError, match=r"cannot connect to 127.0.0.1:\d+"):
        await everything(sources.websocket(f"ws://127.0.0.1:{unused_tcp_port}/"))


async def test_a_peer_that_answers_pings_may_be_silent_and_one_that_does_not_may_not() -> None:
    pings = 0

    async def quiet(request: web.Request) -> web.StreamResponse:
        nonlocal pings
        socket = await accept(request, autoping=False)
        while (message := await socket.receive()).type is WSMsgType.PING:
            pings += 1
            if pings <= 3:
                await socket.pong(message.data)
            if pings == 3:
                await socket.send_str("still here")
        return socket

    async with (
        served(quiet) as host,
        running(sources.websocket(f"ws://{host}/", heartbeat=0.1)) as run,
    ):
        assert await run.take(1) == ["still here"]
        with pytest.raises(ExecutionTimeout, match=r"no answer to a ping for 0\.1 s"):
            await run.rest()


async def test_a_ping_of_the_server_is_answered() -> None:
    async def ask(request: web.Request) -> web.StreamResponse:
        socket = await accept(request, autoping=False)
        await socket.ping(b"you?")
        message = await socket.receive()
        await socket.send_str(f"{message.type.name} {message.data.decode()}")
        await socket.close()
        return socket

    async with served(ask) as host:
        assert await everything(sources.websocket(f"ws://{host}/")) == ["PONG you?"]


async def test_disposing_says_goodbye_and_closes() -> None:
    heard: list[object] = []

    async def listen(request: web.Request) -> web.StreamResponse:
        socket = await accept(request)
        await socket.send_str("first")
        message = await socket.receive()
        heard.append((message.type, message.data))
        return socket

    async with served(listen) as host:
        async with running(sources.websocket(f"ws://{host}/")) as run:
            await run.take(1)
        await until(lambda: heard)
    assert heard == [(WSMsgType.CLOSE, 1000)]


async def test_an_endless_talker_is_read_only_as_far_as_wanted_and_let_go_in_bounded_time() -> None:
    sent = 0

    async def flood(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        socket = await accept(request)
        while True:
            await socket.send_str("x" * 1_000)
            sent += 1_000

    async with served(flood) as host, running(sources.websocket(f"ws://{host}/")) as run:
        await run.take(10)
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.05)
        assert sent < 20_000_000  # what the sockets of this machine hold
        await run.take(500)


async def test_a_stream_of_messages_can_be_awaited() -> None:
    async def talk(request: web.Request) -> web.StreamResponse:
        socket = await accept(request)
        await socket.send_str("one")
        await socket.close()
        return socket

    async with served(talk) as host:
        assert await sources.websocket(f"ws://{host}/") == "one"


def test_a_wrong_use_is_refused_when_drawn() -> None:
    with pytest.raises(AuthorError, match="begins with ws"):
        sources.websocket("x")
    with pytest.raises(AuthorError, match="max_msg_size"):
        sources.websocket("ws://x", max_msg_size=0)
    assert sources.websocket("ws://u:p@x/?t=1").spec.arguments == {"url": "ws://x/"}

from __future__ import annotations

import asyncio
import json

import psutil
import pytest
from aiohttp import web

from rxstream.adapters import http, sources
from rxstream.errors import AuthorError, ExecutionTimeout, WorldError

from .running import everything, running
from .servers import sends, served, served_raw

TEXT = "one\r\nzwei ö\n\n三 🎈\nno end"
LINES = ["one", "zwei ö", "", "三 🎈", "no end"]


async def text(request: web.Request) -> web.StreamResponse:
    return web.Response(text=TEXT)


async def test_lines_and_chunks_are_what_the_server_sends() -> None:
    async with served(text) as host:
        assert await everything(sources.http(f"http://{host}/")) == LINES
        assert (
            b"".join(await everything(sources.http(f"http://{host}/", lines=False)))
            == TEXT.encode()
        )


async def test_lines_are_the_same_wherever_the_packets_are_cut() -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        at = int(request.path.strip("/"))
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(TEXT.encode()[:at] or b"")
        await response.write(TEXT.encode()[at:] or b"")
        return response

    async with served(cut) as host:
        for at in range(len(TEXT.encode()) + 1):
            assert await everything(sources.http(f"http://{host}/{at}")) == LINES


async def test_lines_come_while_the_body_is_still_open() -> None:
    go = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first\nsec")
        await go.wait()
        await response.write(b"ond\n")
        return response

    async with served(slow) as host, running(sources.http(f"http://{host}/")) as run:
        assert await run.take(1) == ["first"]
        go.set()
        assert await run.rest() == ["second"]


async def test_the_request_is_as_asked() -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        said = [request.method, request.headers.get("X-A"), request.content_type]
        return web.json_response([*said, await request.text(), request.headers["Accept-Encoding"]])

    async with served(echo) as host:
        posted = sources.http(f"http://{host}/", method="post", json={"a": 1}, headers={"X-A": "b"})
        (line,) = await everything(posted)
        assert json.loads(line) == ["POST", "b", "application/json", '{"a": 1}', "identity"]
        (line,) = await everything(sources.http(f"http://{host}/", method="PUT", data="ö"))
        assert json.loads(line)[3] == "ö"


async def test_the_charset_of_the_answer_is_used_unless_one_is_given() -> None:
    async def latin(request: web.Request) -> web.StreamResponse:
        return web.Response(
            body="ö".encode("latin-1"), content_type="text/plain", charset="latin-1"
        )

    async with served(latin) as host:
        assert await everything(sources.http(f"http://{host}/")) == ["ö"]
        with pytest.raises(WorldError, match="at byte 0 is not utf-8"):
            await everything(sources.http(f"http://{host}/", encoding="utf-8"))


async def test_progress_is_told_where_the_length_is_known() -> None:
    async with served(text) as host, running(sources.http(f"http://{host}/")) as run:
        await run.rest()
        size = len(TEXT.encode())
        assert run.port.told[-1] == (100.0, f"{size} of {size} bytes", "running")


@pytest.mark.parametrize("status", [400, 404, 500, 503])
async def test_an_error_status_shows_the_status_and_the_first_bytes(status: int) -> None:
    async def bad(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text="it\nbroke " + "x" * 10_000)

    async with served(bad) as host:
        url = f"http://me:pass@{host}/p?token=secret"
        with pytest.raises(
            WorldError, match=rf"^GET http://{host}/p was answered with {status} .*: it broke x"
        ) as raised:
            await everything(sources.http(url))
        assert raised.value.code == "http_status"
        assert raised.value.detail["status"] == status
        assert len(str(raised.value)) < 1_000
        assert "secret" not in repr(sources.http(url).spec.arguments) + str(raised.value)


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("abort", [True, False])
@pytest.mark.parametrize(
    "head", ["Content-Length: 100\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n5\r\n"]
)
async def test_a_body_cut_off_is_an_error_and_never_a_short_answer(
    head: str, abort: bool, lines: bool
) -> None:
    answer = f"HTTP/1.1 200 OK\r\n{head}one\nt".encode()
    async with served_raw(sends(answer, abort=abort)) as (host, _):
        async with running(sources.http(f"http://{host}/", lines=lines)) as run:
            with pytest.raises(WorldError) as raised:
                await run.rest()
        assert raised.value.code in ("truncated", "request_failed")
        assert "t" not in run.items


async def test_a_chunked_body_is_cut_at_every_byte_before_its_end() -> None:
    whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n4\r\ntwo\n\r\n0\r\n\r\n"
    cut = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await sends(whole[:cut])(reader, writer)

    async with served_raw(answer) as (host, _):
        while cut < len(whole):
            with pytest.raises(WorldError):
                await everything(sources.http(f"http://{host}/"))
            cut += 1
        assert await everything(sources.http(f"http://{host}/")) == ["one", "two"]


async def test_no_answer_at_all_is_said_in_one_line(unused_tcp_port: int) -> None:
    async with served_raw(sends(b"")) as (host, _):
        with pytest.raises(
            WorldError, match=rf"^GET http://{host}/: the server closed the connection"
        ):
            await everything(sources.http(f"http://{host}/"))
    with pytest.raises(WorldError, match=r"cannot connect to 127.0.0.1:\d+: "):
        await everything(sources.http(f"http://127.0.0.1:{unused_tcp_port}/"))
    async with served_raw(sends(b"SSH-2.0-hello\r\n\r\n")) as (host, _):
        with pytest.raises(WorldError, match=rf"^GET http://{host}/: .+") as raised:
            await everything(sources.http(f"http://{host}/"))
        assert "\n" not in str(raised.value)


async def test_redirects_are_followed_but_not_for_ever() -> None:
    async def move(request: web.Request) -> web.StreamResponse:
        if request.path == "/once":
            raise web.HTTPFound("/there")
        if request.path == "/there":
            return web.Response(text="here")
        raise web.HTTPFound(f"{request.path}?key=secret")

    async with served(move) as host:
        assert await everything(sources.http(f"http://{host}/once")) == ["here"]
        with pytest.raises(WorldError, match=rf"^GET http://{host}/loop: too many redirects$"):
            await everything(sources.http(f"http://{host}/loop"))


async def test_a_server_without_encryption_is_no_https_server() -> None:
    async with served(text) as host:
        with pytest.raises(WorldError, match=rf"^GET https://{host}/: .+") as raised:
            await everything(sources.http(f"https://{host}/"))
        assert "\n" not in str(raised.value)


async def test_a_server_that_takes_the_connection_and_says_nothing_is_a_timeout() -> None:
    async with served_raw(sends(b"")) as (host, _):  # waits for a request, gets a handshake
        with pytest.raises(ExecutionTimeout, match=rf"^GET https://{host}/: no answer in time$"):
            await everything(sources.http(f"https://{host}/", connect_timeout=0.1))


async def test_an_error_status_without_a_readable_body_is_still_that_status() -> None:
    answer = b"HTTP/1.1 500 Oh\r\nContent-Length: 9\r\n\r\n"
    async with served_raw(sends(answer)) as (host, _):
        with pytest.raises(WorldError, match=r"was answered with 500 Oh$"):
            await everything(sources.http(f"http://{host}/"))


async def test_silence_longer_than_the_timeout_is_a_timeout() -> None:
    async def silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first\n")
        await asyncio.Event().wait()
        return response

    async with served(silent) as host, running(sources.http(f"http://{host}/", timeout=0.5)) as run:
        assert await run.take(1) == ["first"]
        with pytest.raises(ExecutionTimeout, match=r"sent nothing for 0.5 s"):
            await run.rest()


async def test_a_slow_reader_is_no_silent_server() -> None:
    async with served(endless) as host:
        stream = sources.http(f"http://{host}/", timeout=0.4)
        async with running(stream, wanted=1) as run:
            await run.take(1)
            await asyncio.sleep(0.8)  # longer than the timeout while nothing is asked for
            await run.take(500)


SENT = 0


async def endless(request: web.Request) -> web.StreamResponse:
    global SENT
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x" * 999 + b"\n")
        SENT += 1_000


async def test_an_endless_body_is_read_only_as_far_as_wanted() -> None:
    async with served(endless) as host:
        async with running(sources.http(f"http://{host}/"), wanted=1) as run:
            await run.take(1)
            before = -1
            while before != SENT:
                before = SENT
                await asyncio.sleep(0.05)
            ours = psutil.Process().memory_info().rss
            assert SENT < 20_000_000  # what the sockets of this machine hold
            await run.take(2_000)
        assert psutil.Process().memory_info().rss - ours < 8_000_000


async def test_disposing_closes_the_connection() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nfirst\n")
        await reader.readexactly(1)  # raises when the client is gone

    async with served_raw(drip) as (host, server):
        async with running(sources.http(f"http://{host}/")) as run:
            assert await run.take(1) == ["first"]
            assert not server.gone.is_set()
        await asyncio.wait_for(server.gone.wait(), 30)


async def test_a_connection_is_used_again_after_a_whole_body() -> None:
    async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx\n")
            await reader.readuntil(b"\r\n\r\n")

    async with served_raw(twice) as (host, server):
        assert await everything(sources.http(f"http://{host}/")) == ["x"]
        assert await everything(sources.http(f"http://{host}/")) == ["x"]
        assert server.connections == 1
        await http.close()


async def test_a_stream_of_a_body_can_be_awaited() -> None:
    async with served(text) as host:
        assert await sources.http(f"http://{host}/") == "no end"


def test_a_wrong_use_is_refused_when_drawn() -> None:
    with pytest.raises(AuthorError, match="begins with http"):
        sources.http("ftp://x/")
    for url in ("http://[::1", "http://host:port/", "http:///path"):
        with pytest.raises(AuthorError, match="not a valid URL"):
            sources.http(url)
    with pytest.raises(AuthorError, match="not both"):
        sources.http("http://x/", json=1, data="x")
    with pytest.raises(AuthorError, match="line feed is not one byte"):
        sources.http("http://x/", encoding="utf-16")

"""`http_get` against real servers on the loopback: who may be asked, where that leads, what comes back."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp import web

from rxstream.adapters.tools import http, http_get
from rxstream.adapters.tools.http_addresses import checked, named, refusal
from rxstream.errors import AuthorError, ClientError, ExecutionTimeout, RxStreamError, WorldError
from rxstream.tools import Tool, perform
from tests.adapters.sources.servers import Handler, served
from tests.adapters.tools.calling import Called, called


async def got(handler: Handler, path: str = "/", **settings: object) -> Called:
    """A page of a server of ours, which may be private."""
    async with served(handler) as address:
        tool = http_get([address], allow_private=True, **settings)  # type: ignore[arg-type]  # by name
        return await called(tool, url=f"http://{address}{path}")


async def refused(tool: Tool, url: str) -> str:
    with pytest.raises(ClientError) as caught:
        await called(tool, url=url)
    return caught.value.message


async def page(request: web.Request) -> web.Response:
    return web.Response(text=f"page {request.path_qs} for {request.host}")


# --- what comes back ---------------------------------------------------------------------------


async def test_a_page_of_a_named_host_is_got() -> None:
    call = await got(page, "/a?b=1#c")
    assert call.text("body").startswith("page /a?b=1 for 127.0.0.1:")
    assert (call.value["status"], call.value["content_type"]) == (200, "text/plain")
    assert call.brief.startswith("[200 OK; text/plain; ")


async def test_a_failure_of_the_server_is_an_answer() -> None:
    async def missing(request: web.Request) -> web.Response:
        return web.Response(status=404, text="nothing here")

    call = await got(missing)
    assert (call.value["status"], call.value["text"]) == (404, "nothing here")


async def test_a_body_comes_as_it_comes_with_its_progress() -> None:
    go = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/plain", "Content-Length": "8"})
        await answer.prepare(request)
        await answer.write("hal€".encode()[:4])
        await go.wait()
        await answer.write("hal€".encode()[4:] + b"ab")
        return answer

    async with served(slow) as address:
        tool = http_get([address], allow_private=True)
        call = await called(tool, url=f"http://{address}", when=lambda call, context: go.set())
    assert [each.text for each in call.outputs] == ["hal", "€ab"]
    assert call.progress == [50, 100]


async def test_more_than_the_limit_is_not_read() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await answer.prepare(request)
        while True:
            await answer.write(b"x" * 50_000)

    call = await got(endless, limit=100_000)
    assert call.value["text"] == "x" * 100_000
    assert call.value["truncated"]
    assert "the first 100,000 bytes" in call.brief
    assert len(call.brief) < 20_000


async def test_a_body_of_exactly_the_limit_is_whole() -> None:
    async def body(request: web.Request) -> web.Response:
        return web.Response(text="x" * 100)

    assert not (await got(body, limit=100)).value["truncated"]


@pytest.mark.parametrize(
    "headers",
    [{"Content-Type": "image/png"}, {"Content-Type": "text/plain", "Content-Encoding": "gzip"}],
)
async def test_what_is_no_text_is_described(headers: dict[str, str]) -> None:
    async def image(request: web.Request) -> web.Response:
        return web.Response(body=b"\x89PNG\r\n\x1a\n", headers=headers)

    call = await got(image)
    assert call.outputs == []
    assert (call.value["text"], call.value["bytes"]) == (None, 8)
    assert call.brief.endswith("8 bytes]\n(not text, so not shown)")


async def test_text_is_read_in_the_charset_it_says() -> None:
    async def latin(request: web.Request) -> web.Response:
        return web.Response(body=b"caf\xe9", headers={"Content-Type": "text/html; charset=latin-1"})

    assert (await got(latin)).value["text"] == "café"


async def test_a_charset_nobody_knows_is_taken_for_utf8() -> None:
    async def odd(request: web.Request) -> web.Response:
        headers = {"Content-Type": "text/plain; charset=klingon"}
        return web.Response(body="é".encode(), headers=headers)

    assert (await got(odd)).value["text"] == "é"


async def test_a_server_that_says_nothing_is_given_up() -> None:
    async def silent(request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    with pytest.raises(ExecutionTimeout, match="no answer in time"):
        await got(silent, timeout=0.2)


async def test_nobody_there_is_said_in_one_line() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        tool = http_get([address], allow_private=True)
        with pytest.raises(WorldError, match="cannot connect"):
            await called(tool, url=f"http://{address}/?key=secret")


@pytest.mark.parametrize("text", ["a" * 900_000, "€" * 200_000, "\0" * 900_000], ids=len)
async def test_a_long_page_is_told_whole_and_kept_in_part(text: str) -> None:
    async def long(request: web.Request) -> web.Response:
        return web.Response(text=text)

    async with served(long) as address:
        asked = perform(http_get([address], allow_private=True), {"url": f"http://{address}/"})
        result = [element async for batch in asked for element in batch][-1]["result"]
    assert (result["bytes"], result["truncated"]) == (len(text.encode()), False)
    assert result["text_cut"]
    assert result["text"] == text[: len(result["text"])]
    assert len(result["text"]) > 30_000


@pytest.mark.parametrize("charset", ["idna", "punycode", "zlib", "rot13", "undefined", "utf-16"])
async def test_a_charset_that_is_none_fails_nobody(charset: str) -> None:
    async def odd(request: web.Request) -> web.Response:
        content_type = f"text/plain; charset={charset}"
        return web.Response(body=b"a\0\xff\xff", headers={"Content-Type": content_type})

    assert (await got(odd)).value["text"].startswith("a")


async def test_what_a_server_says_of_its_answer_is_one_short_line() -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 \x1b[31m" + b"Z" * 7000 + b"\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(shout, "127.0.0.1", 0) as server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        call = await called(http_get([address], allow_private=True), url=f"http://{address}/")
    assert call.brief.startswith(f"[200 [31m{'Z' * 76}; ")


# --- who may be asked --------------------------------------------------------------------------


async def test_another_host_is_refused_and_told_who_may_be_asked() -> None:
    said = await refused(http_get(["example.org", "*.example.net"]), "http://example.com/")
    assert said == (
        "example.com:80 is not among the hosts that may be asked (example.org, *.example.net)"
    )


@pytest.mark.parametrize(
    ("rule", "url", "allowed"),
    [
        ("example.org", "https://example.org/x", True),
        ("example.org", "https://EXAMPLE.org./x", True),
        ("example.org", "http://example.org:8080/", False),
        ("example.org:8080", "http://example.org:8080/", True),
        ("example.org:8080", "http://example.org/", False),
        ("*.example.org", "http://a.b.example.org/", True),
        ("*.example.org", "http://example.org/", False),
        ("*.example.org", "http://badexample.org/", False),
        ("*", "http://anything.test/", True),
        ("*", "http://anything.test:22/", False),
        ("bücher.example", "http://xn--bcher-kva.example/", True),
        ("example.org", "http://example.org@evil.test/", False),
        ("example.org", "http://evil.test/?example.org", False),
        ("example.org", "http://evil.test#example.org", False),
        ("example.org", "http://example.org.evil.test/", False),
        ("example.org", "http://user:word@example.org/", False),
        ("example.org", "ftp://example.org/", False),
        ("example.org", "file:///etc/passwd", False),
        ("example.org", "//example.org/", False),
        ("example.org", "example.org", False),
        ("example.org", "http://", False),
        ("example.org", "http://example.org:99999/", False),
    ],
)
def test_a_host_is_what_its_owner_wrote(rule: str, url: str, allowed: bool) -> None:
    try:
        checked(url, named([rule]))
    except ClientError:
        assert not allowed
    else:
        assert allowed


@pytest.mark.parametrize(
    "text", ["", "[", "http://example.org", "example.org/x", "a b", "a.*.b", "u@h"]
)
def test_what_is_no_host_is_not_taken_for_one(text: str) -> None:
    with pytest.raises(AuthorError, match="is no host"):
        http_get([text])


def test_a_tool_that_may_ask_nobody_is_not_made() -> None:
    nobody: list[str] = []
    for hosts in (nobody, "example.org"):
        with pytest.raises(AuthorError, match="needs the hosts"):
            http_get(hosts)


def test_limits_that_let_nothing_through_are_refused() -> None:
    with pytest.raises(AuthorError, match="more than 0"):
        http_get(["example.org"], limit=0)


# --- where that leads --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "127.8.9.1",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
        ),
        *(
            "169.254.169.254",
            "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
        ),
        *(
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "fe80::1",
            "fe80::1%eth0",
        ),
        *("fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1", "64:ff9b::7f00:1"),
        *("64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a9fe:a9fe::1", "64:ff9b:1::1", "words"),
    ],
)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert refusal(address, private=False) is not None


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "::ffff:1.1.1.1"]
)
def test_a_public_one_is_not(address: str) -> None:
    assert refusal(address, private=False) is None


def test_where_clouds_give_out_keys_nobody_is_sent_even_if_private_is_allowed() -> None:
    assert refusal("127.0.0.1", private=True) is None
    for address in ("169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "0.0.0.0", "224.0.0.1"):
        assert refusal(address, private=True) is not None
    for address in ("168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254"):
        assert refusal(address, private=True) is not None
        assert refusal(address, private=False) is not None


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "localhost"),
        *("[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:0:0:1]", "127.0.0.1."),
    ],
)
async def test_no_way_to_write_this_machine_leads_to_it(host: str) -> None:
    asked = []

    async def never(request: web.Request) -> web.Response:
        asked.append(request)
        return web.Response()

    async with served(never) as address:
        port = address.rpartition(":")[2]
        tool = http_get([f"*:{port}"])
        with pytest.raises(RxStreamError):
            await called(tool, url=f"http://{host}:{port}/")
    assert asked == []


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Names stand for these addresses, one list for each time somebody asks; gives who was asked for."""
    given = iter(answers)
    names = []

    async def lookup(host: str, port: int) -> list[tuple[str, int]]:
        names.append(host)
        return [(address, socket.AF_INET) for address in next(given)]

    monkeypatch.setattr(http, "lookup", lookup)
    return names


async def test_a_name_that_leads_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, ["127.0.0.1"])
    said = await refused(http_get(["inside.test"]), "http://inside.test/")
    assert said == "inside.test leads to 127.0.0.1, which is not public, so it is not asked"


async def test_one_bad_address_among_good_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, ["1.1.1.1", "10.0.0.1"])
    assert "10.0.0.1" in await refused(http_get(["inside.test"]), "http://inside.test/")


async def test_the_address_that_was_checked_is_the_one_that_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with served(page) as address:
        port = address.rpartition(":")[2]
        names = resolving(monkeypatch, ["127.0.0.1"])  # a second question would fail
        tool = http_get([f"named.test:{port}"], allow_private=True)
        call = await called(tool, url=f"http://named.test:{port}/")
    assert names == ["named.test"]
    assert call.value["text"] == f"page / for named.test:{port}"


async def test_a_redirect_is_followed_to_where_one_may_go() -> None:
    async def redirecting(request: web.Request) -> web.Response:
        if request.path == "/new":
            return web.Response(text="moved")
        return web.Response(status=302, headers={"Location": "new"})

    call = await got(redirecting, "/old")
    assert call.value["text"] == "moved"
    assert call.value["url"].endswith("/new")


@pytest.mark.parametrize(
    "target",
    [
        "http://[",
        "http://evil.test/",
        "//evil.test/x",
        "file:///etc/passwd",
        "http://169.254.169.254/",
    ],
)
async def test_a_redirect_to_elsewhere_is_refused(target: str) -> None:
    async def redirecting(request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": target})

    with pytest.raises((ClientError, WorldError)):
        await got(redirecting)


async def test_a_redirect_into_the_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def redirecting(request: web.Request) -> web.Response:
        return web.Response(status=301, headers={"Location": "http://[::ffff:127.0.0.1]/"})

    async with served(redirecting) as address:
        port = address.rpartition(":")[2]
        monkeypatch.setattr(http, "refusal", lambda where, private: refusal(where, where[0] == "1"))
        said = await refused(http_get(["*", f"*:{port}"]), f"http://127.0.0.1:{port}/")
    assert "not public" in said


async def test_redirects_in_a_circle_end() -> None:
    async def circle(request: web.Request) -> web.Response:
        return web.Response(status=303, headers={"Location": "/"})

    with pytest.raises(WorldError, match="more than 5 redirects"):
        await got(circle)


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert (await got(page)).value["status"] == 200


async def test_a_call_that_is_stopped_closes_its_connection() -> None:
    gone = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await answer.prepare(request)
        try:
            await answer.write(b"begun")
            await asyncio.sleep(60)
        finally:
            gone.set()
        return answer

    async with served(slow) as address:
        tool = http_get([address], allow_private=True)
        elements = perform(tool, {"url": f"http://{address}"})
        async for _ in elements:
            break
        await elements.aclose()
        await asyncio.wait_for(gone.wait(), 30)

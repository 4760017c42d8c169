# ruff: noqa: ASYNC240 - a test may wait for its disk
"""Bodies that go on at a byte, from a real server of files and from some that do it wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import rxstream as rxs
from rxstream.adapters import sources
from rxstream.errors import AuthorError, WorldError
from rxstream.stream import Stream

from .running import everything, running
from .servers import served

TEXT = "\ufeffone\r\nzwei ö\n\n三 🎈\nno end"
LINES = ["one", "zwei ö", "", "三 🎈", "no end"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "body.txt"
    path.write_bytes(TEXT.encode())
    return path


@pytest.fixture
async def host(file: Path) -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.headers.get("Range", ""))
        return web.FileResponse(file)

    asked.clear()
    async with served(answer) as at:
        yield at


asked: list[str] = []
"""The ranges asked for."""


def http(host: str, **settings: Any) -> Stream[Any]:
    return sources.http(f"http://{host}/", resumable=True, **settings)


async def places(stream: Stream[Any]) -> list[tuple[list[Any], Any]]:
    """What was emitted until each batch, and where a run would go on."""
    seen: list[Any] = []
    found: list[tuple[list[Any], Any]] = [([], None)]
    async with running(stream, wanted=1) as run:
        try:
            while True:
                seen += await run.step()
                found.append((list(seen), run.port.offset))
        except StopAsyncIteration:
            return found


async def test_a_body_goes_on_after_every_line(host: str) -> None:
    found = await places(http(host))
    assert found[-1][0] == LINES
    for seen, offset in found:
        assert seen + await everything(http(host), start=offset) == LINES
    assert asked[-1] == f"bytes={len(TEXT.encode()) - 1}-"


async def test_a_body_goes_on_after_every_byte(host: str) -> None:
    whole = TEXT.encode()
    (_, (_, etag)), *_ = (await places(http(host, lines=False)))[1:]
    for at in range(1, len(whole) + 1):
        rest = await everything(http(host, lines=False), start=(at, etag))
        assert b"".join(rest) == whole[at:]
        assert b"" not in rest


async def test_progress_counts_what_was_read_before(host: str) -> None:
    *_, (_, offset) = await places(http(host))
    size = len(TEXT.encode())
    async with running(http(host), start=offset) as run:
        assert await run.rest() == []
    assert run.port.told == [(100.0, f"{size} of {size} bytes", "running")]


@pytest.mark.parametrize("text", [TEXT.replace("one", "two"), TEXT + "more", "x", ""])
async def test_another_body_is_not_gone_on_with(host: str, file: Path, text: str) -> None:
    *_, (_, offset) = await places(http(host))
    file.write_bytes(text.encode())
    with pytest.raises(WorldError, match=r"cannot go on at byte \d+: the body is another one"):
        await everything(http(host), start=offset)


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({}, "no strong ETag"),
        ({"ETag": 'W/"a"', "Accept-Ranges": "bytes"}, "no strong ETag"),
        ({"ETag": '"a"'}, "no part of it"),
        ({"ETag": '"a"', "Accept-Ranges": "none"}, "no part of it"),
        ({"ETag": '"a"', "Accept-Ranges": "bytes", "Content-Encoding": "identity"}, "only encoded"),
    ],
)
async def test_a_server_that_could_not_go_on_is_refused_at_once(
    headers: dict[str, str], why: str
) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(text=TEXT, headers=headers)

    async with served(answer) as host:
        with pytest.raises(
            WorldError, match=f"cannot be resumed: the server gives .*{why}"
        ) as raised:
            await everything(http(host))
        assert raised.value.code == "not_resumable"
        assert len(await everything(sources.http(f"http://{host}/"))) == 5


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, {"ETag": '"a"'}),
        (206, {"ETag": '"a"'}),
        (206, {"ETag": '"a"', "Content-Range": "bytes 0-9/10"}),
        (206, {"ETag": '"b"', "Content-Range": "bytes 3-9/10"}),
        (206, {"Content-Range": "bytes 3-9/10"}),
        (416, {"Content-Range": "bytes */2"}),
    ],
)
async def test_an_answer_that_is_not_the_rest_is_not_read(
    status: int, headers: dict[str, str]
) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        assert (request.headers["Range"], request.headers["If-Range"]) == ("bytes=3-", '"a"')
        return web.Response(status=status, headers=headers, text="d\nxyz\n")

    async with served(answer) as host:
        with pytest.raises(WorldError) as raised:
            await everything(http(host), start=(4, '"a"'))
        assert raised.value.code == "body_changed"


def test_only_a_get_can_be_resumed_and_only_when_asked() -> None:
    for settings in ({"method": "POST"}, {"json": 1}, {"data": "x"}):
        with pytest.raises(AuthorError, match="only resume a GET"):
            sources.http("http://x/", resumable=True, **settings)
    for resumable in (True, False):
        made = sources.http("http://x/", resumable=resumable)
        (node,) = rxs.graph(lambda made=made: made).build().nodes
        assert node.resumable is resumable

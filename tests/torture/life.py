"""One life of the workload: an engine goes on with a log, clients note what they see, and it dies or is done.

What a client was shown is on its way to a file before anything else happens to it, so that a kill cannot
take it back. Two kinds of clients live outside: one reads the log's file beside the writer, one the server's
events over HTTP. Each runs in a process made for it and goes away for ever at the end of it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import aiohttp
import apsw
import orjson

import rxstream as rxs
from rxstream.adapters.logs import LogView, SQLiteLog
from rxstream.adapters.web import serve
from rxstream.errors import LogError
from tests.torture.failpoints import VFS, Failpoints
from tests.torture.sabotage import CONTROLS
from tests.torture.shapes import graphs, shape_of

Watching = Literal["nobody", "file", "http"]

LOG: Final = "events.db"


@dataclass(frozen=True)
class Order:
    """What a life is to be. Without a failpoint it is killed after so many seconds, or lives to the end."""

    folder: str
    number: int
    """Which life on this log it is."""
    shape: str
    failpoint: str | None = None
    nth: int = 0
    kill_after_s: float | None = None
    watched: Watching = "nobody"
    counted: bool = False
    """Whether the disk's writes are counted too, which is slower."""
    rest_after_s: float | None = None
    """When the engine is told to bring everything to rest, so that the next one goes on."""
    sabotage: str | None = None


# -- the workload ------------------------------------------------------------------------------


def live(order: Order, tell: int, invite: int) -> None:
    """Be the workload process: `tell` takes the last words, `invite` what a client outside needs."""
    if order.sabotage is not None:
        CONTROLS[order.sabotage].breaks()
    failpoints = Failpoints(order.failpoint, order.nth, lambda words: _write(tell, words))
    failpoints.install()
    on_disk = order.counted or (order.failpoint or "").startswith("disk.")
    layer: apsw.VFS | None = failpoints.file_layer() if on_disk else None
    ended = asyncio.run(_live(order, VFS if layer is not None else None, invite))
    _write(tell, orjson.dumps({"ended": ended, "passed": failpoints.passed}))


async def _live(order: Order, vfs: str | None, invite: int) -> bool:
    """Whether all that was to be done is done."""
    folder = Path(order.folder)
    shape = shape_of(order.shape)
    served = graphs(shape, folder)
    # a kill takes nothing of what was written, so waiting for the disk would only take time
    log = SQLiteLog(folder / LOG, power_safe=on_occasion(order.number), vfs=vfs)
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(
            rxs.Engine(log, graphs=served, max_running=shape.at_once)
        )
        known = {record.graph: record.execution_id for record in await engine.records()}
        for graph in served:
            if graph.name not in known:
                known[graph.name] = (await engine.start(graph)).id
        url = ""
        if order.watched == "http":
            server = await serve(engine, "127.0.0.1", 0)
            stack.push_async_callback(server.close)
            url = server.url
        if order.watched != "nobody":
            _write(invite, orjson.dumps({"url": url, "ids": list(known.values())}) + b"\n")
        resting = asyncio.create_task(_rest(engine, order.rest_after_s))
        with Notes(order, "inside") as notes:
            before = {} if order.number % 3 == 0 else notes.before
            clients = [_follow(log, one, before.get(one, 0), notes) for one in known.values()]
            ended = all(await asyncio.gather(*clients))
        if ended:
            resting.cancel()
        await asyncio.wait([resting])
    return ended


async def _rest(engine: rxs.Engine, after_s: float | None) -> None:
    if after_s is not None:
        await asyncio.sleep(after_s)
        await engine.drain()


def on_occasion(number: int) -> bool:
    """One life in four waits for the disk at each commit, as users do."""
    return number % 4 == 0


async def _follow(log: Any, execution_id: str, after: int, notes: Notes) -> bool:
    """Note all that is shown; whether it was shown to its end."""
    try:
        async for event in await log.follow(execution_id, after or None):
            notes.note(event.json)
    except LogError as error:
        # nobody goes on with it for now: it was brought to rest, or who wrote it was killed
        if error.code not in ("log_abandoned", "log_closed", "log_unowned"):
            raise
        return False
    return True


# -- what clients saw --------------------------------------------------------------------------


class Notes:
    """A client's notes of one life: the bytes of each event it saw, a line each."""

    def __init__(self, order: Order, client: str) -> None:
        folder = Path(order.folder)
        self._path = folder / f"seen-{order.number:03}-{client}"
        self.before = last_seen(folder.glob(f"seen-*-{client}"))
        """The last number it has seen of each execution in earlier lives."""
        self._fd = -1

    def __enter__(self) -> Notes:
        self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def note(self, event: bytes) -> None:
        """What the kernel has, a kill does not take back."""
        _write(self._fd, event + b"\n")


def noted(path: Path) -> list[bytes]:
    """The whole lines of a client's notes; the last may have been torn."""
    return path.read_bytes().split(b"\n")[:-1]


def last_seen(paths: Iterable[Path]) -> dict[str, int]:
    """The last number of each execution in some notes."""
    last: dict[str, int] = {}
    for path in sorted(paths):
        for line in noted(path):
            event = orjson.loads(line)
            last[event["execution_id"]] = max(last.get(event["execution_id"], 0), event["sequence"])
    return last


# -- clients outside ---------------------------------------------------------------------------


def watch(order: Order, invited: int) -> None:
    """Be a client in a process of its own, until the workload is gone or has ended."""
    invitation = b""
    while not invitation.endswith(b"\n"):
        part = os.read(invited, 65_536)
        if not part:
            return  # it died before it could invite anybody
        invitation += part
    told = orjson.loads(invitation)
    with Notes(order, order.watched) as notes:
        if order.watched == "file":
            asyncio.run(_watch_file(Path(order.folder) / LOG, told["ids"], notes))
        else:
            asyncio.run(_watch_http(told["url"], told["ids"], notes))


async def _watch_file(path: Path, ids: list[str], notes: Notes) -> None:
    async with AsyncExitStack() as stack:
        view = LogView(path)
        await view.open()
        stack.push_async_callback(view.close)
        await asyncio.gather(*(_follow(view, one, notes.before.get(one, 0), notes) for one in ids))


async def _watch_http(url: str, ids: list[str], notes: Notes) -> None:
    async with aiohttp.ClientSession() as session:

        async def follow(execution_id: str) -> None:
            try:
                async for event in _server_sent(session, url, execution_id, notes.before):
                    notes.note(event)
            except (aiohttp.ClientError, ConnectionError):
                return  # it was killed

        await asyncio.gather(*map(follow, ids))


async def _server_sent(
    session: aiohttp.ClientSession, url: str, execution_id: str, before: dict[str, int]
) -> AsyncIterator[bytes]:
    after = {"Last-Event-ID": str(before[execution_id])} if execution_id in before else {}
    address = f"{url}/stream/pipeline/{execution_id}"
    async with session.get(address, headers=after) as response:
        response.raise_for_status()
        part: list[bytes] = []
        async for line in response.content:
            # a line that was cut off with its connection has no end, and its event no empty line
            if line.startswith(b"data: ") and line.endswith(b"\n"):
                part.append(line[6:-1])
            elif line == b"\n" and part:
                yield b"\n".join(part)
                part = []


def _write(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]

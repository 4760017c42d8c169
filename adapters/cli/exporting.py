"""Writes a log's events as JSON lines: to stdout or to a file, which is there whole or not at all.

What is damaged is left out, told on stderr, and makes the status 1: the rest is still worth having. Must not
know how the command line is spelled.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rxstream.adapters.cli import failure, stdout
from rxstream.adapters.cli.replay import find, seen
from rxstream.errors import LogError, UnknownExecution

if TYPE_CHECKING:
    from rxstream.adapters.logs import LogView
    from rxstream.log import ExecutionRecord

Write = Callable[[bytes], None]

_MENTION: Final = re.compile(rb'"sha256":"([0-9a-f]{64})"')
_PAGE: Final = 100


async def export(
    log_path: str, execution_id: str | None, graph: str | None, output: str, blobs: Path | None
) -> int:
    """Write them all; the status says whether all was there."""
    async with seen(log_path) as log:
        if execution_id is not None:
            ids = [await find(log, execution_id)]
        else:
            ids = [record.execution_id async for record in _oldest_first(log, graph)]
        with _written(output) as write:
            exporting = _Export(log, write, blobs)
            for each in ids:
                await exporting.execution(each)
    if exporting.damaged:
        failure.say(
            f"{log.path}: {exporting.damaged} damaged places were left out, told above: "
            "`rxstream log verify` lists all"
        )
        return failure.FAILED
    return failure.DONE


async def _oldest_first(log: LogView, graph: str | None) -> AsyncIterator[ExecutionRecord]:
    pages: list[list[ExecutionRecord]] = []
    after: str | None = None
    while page := await log.records(graph=graph, limit=_PAGE, after=after):
        pages.append(page)
        after = page[-1].execution_id
    for page in reversed(pages):
        for record in reversed(page):
            yield record


class _Export:
    def __init__(self, log: LogView, write: Write, blobs: Path | None) -> None:
        self._log = log
        self._write = write
        self._blobs = blobs
        if blobs is not None:
            blobs.mkdir(parents=True, exist_ok=True)
        self.damaged = 0

    async def execution(self, execution_id: str) -> None:
        """Its events that are stored now; it may be running."""
        try:
            head = await self._log.head(execution_id)
        except UnknownExecution:
            return  # pruned since it was listed
        after = head.first - 1
        while after < head.last:
            try:
                events = await self._log.read(execution_id, after)
            except LogError as error:
                self.damaged += 1
                failure.tell(error.message)
                after = error.detail["last"] if error.detail else head.last
                continue
            if not events:
                break
            first = events[0].sequence or 0
            if first > after + 1:
                self.damaged += 1
                failure.tell(f"events {after + 1} to {first - 1} of {execution_id} are missing")
            self._write(b"".join([b"%b\n" % event.json for event in events]))
            if self._blobs is not None:
                for event in events:
                    await self._export_blobs(execution_id, event.json, self._blobs)
            after = events[-1].sequence or 0

    async def _export_blobs(self, execution_id: str, json: bytes, folder: Path) -> None:
        for found in _MENTION.findall(json):
            sha256 = found.decode()
            path = folder / sha256
            if path.exists():
                continue
            try:
                blob = await self._log.blob(execution_id, sha256)
            except LogError as error:
                self.damaged += 1
                failure.tell(error.message)
                continue
            if blob is not None:
                with _whole(path) as write:
                    write(blob.data)


@contextmanager
def _written(output: str) -> Generator[Write]:
    if output != "-":
        with _whole(Path(output)) as write:
            yield write
        return
    with stdout.reserved() as descriptor:
        yield lambda data: stdout.write_all(descriptor, data)


@contextmanager
def _whole(path: Path) -> Generator[Write]:
    """A file that gets its name when all is written."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            yield lambda data: void(file.write(data))
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def void(_: object) -> None:
    """Nothing of it."""

"""The lines of a file that is still being written.

It never ends by itself. It looks again every `poll` seconds on the loop's clock, so it needs no
notification service and works on every file system; what a look finds is read to its end before the next
wait.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar

import structlog

from rxstream.adapters.sources.blocking import blocking
from rxstream.adapters.sources.following import Change, Follower
from rxstream.adapters.sources.splitting import MAX_LINE_BYTES, LineSplitter, checked_encoding
from rxstream.errors import AuthorError
from rxstream.source import Source, SourcePort
from rxstream.stream import Stream, source

_log = structlog.get_logger(__name__)


class TailSource(Source[str]):
    """The lines of a growing file; see `tail`."""

    name: ClassVar[str] = "tail"
    seekable = True
    endless = True

    def __init__(
        self,
        path: str,
        *,
        from_start: bool,
        poll: float,
        encoding: str,
        errors: str,
        max_line: int,
    ) -> None:
        self._path = path
        self._from_start = from_start
        self._poll = poll
        self._encoding = checked_encoding(encoding, errors)
        self._errors = errors
        self._max_line = max_line

    @property
    def arguments(self) -> Mapping[str, Any]:
        return {"path": self._path, "from_start": self._from_start, "poll": self._poll}

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[str]]:
        follower = Follower(self._path, start=port.start, from_end=not self._from_start)
        try:
            await blocking(follower.open)
            splitter = self._splitter(follower.offset)
            port.seek_point(follower.point(splitter.offset))
            yield []
            while True:
                self._tell(follower, port)
                change, chunk = await blocking(follower.read)
                if follower.began:
                    # what was read before may be deleted long before the first line comes
                    follower.began = False
                    port.seek_point(follower.point(0))
                    yield []
                if change is Change.GREW:
                    splitter.feed(chunk)
                elif change is Change.QUIET:
                    await asyncio.sleep(self._poll)
                    continue
                else:
                    splitter.end()
                while splitter.ready:
                    lines = splitter.take(port.wanted)
                    port.seek_point(follower.point(splitter.offset))
                    yield lines
                if change is Change.ENDED:
                    splitter = self._splitter(0)
        finally:
            follower.close()

    def _tell(self, follower: Follower, port: SourcePort) -> None:
        notice, follower.notice = follower.notice, None
        if notice is not None:
            _log.warning(f"tail_{notice.status}", path=self._path, node=port.node_id)
            port.progress(None, notice.message, notice.status)

    def _splitter(self, offset: int) -> LineSplitter:
        return LineSplitter(
            self._path,
            encoding=self._encoding,
            errors=self._errors,
            limit=self._max_line,
            offset=offset,
        )


def tail(
    path: str | os.PathLike[str],
    *,
    from_start: bool = True,
    poll: float = 0.1,
    encoding: str = "utf-8",
    errors: str = "replace",
    max_line: int = MAX_LINE_BYTES,
) -> Stream[str]:
    """The lines of a file as it grows; it need not exist yet, and the stream never ends by itself.

    With `from_start=False` only lines finished from now on are emitted. A line counts once its line feed
    is written. When the file is renamed and made anew, the rest of the old one is read until it was quiet
    for `poll` seconds, then the new one from its start; what a rotated or cut file left unfinished is a
    line of its own.

    Resumed by byte: each line is emitted exactly once, also when the file was rotated meanwhile, once or
    often, renamed or copied and cut: what it became is looked for in its folder and read before what
    follows. What was compressed or deleted before it was read is missing; that the file is gone, or was cut
    without a copy, is told as progress with status `lost` or `cut`.
    """
    if not poll > 0:
        raise AuthorError(f"tail needs a poll interval above 0 seconds, not {poll}")
    return source(
        TailSource(
            os.fspath(path),
            from_start=from_start,
            poll=poll,
            encoding=encoding,
            errors=errors,
            max_line=max_line,
        )
    )

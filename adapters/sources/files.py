"""Files read to their end: as lines or as chunks of bytes.

Both know their place as a byte offset, so a run that was cut goes on where it stopped: with the line or the
chunk after the last that was emitted, exactly once. Both say how far they are in percent of the file's size.
Reading happens in a thread, only when more is wanted.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from rxstream.adapters.sources.blocking import blocking
from rxstream.adapters.sources.regular import CHUNK_BYTES, RegularFile, Trail, unreadable
from rxstream.adapters.sources.splitting import MAX_LINE_BYTES, LineSplitter, checked_encoding
from rxstream.errors import AuthorError, WorldError
from rxstream.source import Source, SourcePort
from rxstream.stream import Stream, source

_BATCH_BYTES = 1024 * 1024


class LinesSource(Source[str]):
    """The lines of a file; see `lines`."""

    name: ClassVar[str] = "lines"
    seekable = True
    endless = False

    def __init__(
        self, path: str, *, encoding: str, errors: str, keep_ends: bool, max_line: int
    ) -> None:
        self._path = path
        self._keep_ends = keep_ends
        self._encoding = checked_encoding(encoding, errors)
        self._errors = errors
        self._max_line = max_line

    @property
    def arguments(self) -> Mapping[str, Any]:
        return {"path": self._path}

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[str]]:
        async with _opened(self._path, port) as (file, trail, offset):
            splitter = LineSplitter(
                self._path,
                encoding=self._encoding,
                errors=self._errors,
                keep_ends=self._keep_ends,
                limit=self._max_line,
                offset=offset,
            )
            while chunk := await blocking(file.read, offset, CHUNK_BYTES):
                offset += len(chunk)
                trail.extend(chunk)
                splitter.feed(chunk)
                while splitter.ready:
                    lines = splitter.take(port.wanted)
                    port.seek_point(trail.mark(splitter.offset))
                    yield lines
                    _tell(port, splitter.offset, file)
            splitter.end()
            if splitter.ready:
                lines = splitter.take(1)
                port.seek_point(trail.mark(splitter.offset))
                yield lines
            _finish(port, offset, file)


class BytesSource(Source[bytes]):
    """The bytes of a file in chunks; see `read_bytes`."""

    name: ClassVar[str] = "read_bytes"
    seekable = True
    endless = False

    def __init__(self, path: str, chunk_size: int) -> None:
        self._path = path
        self._chunk_size = chunk_size

    @property
    def arguments(self) -> Mapping[str, Any]:
        return {"path": self._path, "chunk_size": self._chunk_size}

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[bytes]]:
        size = self._chunk_size
        async with _opened(self._path, port) as (file, trail, offset):
            while True:
                count = max(1, min(port.wanted, _BATCH_BYTES // size))
                data = await blocking(_read_fully, file, offset, count * size)
                if not data:
                    break
                offset += len(data)
                trail.extend(data)
                port.seek_point(trail.mark(offset))
                yield [data[i : i + size] for i in range(0, len(data), size)]
                _tell(port, offset, file)
            _finish(port, offset, file)


def lines(
    path: str | os.PathLike[str],
    *,
    encoding: str = "utf-8",
    errors: str = "strict",
    keep_ends: bool = False,
    max_line: int = MAX_LINE_BYTES,
) -> Stream[str]:
    r"""The lines of a file, read to its end.

    A line ends with `\n`, and a `\r` before it belongs to the end; a last line without an end counts.
    Ends are dropped unless `keep_ends`. `errors` is as in `bytes.decode`. What cannot be read, decoded
    or is longer than `max_line` bytes fails with a `WorldError` that names the file and the byte.

    Resumed by byte: each line is emitted exactly once, also those added meanwhile. If the file is another one
    by then, as its length, its first bytes and those before the place tell, going on fails with code
    `file_changed`.
    """
    return source(
        LinesSource(
            os.fspath(path),
            encoding=encoding,
            errors=errors,
            keep_ends=keep_ends,
            max_line=max_line,
        )
    )


def read_bytes(path: str | os.PathLike[str], chunk_size: int = 64 * 1024) -> Stream[bytes]:
    """The bytes of a file, read to its end, in chunks of `chunk_size`; the last may be shorter.

    Resumed by byte, as `lines`.
    """
    if chunk_size < 1:
        raise AuthorError(f"read_bytes needs a chunk_size of at least 1, not {chunk_size}")
    return source(BytesSource(os.fspath(path), chunk_size))


@asynccontextmanager
async def _opened(path: str, port: SourcePort) -> AsyncIterator[tuple[RegularFile, Trail, int]]:
    file = RegularFile(path)
    try:
        try:
            await blocking(file.open)
        except FileNotFoundError as error:
            raise unreadable(path, error) from error
        offset = await blocking(_place, file, port.start)
        yield file, await blocking(Trail, file, offset), offset
    finally:
        file.close()


def _place(file: RegularFile, start: Mapping[str, Any] | None) -> int:
    """The byte to begin with. Raises `WorldError` when the file is not the one that was read before."""
    if start is None:
        return 0
    offset = int(start["offset"])
    if file.holds(start):
        return offset
    size = file.size()
    why = f"it has only {size} now" if size < offset else "it is not what was read before"
    raise WorldError(
        f"cannot go on reading {file.path} at byte {offset}: {why}", code="file_changed"
    )


def _read_fully(file: RegularFile, offset: int, size: int) -> bytes:
    # a read may give less than there is; chunks are to be whole
    parts = []
    while size and (part := file.read(offset, size)):
        parts.append(part)
        offset += len(part)
        size -= len(part)
    return b"".join(parts)


def _finish(port: SourcePort, offset: int, file: RegularFile) -> None:
    if file.size() < offset:
        raise WorldError(
            f"{file.path} was cut to {file.size()} bytes while it was read at byte {offset}",
            code="file_changed",
        )
    _tell(port, offset, file)


def _tell(port: SourcePort, offset: int, file: RegularFile) -> None:
    size = file.size()
    if size:  # files of /proc say 0
        port.progress(min(100.0, 100.0 * offset / size), f"{offset:,} of {size:,} bytes")

"""A file of JSON lines: one element a line, written in a thread, batch by batch.

Lines are always whole: a batch is appended in one go, and what a crash left unfinished is closed off
before the first line is added. A batch that has an element without a JSON form is written up to that
element. Bytes of a `Binary` go into a folder beside the file, where the line's `href` finds them.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from rxstream.adapters.sources.blocking import blocking
from rxstream.codec import Encoder
from rxstream.errors import WorldError
from rxstream.events import StreamEvent
from rxstream.sink import Sink, Write
from rxstream.source import Port


class JsonLinesSink(Sink[Any]):
    """Elements, or the events of a log, as JSON lines; see `jsonl`."""

    name: ClassVar[str] = "jsonl"

    def __init__(self, path: str, *, append: bool) -> None:
        self._path = path
        self._append = append

    @property
    def arguments(self) -> Mapping[str, Any]:
        return {"path": self._path, "append": self._append}

    @asynccontextmanager
    async def open(self, port: Port) -> AsyncIterator[Write[Any]]:
        file = _JsonLines(self._path)
        try:
            await blocking(file.open, self._append)

            async def write(batch: Sequence[Any]) -> None:
                await blocking(file.write, batch)

            yield write
        finally:
            file.close()


class _JsonLines:
    """The blocking part, called in a thread."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._blobs = f"{path}.blobs"
        self._encoder = Encoder(f"{os.path.basename(path)}.blobs/{{}}".format)
        self._fd = -1

    def open(self, append: bool) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            self._fd = os.open(self._path, flags if append else flags | os.O_TRUNC, 0o666)
            end = os.lseek(self._fd, 0, os.SEEK_END)
            if end and os.pread(self._fd, 1, end - 1) != b"\n":
                self._append(b"\n")
        except OSError as error:
            raise self._unwritable(error) from error

    def write(self, batch: Sequence[Any]) -> None:
        encoded: list[bytes] = []
        try:
            for element in batch:
                if isinstance(element, StreamEvent):
                    encoded.append(element.json)
                else:
                    encoded.append(self._encoder.encode(element))
        finally:  # also of a batch whose next element has no JSON form
            try:
                self._write_blobs()
                self._append(b"".join(line + b"\n" for line in encoded))
            except OSError as error:
                raise self._unwritable(error) from error

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _append(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._fd, rest) :]

    def _write_blobs(self) -> None:
        for sha256, blob in self._encoder.take_blobs().items():
            os.makedirs(self._blobs, exist_ok=True)
            place = os.path.join(self._blobs, sha256)
            with open(f"{place}.part", "wb") as part:
                part.write(blob.data)
            os.replace(part.name, place)

    def _unwritable(self, error: OSError) -> WorldError:
        folder = os.path.dirname(self._path)
        if folder and not os.path.isdir(folder):
            reason = f"there is no folder {folder}: make it first"
        else:
            reason = (error.strerror or type(error).__name__).lower()
        return WorldError(f"cannot write {self._path}: {reason}", code="unwritable_file")


def jsonl(path: str | os.PathLike[str], *, append: bool = False) -> Sink[Any]:
    """A file of JSON lines, begun anew each time it is opened unless `append`.

    As a node it writes elements, as a subscriber the events as they are in the log. An element without
    a JSON form fails with `CodecError`, a file that cannot be written with a one-line `WorldError`.
    """
    return JsonLinesSink(os.fspath(path), append=append)

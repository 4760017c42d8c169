"""A file of JSON lines: one element a line, written in a thread, batch by batch.

Lines are always whole: a batch is appended in one go, and what a crash left unfinished is closed off
before the first line is added. A batch that has an element without a JSON form is written up to that
element. Bytes of a `Binary` go into a folder beside the file, where the line's `href` finds them.

A file that is ours alone is cut back, when an execution goes on, to the length that was recorded with the
rest of it; what follows is written again, so each element is in it once. A file that is appended to may be
somebody else's too and is never cut.
"""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from rxstream.adapters.sources.blocking import blocking
from rxstream.adapters.sources.regular import NEAR_BYTES, digest
from rxstream.codec import Encoder
from rxstream.errors import WorldError
from rxstream.events import StreamEvent
from rxstream.sink import Sink, SinkPort, Write


class JsonLinesSink(Sink[Any]):
    """Elements, or the events of a log, as JSON lines; see `jsonl`."""

    name: ClassVar[str] = "jsonl"

    def __init__(self, path: str, *, append: bool, sync: bool) -> None:
        self._path = path
        self._append = append
        self._sync = sync

    @property
    def arguments(self) -> Mapping[str, Any]:
        return {"path": self._path, "append": self._append, "sync": self._sync}

    @asynccontextmanager
    async def open(self, port: SinkPort) -> AsyncIterator[Write[Any]]:
        file = _JsonLines(self._path, sync=self._sync)
        try:
            await blocking(file.open, self._append, port.start)

            async def write(batch: Sequence[Any]) -> None:
                await blocking(file.write, batch)
                if not self._append:
                    port.seek_point(file.place())

            yield write
        finally:
            file.close()


class _JsonLines:
    """The blocking part, called in a thread."""

    def __init__(self, path: str, *, sync: bool) -> None:
        self._path = path
        self._sync = sync
        self._end = 0
        self._near = b""
        """The last bytes of the file."""
        self._blobs = f"{path}.blobs"
        self._encoder = Encoder(f"{os.path.basename(path)}.blobs/{{}}".format)
        self._fd = -1

    def open(self, append: bool, start: Mapping[str, Any] | None) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        kept = append or start is not None
        try:
            self._fd = os.open(self._path, flags if kept else flags | os.O_TRUNC, 0o666)
            if start is not None and not append and stat.S_ISREG(os.fstat(self._fd).st_mode):
                self._go_back(start)
            self._end = os.lseek(self._fd, 0, os.SEEK_END)
            if self._end and os.pread(self._fd, 1, self._end - 1) != b"\n":
                self._append(b"\n")
        except OSError as error:
            raise self._unwritable(error) from error

    def place(self) -> dict[str, Any]:
        """Where the file ends now, by which it is known again."""
        return {"offset": self._end, "near": digest(self._near)}

    def _go_back(self, start: Mapping[str, Any]) -> None:
        offset = int(start["offset"])
        near = max(0, offset - NEAR_BYTES)
        found = os.pread(self._fd, offset - near, near)
        if digest(found) != start["near"]:
            raise WorldError(
                f"cannot go on writing {self._path} at byte {offset}: it does not hold what was written",
                code="file_changed",
            )
        os.ftruncate(self._fd, offset)
        self._near = found

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
                if self._sync:
                    os.fdatasync(self._fd)
            except OSError as error:
                raise self._unwritable(error) from error

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _append(self, data: bytes) -> None:
        self._end += len(data)
        self._near = (self._near + data)[-NEAR_BYTES:]
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


def jsonl(path: str | os.PathLike[str], *, append: bool = False, sync: bool = False) -> Sink[Any]:
    """A file of JSON lines, begun anew each time it is opened unless `append`.

    As a node it writes elements, as a subscriber the events as they are in the log. An element without
    a JSON form fails with `CodecError`, a file that cannot be written with a one-line `WorldError`.

    When an execution goes on after its process was killed, each element is in the file exactly once: what
    was written beyond the last cut is taken away and written again. With `append` nothing is ever taken
    away, so what was under way may be there twice (at least once). After a power cut this needs `sync`,
    which waits for the disk after every batch; without it the file may have lost its end, and going on
    fails with code `file_changed`. As a subscriber it goes on from no place.
    """
    return JsonLinesSink(os.fspath(path), append=append, sync=sync)

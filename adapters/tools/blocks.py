"""A file's text as blocks of bytes in which a line ends with the byte 10, and lines out of such blocks.

Encodings in which that does not hold are turned into UTF-8 on the way, so that whoever counts, finds or
shows lines knows one kind of bytes. No more than a block and one shortened line is held. Must not know what
is done with the lines.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import Final, NamedTuple

from rxstream.adapters.tools.confined import Confined
from rxstream.adapters.tools.recognising import Text

BLOCK_BYTES: Final = 256 * 1024


class Block(NamedTuple):
    """Bytes, and the offset in the file behind them."""

    data: bytes
    until: int


class Line(NamedTuple):
    """Its first bytes without its end, how many it has with a carriage return, and whether those are more."""

    data: bytes
    size: int
    cut: bool = False


def blocks(file: Confined, text: Text) -> Iterator[Block]:
    """All of the file behind its byte order mark."""
    decoder = None if text.plain else codecs.getincrementaldecoder(text.encoding)("replace")
    at = text.mark
    while data := file.read(at, BLOCK_BYTES):
        at += len(data)
        yield Block(data if decoder is None else decoder.decode(data).encode(), at)
    if decoder is not None and (rest := decoder.decode(b"", True)):
        yield Block(rest.encode(), at)


def decoding(text: Text) -> str:
    """The encoding that the bytes of `blocks` are in."""
    return text.encoding if text.plain else "utf-8"


class Splitter:
    """Makes lines of blocks; of a line longer than `most` bytes only the beginning is kept."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept = b""
        self._length = 0

    def feed(self, data: bytes) -> Iterator[Line]:
        """The lines that end in these bytes; has to be read to its end."""
        first, *others = data.split(b"\n")
        self._grow(first)
        for other in others:
            yield self._take()
            self._grow(other)

    @property
    def holds(self) -> bool:
        """Whether a line has begun."""
        return self._length > 0

    def end(self) -> Iterator[Line]:
        """The last line, which nothing ends, unless it is empty."""
        if self._length:
            yield self._take()

    def _grow(self, data: bytes) -> None:
        if len(self._kept) < self._most:
            self._kept += data[: self._most - len(self._kept)]
        self._length += len(data)

    def _take(self) -> Line:
        line, size = self._kept, self._length
        self._kept, self._length = b"", 0
        if size > len(line):
            return Line(line, size, cut=True)
        return Line(line.removesuffix(b"\r"), size)

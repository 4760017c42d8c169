"""Splits bytes into lines of text, wherever the chunks were cut. Touches no file and no socket.

A line ends with a line feed, and a carriage return before it belongs to the end; nothing else ends a
line. Because lines are cut as bytes and decoded whole, a character may be split over any number of
chunks. What is kept is bounded: the unfinished line by `limit`, the finished ones by the chunk that
brought them.
"""

from __future__ import annotations

import codecs
from typing import Final

from rxstream.errors import AuthorError, WorldError

MAX_LINE_BYTES: Final = 1024 * 1024
"""A line is at most 1 MiB, unless a source is told otherwise."""

_BOM: Final = codecs.BOM_UTF8.decode()


_HEADED: Final = ("iso2022_kr",)
"""Encodings of which a line cannot be decoded without what the text began with."""


def checked_encoding(encoding: str, errors: str) -> str:
    """The encoding's own name, if its line feed is one byte. Raises `AuthorError`."""
    try:
        name = codecs.lookup(encoding).name.removesuffix("-sig")  # the mark is dropped anyway
        codecs.lookup_error(errors)
        fits = "\n".encode(name) == b"\n" and "\r".encode(name) == b"\r" and name not in _HEADED
    except LookupError as error:
        raise AuthorError(f"lines cannot be decoded: {error}", code="unknown_encoding") from None
    if not fits:
        why = "whose line feed is not one byte"
        if name in _HEADED:
            why = "which says only at the beginning what the bytes mean"
        raise AuthorError(
            f"lines cannot be split in {encoding}, {why}: "
            "convert to UTF-8 first, for example by sources.subprocess('iconv', …)",
            code="unknown_encoding",
        )
    return name


class LineSplitter:
    """Takes chunks, gives lines, and knows the byte offset after the last line given.

    `what` names the origin in errors. `offset` is where the first chunk begins; at 0 a byte order mark
    of UTF-8 is dropped.
    """

    def __init__(
        self,
        what: str,
        *,
        encoding: str = "utf-8",
        errors: str = "strict",
        keep_ends: bool = False,
        limit: int = MAX_LINE_BYTES,
        offset: int = 0,
    ) -> None:
        self.offset = offset
        self._what = what
        self._encoding = "utf-8" if encoding == "utf-8-sig" else encoding
        self._errors = errors
        self._keep_ends = keep_ends
        self._limit = limit
        self._lines: list[bytes] = []
        self._next = 0
        self._rest = bytearray()
        self._unfinished = False
        """Whether the last of the lines has no line feed."""

    @property
    def ready(self) -> int:
        """How many lines can be taken."""
        return len(self._lines) - self._next

    def feed(self, chunk: bytes) -> None:
        """Add a chunk, once every line of the one before was taken."""
        end = chunk.rfind(b"\n")
        if end < 0:
            self._rest += chunk
            self._check(len(self._rest), 0)
            return
        data = bytes(self._rest) + chunk[:end] if self._rest else chunk[:end]
        self._rest = bytearray(chunk[end + 1 :])
        self._lines = data.split(b"\n")
        self._next = 0
        if len(data) > self._limit:
            before = 0
            for line in self._lines:
                self._check(len(line), before)
                before += len(line) + 1
        self._check(len(self._rest), len(data) + 1)

    def end(self) -> None:
        """No chunk follows: what is left is the last line."""
        if self._rest:
            self._lines = [bytes(self._rest)]
            self._next = 0
            self._rest.clear()
            self._unfinished = True

    def take(self, count: int) -> list[str]:
        """The next lines, at most `count`. Raises `WorldError` when one cannot be decoded."""
        lines = self._lines[self._next : self._next + count]
        if not lines:
            return []
        self._next += len(lines)
        start = self.offset
        whole = not (self._unfinished and self._next == len(self._lines))
        joined = b"\n".join(lines) + (b"\n" if whole else b"")
        try:
            found = joined.decode(self._encoding, self._errors).split("\n")
            if whole:
                found.pop()
            # some codecs have their own way with line feeds, or take what a broken line left open along
            if len(found) != len(lines) or self._encoding.startswith("iso2022"):
                found = [line.decode(self._encoding, self._errors) for line in lines]
        except UnicodeDecodeError:
            raise self._undecodable(lines, start) from None
        self.offset = start + len(joined)
        if start == 0 and self._encoding == "utf-8":
            found[0] = found[0].removeprefix(_BOM)
        return self._ended(found, whole)

    def _ended(self, found: list[str], whole: bool) -> list[str]:
        last = [] if whole else [found.pop()]
        if self._keep_ends:
            return [f"{line}\n" for line in found] + last
        return [line[:-1] if line.endswith("\r") else line for line in found] + last

    def _check(self, length: int, before: int) -> None:
        if length > self._limit:
            raise WorldError(
                f"a line of {self._what} at byte {self.offset + before} is longer than "
                f"{self._limit} bytes: raise max_line, or read chunks",
                code="line_too_long",
            )

    def _undecodable(self, lines: list[bytes], start: int) -> WorldError:
        for line in lines:
            try:
                line.decode(self._encoding, self._errors)
            except UnicodeDecodeError as error:
                return WorldError(
                    f"{self._what} at byte {start + error.start} is not {self._encoding}: "
                    "give its encoding, or errors='replace'",
                    code="not_decodable",
                )
            start += len(line) + 1
        return WorldError(
            f"{self._what} at byte {start} is not {self._encoding}", code="not_decodable"
        )

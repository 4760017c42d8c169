"""`view`: numbered lines of a text file of any size, a piece of it by byte offset, or what else a file is.

A file is read in blocks, never as a whole; lines before the first one wanted are counted, not kept. What is
put out has a limit, and the answer says how to go on. Must not know who asks.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Any, Final

from rxstream.adapters.tools.blocks import BLOCK_BYTES, Line, Splitter, blocks, decoding
from rxstream.adapters.tools.confined import Confined, Root, refused, shown
from rxstream.adapters.tools.describing import describe
from rxstream.adapters.tools.recognising import HEAD_BYTES, Bytes, Text, named, recognise
from rxstream.adapters.tools.working import Limits, Page, Watch, Work, counted, sized
from rxstream.errors import ClientError
from rxstream.tools import ToolResult

LINE_CHARS: Final = 2_000
"""So much of one line is shown."""


@dataclass(frozen=True)
class Wanted:
    """What is to be seen of a file."""

    path: str
    start: int = 1
    lines: int = 500
    offset: int | None = None
    """In bytes, instead of lines; negative counts from the end."""
    encoding: str | None = None


def view(root: Root, wanted: Wanted, limits: Limits, watch: Watch) -> Work:
    """Lines or bytes live, then facts about them; the model is told the text and how to go on."""
    with root.open(wanted.path) as file:
        if file.is_folder:
            raise refused(wanted.path, "it is a folder: `tree` shows what is in it", "not_a_file")
        head = file.read(0, HEAD_BYTES)
        kind = recognise(head, len(head) >= file.size)
        if wanted.encoding is not None:
            kind = named(wanted.encoding, head)
        if isinstance(kind, Bytes):
            yield from describe(file, kind, head, limits, watch)
        elif wanted.offset is not None:
            yield from _piece(file, kind, wanted.offset, limits, watch)
        else:
            yield from _View(file, kind, wanted, limits, watch).steps()


class _View:
    """Numbered lines."""

    def __init__(
        self, file: Confined, text: Text, wanted: Wanted, limits: Limits, watch: Watch
    ) -> None:
        self._file = file
        self._text = text
        self._wanted = wanted
        self._watch = watch
        self._page = Page(limits.output)
        self._splitter = Splitter(4 * LINE_CHARS)
        self._encoding = decoding(text)
        self._number = 1
        """Of the line that comes next."""
        self._starts: int | None = None
        """The offset where that line begins, where blocks are the file's own bytes."""
        self._full = False
        self._begun = False
        """Whether what was skipped ends within a line."""

    def steps(self) -> Work:
        name = shown(self._file.path)
        at = 0
        self._starts = self._text.mark if self._text.plain else None
        for data, at in blocks(self._file, self._text):
            if self._watch.look():
                self._watch.tell(at, self._file.size or None, f"reading {name}")
                yield from self._page.output()
            self._lines(self._skipped(data, at))
            if self._page.ripe:
                yield from self._page.output()
            if self._full or self._watch.late:
                break
        else:
            self._number += self._begun
            for line in self._splitter.end():
                self._show(line)
        yield from self._page.output()
        self._watch.tell(1, 1)
        yield self._result(at)

    def _skipped(self, data: bytes, until: int) -> bytes:
        """What is left of a block behind the lines before the first one wanted."""
        missing = self._wanted.start - self._number
        if missing <= 0:
            return data
        found = data.count(b"\n")
        if found < missing:
            self._number += found
            self._begun = not data.endswith(b"\n")
            return b""
        at = -1
        for _ in range(missing):
            at = data.find(b"\n", at + 1)
        self._number = self._wanted.start
        self._begun = False
        if self._starts is not None:
            self._starts = until - len(data) + at + 1
        return data[at + 1 :]

    def _lines(self, data: bytes) -> None:
        if self._number < self._wanted.start:
            return
        for line in self._splitter.feed(data):
            if self._full:
                return
            self._show(line)
        # not waited for where it ends: it may be as long as the file
        self._full = self._full or (self._reached and self._splitter.holds)

    @property
    def _reached(self) -> bool:
        return self._number >= self._wanted.start + self._wanted.lines

    def _show(self, line: Line) -> None:
        if self._reached:
            self._full = True
            return
        text = line.data.decode(self._encoding, "backslashreplace")
        if line.cut or len(text) > LINE_CHARS:
            where = "" if self._starts is None else f", from offset={self._starts} on"
            text = f"{text[:LINE_CHARS]}… [a line of {line.size:,} bytes{where}]"
        if not self._page.add(f"{self._number:>6}  {text}"):
            self._full = True
            return
        self._number += 1
        if self._starts is not None:
            self._starts += line.size + 1

    def _result(self, until: int) -> ToolResult:
        file, first, following = self._file, self._wanted.start, self._number
        if first >= following > 1 and not self._full and not self._watch.late:
            raise ClientError(
                f"{shown(file.path)} has {counted(following - 1, 'line')}: start={first} is behind its end"
            )
        more = self._full or self._watch.late
        facts: dict[str, Any] = {
            "path": shown(file.path),
            "type": "text",
            "encoding": self._text.encoding,
            "size": file.size,
            "first": first if following > first else None,
            "last": following - 1 if following > first else None,
            "next": following if more and following > first else None,
        }
        return ToolResult(facts, self._page.text(self._note(until, more)))

    def _note(self, until: int, more: bool) -> str:
        first, following = self._wanted.start, self._number
        of = f"{sized(self._file.size)}, {self._text.encoding}"
        if not more:
            return (
                f"end of file: {counted(following - 1, 'line')}, {of}"
                if following > 1
                else "an empty file"
            )
        if following <= first:
            return (
                f"time is up: {counted(following - 1, 'line')} counted in {until:,} of "
                f"{self._file.size:,} bytes; offset={until} shows what is there"
            )
        late = "time is up; " if self._watch.late and not self._full else ""
        return f"{late}lines {first}–{following - 1} of {of}; start={following} shows more"


def _piece(file: Confined, text: Text, offset: int, limits: Limits, watch: Watch) -> Work:
    """Bytes from an offset on, as text."""
    begin = offset if offset >= 0 else max(text.mark, file.size + offset)
    begin -= (begin - text.mark) % text.unit
    if begin > file.size or (begin == file.size and file.size):
        raise ClientError(
            f"{shown(file.path)} has {file.size:,} bytes: offset={offset} is behind its end"
        )
    data = file.read(begin, min(limits.output - 1, BLOCK_BYTES))
    if text.encoding == "utf-8":  # begin with the next character where this is within one
        within = next((n for n, byte in enumerate(data[:4]) if byte & 0xC0 != 0x80), 0)
        data, begin = data[within:], begin + within
    ended = begin + len(data) >= file.size
    decoder = codecs.getincrementaldecoder(text.encoding)("replace")
    page = Page(limits.output)
    page.add(decoder.decode(data, ended))  # of no more characters than bytes
    end = begin + len(data) - (0 if ended else len(decoder.getstate()[0]))
    yield from page.output()
    watch.tell(1, 1)
    facts: dict[str, Any] = {
        "path": shown(file.path),
        "type": "text",
        "encoding": text.encoding,
        "size": file.size,
        "offset": begin,
        "next_offset": None if ended else end,
    }
    more = "end of file" if ended else f"offset={end} shows more"
    yield ToolResult(facts, page.text(f"bytes {begin:,}–{end - 1:,} of {file.size:,}; {more}"))

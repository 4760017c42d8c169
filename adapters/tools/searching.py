"""Finding a text or a regular expression in the lines of files, without any other program.

A line is what ends with the byte 10; what is found is a line, once. Files are UTF-8, or UTF-16 with a byte
order mark; what else has NULs is not searched. A regular expression that takes too long raises. Of a line
longer than 1 MiB only the beginning is searched. Must not know which files, nor who else can search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import regex

from rxstream.adapters.tools.blocks import blocks
from rxstream.adapters.tools.confined import Confined
from rxstream.adapters.tools.recognising import Text, marked
from rxstream.adapters.tools.working import Watch
from rxstream.errors import ClientError

LINE_BYTES: Final = 1024 * 1024
EXCERPT_CHARS: Final = 240
"""So much of a line is shown, around what was found."""
_SNIFF_BYTES: Final = 8 * 1024
"""A NUL in so many bytes makes a file binary, as git has it."""
_SECONDS: Final = 2.0
"""One look at a block or a line may take so long."""


class Hit(NamedTuple):
    """A line in which it was found."""

    number: int
    text: str
    """The line, or the part of it around what was found."""


class Matcher:
    """What is looked for. Raises `ClientError` for what is no regular expression."""

    def __init__(self, wanted: str, *, literal: bool, ignore_case: bool) -> None:
        if "\n" in wanted or "\0" in wanted:
            raise ClientError(f"{wanted[:80]!r} is more than a line has: look for one line of it")
        try:
            self.needle = wanted.encode() if literal and not ignore_case else None
        except UnicodeEncodeError:
            raise ClientError(f"{wanted[:80]!a} is no text that a file could hold") from None
        self.wanted = wanted
        self.literal = literal
        self.ignore_case = ignore_case
        source = regex.escape(wanted, literal_spaces=True) if literal else wanted
        flags = regex.MULTILINE | (regex.IGNORECASE if ignore_case else 0)
        try:
            self._pattern = regex.compile(source, flags)
        except (regex.error, ValueError, OverflowError, RecursionError) as error:
            raise ClientError(
                f"{wanted[:80]!r} is no regular expression: {error}; to find it as it stands, "
                "give it as text"
            ) from None
        self.within_lines = literal or bool(_WITHIN.fullmatch(wanted))
        """Whether no match can reach over the end of a line, so that many lines are one look."""

    def lines(self, text: str, watch: Watch) -> Iterator[tuple[int, str, int]]:
        """Where each line begins in which it is found, the line, and where in the line it is."""
        if self.within_lines:
            yield from self._at_once(text, watch)
            return
        begin = 0
        for index, line in enumerate(text.split("\n")):
            if index % 256 == 0:
                watch.look()
            found = self._search(line, 0)
            if found is not None:
                yield begin, line, found
            begin += len(line) + 1

    def _at_once(self, text: str, watch: Watch) -> Iterator[tuple[int, str, int]]:
        at = 0
        watch.look()
        while (found := self._search(text, at)) is not None:
            begin = text.rfind("\n", 0, found) + 1
            end = text.find("\n", found)
            end = len(text) if end < 0 else end
            yield begin, text[begin:end], found - begin
            at = end + 1
            if at > len(text):
                return

    def _search(self, text: str, at: int) -> int | None:
        try:
            found = self._pattern.search(text, at, timeout=_SECONDS, concurrent=True)
        except TimeoutError:
            raise ClientError(
                f"the regular expression {self.wanted[:80]!r} takes too long on some line: "
                "make it simpler, without a repetition inside a repetition",
                code="slow_pattern",
            ) from None
        return None if found is None else int(found.start())


_WITHIN: Final = regex.compile(
    r"""(?: [^\\\[\](){}\x00-\x1f] | \\[dwb.\-+*?|()\[\]{}^$/] | \{ \d* ,? \d* \}
        | \(\?: | \( (?!\?) | \) | \[ [^\^\\\[\]\x00-\x1f] [^\\\[\]\x00-\x1f]* \] )++""",
    regex.VERBOSE,
)
"""Regular expressions made of parts that cannot match the end of a line: no classes of what is not, no
looking around, no spaces by class. It says no to many that could not either, which only takes longer."""


def search(
    file: Confined,
    matcher: Matcher,
    watch: Watch,
    told: Callable[[int], object],
    cut_off: Callable[[], object],
) -> Iterator[Hit]:
    """Every line of the file in which it is found; `told` how many bytes are done, after each block.

    `cut_off` is called for a line in whose beginning it was not found, and whose rest was not searched.
    """
    head = file.read(0, _SNIFF_BYTES)
    text = marked(head)
    if (b"\0" in head) if text is None else text.unit == 4:
        return
    number, rest, cut = 1, b"", False
    for data, until in blocks(file, text or Text("utf-8")):
        told(until)
        if watch.late:
            return
        if cut:  # the rest of a line whose beginning was searched
            _, ended, data = data.partition(b"\n")
            if not ended:
                continue
            number, cut = number + 1, False
        lines, ended, tail = (rest + data).rpartition(b"\n")
        if ended:
            yield from _in_lines(lines, number, matcher, watch)
            number += lines.count(b"\n") + 1
        rest = tail
        if len(rest) > LINE_BYTES:
            hits = list(_in_lines(rest[:LINE_BYTES], number, matcher, watch))
            yield from hits
            if not hits:
                cut_off()
            rest, cut = b"", True
    if rest:
        yield from _in_lines(rest, number, matcher, watch)


def _in_lines(data: bytes, number: int, matcher: Matcher, watch: Watch) -> Iterator[Hit]:
    if matcher.needle is not None and matcher.needle not in data:
        return
    text = data.decode(errors="replace").replace("\r\n", "\n").removesuffix("\r")
    counted = 0
    for begin, line, where in matcher.lines(text, watch):
        number += text.count("\n", counted, begin)
        counted = begin
        yield Hit(number, excerpt(line, where))


def excerpt(line: str, where: int) -> str:
    """So much of a line as is shown."""
    line = line.rstrip()
    if len(line) <= EXCERPT_CHARS:
        return line
    begin = max(0, min(where - EXCERPT_CHARS // 4, len(line) - EXCERPT_CHARS))
    end = begin + EXCERPT_CHARS
    return f"{'…' if begin else ''}{line[begin:end]}{'…' if end < len(line) else ''}"

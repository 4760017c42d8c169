r"""Lines out of chunks of text or of bytes, the same wherever the chunks were cut.

A line ends with `\n`, `\r\n` or a lone `\r`; or, where `only_lf`, with `\n` alone (JSON may hold a `\r`). A
line is given as soon as its end is seen, so the `\n` of a `\r\n` that was cut in two is dropped when it
comes; only with `keep_ends` a line waits for it. What is held is bounded by `max_length`: characters of
text, or bytes.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Any, Final

from rxstream.errors import AuthorError, WorldError
from rxstream.operators._draining import Decoder

MAX_LENGTH: Final = 1024 * 1024
"""A line is at most 1 MiB unless an operator is told otherwise."""

TOO_LONG: Final = object()
"""Stands for a line longer than allowed, where those are to be skipped; never leaves an operator."""

_ENDED: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")

Text = str | bytes


def as_text(chunk: Any, operator: str) -> Text:
    """The chunk as `str` or `bytes`. Raises `AuthorError` for anything else."""
    if isinstance(chunk, str | bytes):
        return chunk
    if isinstance(chunk, bytearray | memoryview):
        return bytes(chunk)
    raise AuthorError(
        f"{operator} takes str or bytes, not {type(chunk).__name__}", code="wrong_element"
    )


def too_long(limit: int, kind: type[Text], number: int) -> WorldError:
    """What a line without an end is."""
    unit = "characters" if kind is str else "bytes"
    return WorldError(
        f"line {number} is longer than {limit} {unit}: raise max_length, or see whether the input "
        "has lines at all",
        code="line_too_long",
    )


class Lines(Decoder):
    """Takes chunks, gives lines."""

    def __init__(
        self,
        operator: str,
        max_length: int = MAX_LENGTH,
        *,
        keep_ends: bool = False,
        only_lf: bool = False,
        skip_long: bool = False,
    ) -> None:
        self.operator = operator
        self.max_length = max_length
        self.keep_ends = keep_ends
        self.only_lf = only_lf
        self.skip_long = skip_long
        self.count = 0
        """Lines given."""
        self._parts: list[Any] = []
        self._size = 0
        self._after_cr = False
        r"""The last character was a `\r`: a line that waits for its `\n`, or one that was given."""
        self._skipping = False
        """Within a line that is too long."""

    def feed(self, chunk: Any, out: deque[Any]) -> None:
        text = as_text(chunk, self.operator)
        if self._parts and type(self._parts[0]) is not type(text):
            raise AuthorError(
                f"{self.operator} got {type(text).__name__} after {type(self._parts[0]).__name__} "
                "within one line: give it one or the other",
                code="wrong_element",
            )
        if text and self._after_cr:
            text = self._after_cr_comes(text, out)
        if not text:
            return
        lines, rest, self._after_cr = self._split(text)
        if lines:
            self._add(lines[0])
            self._give(out)
            if len(text) <= self.max_length:
                self.count += len(lines) - 1
                out.extend(lines[1:])
            else:
                for line in lines[1:]:
                    self._add(line)
                    self._give(out)
        if rest:
            self._add(rest)

    def finish(self, out: deque[Any]) -> None:
        if self._parts or self._skipping:
            self._give(out)

    def interrupt(self, out: deque[Any]) -> None:
        if self._after_cr and self._parts:
            self._give(out)

    # -- the rules -----------------------------------------------------------------------------

    def _split(self, text: Any) -> tuple[list[Any], Any, bool]:
        r"""Whole lines, what is left, and whether a `\r` was the last."""
        lf: Any = "\n" if isinstance(text, str) else b"\n"
        cr: Any = "\r" if isinstance(text, str) else b"\r"
        if self.keep_ends:
            lines = (
                _ENDED.findall(text) if isinstance(text, str) else text.splitlines(keepends=True)
            )
            whole = lines[-1].endswith(lf)
            return lines, None if whole else lines.pop(), text.endswith(cr)
        if self.only_lf or cr not in text:
            lines = text.split(lf)
            return lines, lines.pop(), False
        lines = text.replace(cr + lf, lf).replace(cr, lf).split(lf)
        return lines, lines.pop(), text.endswith(cr)

    def _after_cr_comes(self, text: Any, out: deque[Any]) -> Any:
        r"""What follows the line end that a `\r` began."""
        self._after_cr = False
        lf: Any = "\n" if isinstance(text, str) else b"\n"
        rest = text.removeprefix(lf)
        if self.keep_ends:
            if len(rest) < len(text):
                self._add(lf)
            self._give(out)
        return rest

    def _add(self, part: Any) -> None:
        kind = type(part)
        ends = 0
        if self.keep_ends:
            bare = part.rstrip("\r\n" if kind is str else b"\r\n")
            ends = len(part) - len(bare)
        self._size += len(part) - ends
        if self._size > self.max_length:
            if not self.skip_long:
                raise too_long(self.max_length, kind, self.count + 1)
            self._skipping = True
            self._parts.clear()
        elif part or not self._parts:
            self._parts.append(part)

    def _give(self, out: deque[Any]) -> None:
        parts = self._parts
        line = TOO_LONG if self._skipping else parts[0][:0].join(parts)
        self._parts, self._size, self._skipping = [], 0, False
        self.count += 1
        out.append(line)

    # -- its state -----------------------------------------------------------------------------

    def snapshot(self) -> Any:
        parts = self._parts
        rest = parts[0][:0].join(parts) if parts else None
        return (rest, self._size, self._after_cr, self._skipping, self.count)

    def restore(self, state: Any) -> None:
        rest, self._size, self._after_cr, self._skipping, self.count = state
        self._parts = [] if rest is None else [rest]

"""The machines behind the codecs: UTF-8, and JSON one value a line."""

from __future__ import annotations

import codecs
import json
import re
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

import orjson

from rxstream.codec import Encoder
from rxstream.engine.op import Op
from rxstream.errors import AuthorError, CodecError, WorldError
from rxstream.operators._draining import Decoder
from rxstream.operators._lines import TOO_LONG, Lines, too_long
from rxstream.operators._skipping import OnBad, Skipping
from rxstream.operators._state import Machine

_LONG_NUMBER: Final = re.compile(r"\d{20}")
_LONG_NUMBER_BYTES: Final = re.compile(rb"\d{20}")
"""Only where so many digits follow each other can there be an integer that orjson makes a float of."""


class Utf8(Op):
    """Text of bytes; the bytes of an unfinished character wait."""

    def __init__(self, errors: str) -> None:
        self.errors = errors
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors)
        self._offset = 0
        """Bytes taken."""

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        for item in items:
            if not isinstance(item, bytes | bytearray | memoryview):
                raise AuthorError(
                    f"decode_utf8 takes bytes, not {type(item).__name__}", code="wrong_element"
                )
            self._decode(bytes(item), False, out)

    def finish(self, out: list[Any]) -> None:
        self._decode(b"", True, out)

    def _decode(self, chunk: bytes, final: bool, out: list[Any]) -> None:
        waiting = len(self._decoder.getstate()[0])
        try:
            text = self._decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            # what came before is the same however the bytes were cut
            before = error.object[: error.start].decode()
            if before:
                out.append(before)
            place = self._offset - waiting + error.start
            raise WorldError(
                f"byte {place} is not UTF-8 ({error.reason}): give errors='replace', or see which "
                "encoding the input has",
                code="not_decodable",
            ) from None
        self._offset += len(chunk)
        if text:
            out.append(text)

    def snapshot(self) -> Any:
        """The bytes of the unfinished character, and how many came in all."""
        return (self._decoder.getstate()[0], self._offset)

    def restore(self, state: Any) -> None:
        waiting, self._offset = state
        self._decoder.setstate((waiting, 0))


class JsonLines(Decoder):
    """The JSON value of each line; a line of white space is none."""

    def __init__(self, on_malformed: OnBad, max_length: int) -> None:
        self.skipping = Skipping("decode_ndjson", on_malformed)
        # a line too long to be held is malformed like any other
        self._lines = Lines(
            "decode_ndjson", max_length, only_lf=True, skip_long=on_malformed != "fail"
        )
        self._number = 0
        self._kind: type[str | bytes] = bytes

    def watch(self, on_bad: Callable[[], None]) -> None:
        self.skipping.on_count = on_bad

    def feed(self, chunk: Any, out: deque[Any]) -> None:
        lines: deque[Any] = deque()
        self._kind = str if isinstance(chunk, str) else bytes
        try:
            self._lines.feed(chunk, lines)
        finally:
            # also those before a line that is too long
            for line in lines:
                self._line(line, out)

    def finish(self, out: deque[Any]) -> None:
        lines: deque[Any] = deque()
        self._lines.finish(lines)
        for line in lines:
            self._line(line, out)

    def _line(self, line: Any, out: deque[Any]) -> None:
        self._number += 1
        if line is TOO_LONG:
            self.skipping(None, too_long(self._lines.max_length, self._kind, self._number))
            return
        if self._number == 1:
            line = line.removeprefix("\ufeff" if isinstance(line, str) else codecs.BOM_UTF8)
        if not line.strip(" \t\r" if isinstance(line, str) else b" \t\r"):
            return
        try:
            value = parsed(line)
        except ValueError as error:
            said = WorldError(f"line {self._number} is not JSON: {error}", code="malformed_json")
            self.skipping(line, said)
            return
        out.append(value)

    def close(self) -> None:
        self.skipping.close()

    def snapshot(self) -> Any:
        return (self._lines.snapshot(), self._number, self.skipping.count, self._kind is str)

    def restore(self, state: Any) -> None:
        lines, self._number, self.skipping.count, is_text = state
        self._kind = str if is_text else bytes
        self._lines.restore(lines)


def parsed(line: str | bytes) -> Any:
    """The JSON value of a line, integers of any size as they are. Raises ValueError."""
    value = orjson.loads(line)
    long = _LONG_NUMBER.search(line) if isinstance(line, str) else _LONG_NUMBER_BYTES.search(line)
    return value if long is None else json.loads(line, parse_constant=_refuse)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")  # pragma: no cover  # orjson has refused it before


class EncodeJsonLine(Machine):
    """Each element as JSON, with the end of its line."""

    def __init__(self) -> None:
        self.encoder = Encoder()

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        for item in items:
            line = self.encoder.encode(item) + b"\n"
            if self.encoder.take_blobs():
                raise CodecError(
                    "a Binary has no place in a line of JSON: write it elsewhere, or encode its data"
                )
            out.append(line)

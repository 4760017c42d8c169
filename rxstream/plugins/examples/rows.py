"""Lines become rows: CSV with quoted fields over several lines, or one JSON object a line.

What cannot be read is counted and passed by. A row of CSV holds texts, one of JSON any value.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

import orjson

from rxstream.errors import BadRequest

Format = Literal["csv", "jsonl"]

_ENDINGS: Final[dict[str, Format]] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}

_MOST_PENDING: Final = 1024 * 1024
"""Characters of one row; a quote that is never closed must not swallow the file into memory."""


def format_of(path: str) -> Format:
    """What a file's name says it is. Raises `BadRequest`."""
    for ending, found in _ENDINGS.items():
        if path.lower().endswith(ending):
            return found
    raise BadRequest(f"{path} does not say what it is: give format as csv or jsonl")


class Rows:
    """Takes lines with their ends, gives rows by column."""

    def __init__(self, form: Format, delimiter: str) -> None:
        self._form = form
        self._delimiter = delimiter
        self._header: list[str] | None = None
        self._pending = ""
        self.bad = 0
        """Rows that could not be read."""

    def of(self, lines: Sequence[str]) -> Iterator[dict[str, Any]]:
        """The rows these lines complete."""
        if self._form == "jsonl":
            yield from self._objects(lines)
            return
        for line in lines:
            text = self._pending + line
            # a row goes on while a quote is open; a doubled one closes and opens again
            if text.count('"') % 2 and len(text) <= _MOST_PENDING:
                self._pending = text
                continue
            self._pending = ""
            yield from self._row(text)

    def end(self) -> Iterator[dict[str, Any]]:
        """The row that was under way."""
        text, self._pending = self._pending, ""
        if text:
            yield from self._row(text)

    def state(self) -> dict[str, Any]:
        """What goes on after a restart."""
        return {"header": self._header, "pending": self._pending, "bad": self.bad}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from that."""
        self._header, self._pending, self.bad = state["header"], state["pending"], state["bad"]

    def _row(self, text: str) -> Iterator[dict[str, Any]]:
        try:
            cells = next(csv.reader([text], delimiter=self._delimiter, strict=True), [])
        except csv.Error:
            self.bad += 1
            return
        if not cells:
            return
        if self._header is None:
            self._header = cells
        elif len(cells) != len(self._header):
            self.bad += 1
        else:
            yield dict(zip(self._header, cells, strict=True))

    def _objects(self, lines: Sequence[str]) -> Iterator[dict[str, Any]]:
        for line in lines:
            if not line.strip():
                continue
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError:
                row = None
            if isinstance(row, dict):
                yield row
            else:
                self.bad += 1

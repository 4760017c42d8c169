"""What is known of the columns of a table, in a size that does not depend on its rows.

Everything is a plain function of the rows seen, so the same rows give the same profile, with or without a
restart in the middle.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import TypedDict

from rxstream.errors import MissingExtra

if TYPE_CHECKING:
    from fastdigest import TDigest

_MOST_COLUMNS: Final = 1_000
_CENTROIDS: Final = 200
_BUFFER: Final = 512
"""Numbers that are kept until the digest takes them: one by one it is many times slower."""

_INTEGER: Final = re.compile(r"[+-]?\d{1,300}\Z", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\Z", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d\S*)?\Z", re.ASCII)


class ColumnProfile(TypedDict):
    """One column. `types` counts values by type; numbers beyond a float's range count as text.

    The quantiles are approximate, by share; min, max, mean and quantiles are of numbers only.
    """

    types: dict[str, int]
    empty: int
    min: float | None
    max: float | None
    mean: float | None
    quantiles: dict[str, float]
    longest: int


class Profile(TypedDict):
    """A table as far as it was read; `cells_ignored` are of columns beyond the thousandth."""

    rows: int
    bad_rows: int
    columns: dict[str, ColumnProfile]
    cells_ignored: int
    done: bool


class Column:
    """What is known of one column."""

    def __init__(self) -> None:
        self._types: dict[str, int] = {}
        self._empty = 0
        self._longest = 0
        self._numbers: list[float] = []
        self._digest = _digest()

    def add(self, value: Any) -> None:
        """One more cell."""
        kind, number = _kind(value)
        if kind is None:
            self._empty += 1
            return
        self._types[kind] = self._types.get(kind, 0) + 1
        if isinstance(value, str) and len(value) > self._longest:
            self._longest = len(value)
        if number is not None:
            self._numbers.append(number)
            if len(self._numbers) >= _BUFFER:
                self._flush()

    def profile(self, quantiles: Sequence[float]) -> ColumnProfile:
        """As plain data."""
        self._flush()
        digest = self._digest
        some = not digest.is_empty()
        return ColumnProfile(
            types=dict(sorted(self._types.items())),
            empty=self._empty,
            min=digest.min() if some else None,
            max=digest.max() if some else None,
            mean=digest.mean() if some else None,
            quantiles={f"{share:g}": digest.quantile(share) for share in quantiles} if some else {},
            longest=self._longest,
        )

    def state(self) -> tuple[Any, ...]:
        """What goes on after a restart."""
        self._flush()
        return (dict(self._types), self._empty, self._longest, self._digest.to_bytes())

    def restore(self, state: tuple[Any, ...]) -> None:
        """Go on from that."""
        types, self._empty, self._longest, digest = state
        self._types = dict(types)
        self._digest = type(self._digest).from_bytes(digest)

    def _flush(self) -> None:
        if self._numbers:
            self._digest.batch_update(self._numbers)
            self._numbers = []


class Table:
    """The columns of the rows seen."""

    def __init__(self) -> None:
        self._rows = 0
        self._ignored = 0
        self._columns: dict[str, Column] = {}

    def add(self, row: Mapping[str, Any]) -> None:
        """One more row."""
        self._rows += 1
        columns = self._columns
        for name, value in row.items():
            column = columns.get(name)
            if column is None:
                if len(columns) >= _MOST_COLUMNS:
                    self._ignored += 1
                    continue
                column = columns[name] = Column()
            column.add(value)

    def profile(self, quantiles: Sequence[float], bad: int, *, done: bool) -> Profile:
        """As plain data."""
        return Profile(
            rows=self._rows,
            bad_rows=bad,
            columns={name: column.profile(quantiles) for name, column in self._columns.items()},
            cells_ignored=self._ignored,
            done=done,
        )

    def state(self) -> dict[str, Any]:
        """What goes on after a restart."""
        columns = {name: column.state() for name, column in self._columns.items()}
        return {"rows": self._rows, "ignored": self._ignored, "columns": columns}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from that."""
        self._rows, self._ignored = state["rows"], state["ignored"]
        for name, known in state["columns"].items():
            self._columns[name] = Column()
            self._columns[name].restore(known)


def _digest() -> TDigest:
    try:
        from fastdigest import TDigest
    except ImportError as error:
        raise MissingExtra("quantiles need an extra: pip install 'rxstream[data]'") from error
    return TDigest(max_centroids=_CENTROIDS)


def _kind(value: Any) -> tuple[str | None, float | None]:
    """The type of a cell, None for an empty one, and its number if it is one."""
    if value is None or value == "":
        return None, None
    if isinstance(value, bool):
        return "boolean", None
    if isinstance(value, int | float):
        return "integer" if isinstance(value, int) else "number", float(value)
    if isinstance(value, str):
        return _kind_of_text(value)
    return "array" if isinstance(value, list) else "object", None


def _kind_of_text(text: str) -> tuple[str, float | None]:
    if _INTEGER.match(text):
        return "integer", float(text)
    if _NUMBER.match(text):
        number = float(text)
        return ("number", number) if math.isfinite(number) else ("text", None)
    if text in ("true", "false", "True", "False"):
        return "boolean", None
    return ("date" if _DATE.match(text) else "text"), None

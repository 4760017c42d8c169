"""Compares two sequences of elements as they come, in bounded memory, and says how they differ.

Elements are compared as JSON whose keys are sorted. Where the sequences part, the next few of both are
aligned with the fewest edits (Levenshtein), so that an element more or less does not make all that follow it
different. Pure: knows neither logs nor executions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

WINDOW: Final = 32
"""Elements of each sequence that are aligned at a time."""

Kind = Literal["changed", "missing", "added"]

_Edit = Literal["same", "changed", "missing", "added"]


@dataclass(frozen=True)
class Difference:
    """One element that is not what it was.

    `index` counts the recorded elements from 0; that of an `added` one counts the new elements. `expected` is
    what was recorded and `got` what came now, each None where there is none.
    """

    index: int
    kind: Kind
    expected: Any
    got: Any


class Comparison:
    """Two sequences; give elements as JSON, in any interleaving, and call `settle` now and then.

    What came after the end of a record that was cut short is `beyond` and no difference.
    """

    def __init__(self, *, most: int, cut_short: bool = False) -> None:
        self.same = self.changed = self.missing = self.added = self.beyond = 0
        self.differences: list[Difference] = []
        """The first `most`; the others are only counted."""
        self._most = most
        self._cut_short = cut_short
        self._expected: deque[bytes] = deque()
        self._got: deque[bytes] = deque()
        self._expected_over = self._got_over = False

    @property
    def wants_expected(self) -> bool:
        """Whether more of the record is needed to go on."""
        return not self._expected_over and len(self._expected) < WINDOW

    def expect(self, json: bytes | None) -> None:
        """The next recorded element, or None for its end."""
        if json is None:
            self._expected_over = True
        else:
            self._expected.append(normal(json))

    def got(self, json: bytes | None) -> None:
        """The next element that came now, or None for the end."""
        if json is None:
            self._got_over = True
        else:
            self._got.append(normal(json))

    def settle(self) -> None:
        """Compare as far as can be decided."""
        expected, got = self._expected, self._got
        while True:
            while expected and got and expected[0] == got[0]:
                expected.popleft()
                got.popleft()
                self.same += 1
            if expected and got:
                if not (
                    self._enough(expected, self._expected_over)
                    and self._enough(got, self._got_over)
                ):
                    return
                self._align()
            elif expected and self._got_over:
                self._differ("missing")
            elif got and self._expected_over:
                if self._cut_short:
                    self.beyond += len(got)
                    got.clear()
                else:
                    self._differ("added")
            else:
                return

    @staticmethod
    def _enough(items: deque[bytes], over: bool) -> bool:
        return over or len(items) >= WINDOW

    def _align(self) -> None:
        left = [item for item, _ in zip(self._expected, range(WINDOW), strict=False)]
        right = [item for item, _ in zip(self._got, range(WINDOW), strict=False)]
        whole = (
            self._expected_over
            and self._got_over
            and len(left) == len(self._expected)
            and len(right) == len(self._got)
        )
        whole = whole and not self._cut_short
        for taken, edit in enumerate(edits(left, right, whole=whole)):
            # the end of a window is aligned without what follows it: it is looked at again
            if taken == WINDOW // 2 and not whole:
                return
            if edit == "same":
                self._expected.popleft()
                self._got.popleft()
                self.same += 1
            else:
                self._differ(edit)

    def _differ(self, kind: Kind) -> None:
        index = self.same + self.changed + (self.added if kind == "added" else self.missing)
        expected = None if kind == "added" else self._expected.popleft()
        got = None if kind == "missing" else self._got.popleft()
        setattr(self, kind, getattr(self, kind) + 1)
        if len(self.differences) < self._most:
            self.differences.append(Difference(index, kind, _value(expected), _value(got)))


def edits(left: Sequence[bytes], right: Sequence[bytes], *, whole: bool) -> Iterator[_Edit]:
    """The fewest edits that make the right of the left; a change is preferred to a loss and a gain.

    Unless both are `whole`, one of them may have a rest that belongs to what follows.
    """
    costs = [list(range(len(right) + 1))]
    for row, item in enumerate(left, 1):
        above = costs[-1]
        line = [row]
        for column, other in enumerate(right, 1):
            through = above[column - 1] + (item != other)
            line.append(min(through, above[column] + 1, line[-1] + 1))
        costs.append(line)
    row, column = len(left), len(right)
    if not whole:
        ends = [(i, column) for i in range(1, row + 1)] + [(row, j) for j in range(1, column)]
        row, column = min(ends, key=lambda end: (costs[end[0]][end[1]], -end[0] - end[1]))
    path: list[_Edit] = []
    while row or column:
        cost = costs[row][column]
        different = bool(row and column) and left[row - 1] != right[column - 1]
        if row and column and cost == costs[row - 1][column - 1] + different:
            path.append("changed" if different else "same")
            row, column = row - 1, column - 1
        elif row and cost == costs[row - 1][column] + 1:
            path.append("missing")
            row -= 1
        else:
            path.append("added")
            column -= 1
    return reversed(path)


def normal(json: bytes) -> bytes:
    """An element's JSON with sorted keys, without the address of binary data, which names its execution."""
    value = orjson.loads(json)
    if b'"type":"binary"' in json:
        value = _without_address(value)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _without_address(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_address(item) for item in value]
    if not isinstance(value, dict):
        return value
    binary = value.get("type") == "binary"
    return {k: _without_address(v) for k, v in value.items() if not (binary and k == "href")}


def _value(json: bytes | None) -> Any:
    return None if json is None else orjson.loads(json)

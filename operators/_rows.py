"""State by key as rows, so that a cut stores only what changed: a short name, the key and what is kept of it.

The keys of a state are whatever the user's functions give; a row's name is a number, given when the key
first comes. A row says its place, too, because states by key have an order. Until rows are asked for the
first time, which only a graph that is stored does, nothing is kept here.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Final

from rxstream.engine.op import Changes

REST: Final = ""
"""The name of the row of what is not kept by key."""

_HELD: Final = "held"


class Rows:
    """Which keys of one state were put and dropped since somebody asked."""

    def __init__(self) -> None:
        self._names: dict[Hashable, str] = {}
        self._put: dict[Hashable, None] = {}
        """Keys to tell of, the one put last behind the others."""
        self._dropped: list[str] = []
        self._count = 0
        self._asked = False
        self._void = False
        """Whether rows of a life before this one are still believed."""
        self._rest: Any = None

    def put(self, key: Hashable) -> None:
        """The key's state is new, and its place is behind all others."""
        if self._asked:
            self._put.pop(key, None)
            self._put[key] = None

    def drop(self, key: Hashable) -> None:
        """The key is forgotten."""
        if self._asked:
            self._put.pop(key, None)
            name = self._names.pop(key, None)
            if name is not None:
                self._dropped.append(name)

    def changes(
        self, keys: Iterable[Hashable], kept: Callable[[Any], Any], rest: Any = None
    ) -> Changes | None:
        """What `Op.changes` gives: of all `keys` the first time; `rest` is what is not kept by key."""
        wiped = not self._asked
        if wiped:
            self._asked = True
            self._put = dict.fromkeys(keys)
        changed = self._put or self._dropped or rest != self._rest
        if not changed and not (wiped and self._void):
            return None
        found: dict[str, Any] = {}
        for key in self._put:
            name = self._names.get(key)
            if name is None:
                name = self._names[key] = str(self._count)
            found[name] = (self._count, key, kept(key))
            self._count += 1
        if rest != self._rest:
            found[REST] = self._rest = rest
        dropped, self._dropped, self._put = self._dropped, [], {}
        return wiped, found, dropped

    def restored(self, stored: Mapping[str, Any]) -> tuple[list[tuple[Any, Any]], Any]:
        """Keys and what was kept of them, in their order, and the rest."""
        self._void = bool(stored)
        rows = sorted((row for name, row in stored.items() if name != REST), key=lambda row: row[0])
        return [(key, kept) for _, key, kept in rows], stored.get(REST)


class Beside:
    """What a unit holds beside its rows, as one more of them."""

    def __init__(self) -> None:
        self._told: Any = None

    def added(self, found: Changes | None, held: Any) -> Changes | None:
        """The changes of the rows with this one's."""
        if found is None and held == self._told:
            return None
        wiped, rows, dropped = found or (False, {}, [])
        if wiped or held != self._told:
            rows[_HELD] = self._told = held
        return wiped, rows, dropped

    @staticmethod
    def parted(stored: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
        """The rows, and what was held beside them; None if that was never told."""
        rows = dict(stored)
        held = rows.pop(_HELD, None)
        return rows, held

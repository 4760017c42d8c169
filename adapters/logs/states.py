"""How states are stored: each commit's deltas as rows, folded into fewer when they have grown.

A row is a line of JSON (per node: its id, whether it is wiped first, the keys deleted, the keys set with the
sizes of their values) and then the values, one after the other. Folding all rows in order from nothing gives
the present state; a folded state is again such rows, in which every node is wiped first. Pure: knows no file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import orjson

from rxstream.errors import LogError
from rxstream.log.contract import Delta

ROW_BYTES: Final = 256 * 1024
"""A row holds about this many bytes of values at most, and always at least one."""

States = dict[str, dict[str, bytes]]


def pack(deltas: Mapping[str, Delta]) -> Iterator[bytes]:
    """The rows of one commit's deltas, in order."""
    rows = _Rows()
    for node, delta in deltas.items():
        yield from rows.begin(node, delta)
        gone = set(delta.deleted)
        for key, value in delta.set.items():
            if key not in gone:
                yield from rows.put(node, key, value)
    yield from rows.flush()


def pack_whole(states: States) -> Iterator[bytes]:
    """The rows that give these states from any others of the same nodes."""
    return pack({node: Delta(set=state, wiped=True) for node, state in states.items()})


def fold(rows: Iterable[bytes]) -> States:
    """The states after all rows. Raises `LogError` when a row is damaged."""
    states: States = {}
    for row in rows:
        try:
            _apply(states, row)
        except (ValueError, TypeError) as error:
            raise LogError(f"a stored state is damaged: {error}", code="log_corrupt") from error
    return {node: state for node, state in states.items() if state}


def _apply(states: States, row: bytes) -> None:
    end = row.index(b"\n")
    at = end + 1
    for node, wiped, deleted, sizes in orjson.loads(row[:end]):
        state = states.setdefault(node, {})
        if wiped:
            state.clear()
        for key, size in sizes:
            state[key] = row[at : at + size]
            at += size
        for key in deleted:
            state.pop(key, None)
    if at != len(row):
        raise ValueError(f"{len(row)} bytes where {at} were expected")


class _Rows:
    """Rows as they fill up; a node that is split begins again in the next row, not wiped."""

    def __init__(self) -> None:
        self._head: list[list[Any]] = []
        self._values: list[bytes] = []
        self._size = 0

    def begin(self, node: str, delta: Delta) -> Iterator[bytes]:
        yield from self.flush(ROW_BYTES)
        self._head.append([node, delta.wiped, list(delta.deleted), []])
        self._size += sum(map(len, delta.deleted)) + len(node)

    def put(self, node: str, key: str, value: bytes) -> Iterator[bytes]:
        if self._size >= ROW_BYTES:
            yield from self.flush()
            self._head.append([node, False, [], []])
        self._head[-1][3].append([key, len(value)])
        self._values.append(value)
        self._size += len(key) + len(value)

    def flush(self, least: int = 0) -> Iterator[bytes]:
        if self._head and self._size >= least:
            yield b"".join((orjson.dumps(self._head), b"\n", *self._values))
            self._head, self._values, self._size = [], [], 0

"""The rows of an execution: where they end, how events are cut into them, how they are signed.

Used by whatever writes, within its transaction. Must not know threads.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any, Final

import apsw

from rxstream.adapters.logs import digests

CHUNK_BYTES: Final = 128 * 1024
"""A row holds events of about this many bytes at most, and always at least one."""

_FOLD_BYTES: Final = 256 * 1024
_FOLD_ROWS: Final = 10_000
ROW: Final = 64  # bytes a row costs beside its payload

FIRST_POSITION: Final = 1_000_000
"""Positions of states begin after this, so that what they are folded to finds a place before them."""

_TIMESTAMP: Final = b'"timestamp":"'


@dataclass(frozen=True)
class Tail:
    """Where an execution's rows end; kept, so that a commit need not look."""

    row: int
    last: int = 0
    chain: bytes = b""
    ended: bool = False
    oldest: int = 1
    position: int = FIRST_POSITION
    """Of the last row of states."""
    whole_bytes: int = 0
    """Bytes of its states when they were last folded."""
    delta_bytes: int = 0
    """Bytes of its states' rows since then."""
    delta_rows: int = 0
    has_blobs: bool = False
    folding: bool = False
    """Whether folding was asked for, and is not done."""

    @property
    def due(self) -> bool:
        """Whether to fold: so each byte is folded about twice in its life, and a restore reads at most
        twice the state and a bounded number of rows."""
        return self.delta_bytes > max(_FOLD_BYTES, self.whole_bytes) or self.delta_rows > _FOLD_ROWS


def look_up(connection: apsw.Connection, execution_id: str) -> Tail | None:
    """Where an execution's rows end; None when there is none of that id."""
    found = connection.execute(
        "SELECT id, ended, trimmed, anchor FROM executions WHERE execution_id = ?", (execution_id,)
    ).fetchone()
    if found is None:
        return None
    row, ended, trimmed, anchor = found
    last, chain = connection.execute(
        "SELECT last, chain FROM events WHERE execution = ? ORDER BY last DESC LIMIT 1", (row,)
    ).fetchone() or (trimmed, anchor)
    position, size, count = connection.execute(
        "SELECT max(position), total(length(payload)), count(*) FROM states WHERE execution = ?",
        (row,),
    ).fetchone() or (None, 0, 0)
    has_blobs = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM blobs WHERE execution = ?)", (row,)
    ).get
    # how much of it is folded is not known: all of it counts as such, and as many rows as there are
    return Tail(
        row, last, chain, bool(ended), trimmed + 1, position or FIRST_POSITION, int(size),
        delta_rows=count, has_blobs=bool(has_blobs),
    )  # fmt: skip


def sign(connection: apsw.Connection, row: int) -> None:
    """Renew the digest of an execution's row; after each change of it."""
    fields: Any = connection.execute(
        """SELECT execution_id, status, graph, ended, trimmed, anchor, record
           FROM executions WHERE id = ?""",
        (row,),
    ).fetchone()
    connection.execute(
        "UPDATE executions SET digest = ? WHERE id = ?", (digests.of_execution(*fields), row)
    )


def store_states(
    connection: apsw.Connection, row: int, execution_id: str, after: int, payloads: Sequence[bytes]
) -> None:
    """Rows of states, at the positions after `after`."""
    connection.executemany(
        "INSERT INTO states (execution, position, digest, payload) VALUES (?, ?, ?, ?)",
        [
            (row, position, digests.of_state(execution_id, position, payload), payload)
            for position, payload in enumerate(payloads, after + 1)
        ],
    )


def time_of(json: bytes) -> int:
    """Milliseconds since 1970 of an event; read without reading all of its JSON."""
    begin = json.find(_TIMESTAMP, 0, 1_000) + len(_TIMESTAMP)
    try:
        told = datetime.fromisoformat(json[begin : json.index(b'"', begin)].decode())
        return int(told.timestamp() * 1_000)
    except ValueError:
        return 0


def chunks(lines: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """The JSON of events, cut into rows."""
    ends = list(accumulate(map(len, lines)))
    begin = before = 0
    while begin < len(lines):
        end = max(begin + 1, bisect_right(ends, before + CHUNK_BYTES))
        yield lines[begin:end]
        begin, before = end, ends[end - 1]

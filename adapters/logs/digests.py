"""Digests of what a log stores: which bytes they are of, so that a flipped bit anywhere in them is found.

A row's digest also says whose it is, so that a row that got under another execution is found too. Pure.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

_BYTES: Final = 16


def of_events(execution_id: str, first: int, last: int, at: int, payload: bytes) -> bytes:
    """Of one chunk of events."""
    head = b"%b %d %d %d\n" % (execution_id.encode(), first, last, at)
    return _of(b"events", head, payload)


def chained(before: bytes, digest: bytes) -> bytes:
    """The chain up to a chunk: of the chain before it and its digest."""
    return _of(b"chain", before, digest)


def of_state(execution_id: str, position: int, payload: bytes) -> bytes:
    """Of one row of states."""
    return _of(b"state", b"%b %d\n" % (execution_id.encode(), position), payload)


def of_execution(
    execution_id: str,
    status: str,
    graph: str,
    ended: int,
    trimmed: int,
    anchor: bytes,
    record: bytes | None,
) -> bytes:
    """Of an execution's row."""
    head = f"{execution_id}\n{status}\n{graph}\n{ended} {trimmed} {record is None}\n"
    return _of(b"execution", head.encode() + anchor, record or b"")


def of_blob(execution_id: str, sha256: str, media_type: str) -> bytes:
    """Of what is known of binary data; the data has its SHA-256."""
    return _of(b"blob", f"{execution_id}\n{sha256}\n".encode(), media_type.encode())


def of_meta(format_: object, epoch: object) -> bytes:
    """Of what the file says of itself."""
    return _of(b"meta", f"{format_} {epoch}".encode(), b"")


def _of(kind: bytes, head: bytes, body: bytes) -> bytes:
    # where the processor knows SHA-256 it is twice as fast as BLAKE2
    made = sha256(b"%b %b" % (kind, head))
    made.update(body)
    return made.digest()[:_BYTES]

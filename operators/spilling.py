"""The policy that gives nothing up and holds nobody back: what does not fit in memory waits in a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from reactivex import Observable
from reactivex import operators as rx

from rxstream.errors import GraphError
from rxstream.operator import Buffer
from rxstream.operators._passing import Same
from rxstream.operators._spec import waiting
from rxstream.operators._types import A
from rxstream.stream import Stream

__all__ = ["spill"]

MAX_BYTES: Final = 268_435_456
MEMORY: Final = 1_024


def spill(
    max_bytes: int = MAX_BYTES,
    memory: int = MEMORY,
    folder: str | os.PathLike[str] | None = None,
) -> Callable[[Observable[A]], Stream[A]]:
    """When `memory` elements wait, more go to a temporary file, and come back in order. Nothing is lost.

        -1234-----|
        [spill(memory=1)]
        -1-2-3-4--|

    What feeds this never waits, so a branch that spills never holds its sisters back, and may be read late:
    `concat(s, s.spill())`. The file holds at most `max_bytes` of what waits (then `BufferOverflow`), is in
    `folder` or where temporary files go, and is gone when the stream has ended, however it ends. Elements
    come back equal and of the same types: plain data, or what is registered with `rxstream.statecodec`;
    anything else is an error that names its type. A disk that cannot keep up holds the whole loop back.
    """
    for name, number in (("max_bytes", max_bytes), ("memory", memory)):
        if number < 1:
            raise GraphError(f"{name} must be at least 1, not {number}")
    given = {"max_bytes": max_bytes, "memory": memory, "folder": folder}
    place = None if folder is None else os.fspath(folder)
    return waiting(
        "spill",
        Same,
        rx=rx.as_observable,
        arguments=given,
        buffer=Buffer("spill", memory, max_bytes=max_bytes, folder=place),
    )

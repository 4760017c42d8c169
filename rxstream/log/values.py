"""What goes into a log and comes out of it: commits, states, records, and where events stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from rxstream.codec import Binary
from rxstream.events import Draft, StreamEvent


@dataclass(frozen=True)
class Delta:
    """What changed in one node's state: everything wiped first, then keys set and deleted."""

    set: Mapping[str, bytes] = field(default_factory=dict)
    deleted: Sequence[str] = ()
    wiped: bool = False


@dataclass(frozen=True)
class ExecutionRecord:
    """What is known of an execution without reading its events. All values are plain data."""

    execution_id: str
    graph: str
    status: str
    created_at: datetime
    params: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str = ""
    priority: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    result: Any = None
    error: Mapping[str, Any] | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Commit:
    """One transaction of one execution.

    The first commit of an execution brings its record; ids are letters, digits, `-`, `_` and `.`. A
    terminal event is the last of its execution, and the states, which nothing needs then, go with it.
    """

    execution_id: str
    events: Sequence[Draft] = ()
    record: ExecutionRecord | None = None
    states: Mapping[str, Delta] = field(default_factory=dict)
    blobs: Mapping[str, Binary] = field(default_factory=dict)


class Head(NamedTuple):
    """The sequence numbers that can be read: `first` to `last`; `last` is 0 before the first commit."""

    first: int
    last: int
    ended: bool


class Position(NamedTuple):
    """Where a reader goes on, and the gap it has to be told of first."""

    after: int
    gap: StreamEvent | None


class CheckpointInfo(NamedTuple):
    """A checkpoint: the state after the event `sequence`, put together from all deltas until then."""

    sequence: int
    bytes: int
    """Keys and values of all nodes."""

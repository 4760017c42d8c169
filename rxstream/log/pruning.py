"""Decides what goes under given limits: the same for every log, from what it says is stored.

Pure: it changes nothing. First executions that have ended go, oldest end first; then old events.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from rxstream.log.retention import PruneReport, Retention, Scope

_NAMED = 1_000


class Stored(NamedTuple):
    """An execution as it is in a log."""

    key: int
    """How the log finds it."""
    execution_id: str
    ended: bool
    at: float
    """Time of its last event, in seconds since 1970."""
    first: int
    last: int
    bytes: int = 0
    """Of events, states and blobs; 0 unless asked for."""


class Taking(NamedTuple):
    """What is to go of one execution: events to `upto`, or all of it if that is None."""

    key: int
    execution_id: str
    upto: int | None
    events: int
    bytes: int


class Shelf(Protocol):
    """A log, asked."""

    def stored(self, scope: Scope, *, sizes: bool) -> Sequence[Stored]:
        """Executions with events; `sizes` asks for their bytes."""
        ...

    def size(self, of: Stored) -> int:
        """Its bytes."""
        ...

    def older(self, of: Stored, than: float) -> int:
        """Number of the last event before the first one that is not older; 0 if there is none."""
        ...

    def heavy(self, of: Stored, size: int) -> int:
        """Number of the last of the oldest events that have so many bytes together."""
        ...

    def piece(self, of: Stored, upto: int) -> Taking | None:
        """What can really be taken of the events to `upto`: never the last one."""


def plan(shelf: Shelf, retention: Retention, graph: str | None, now: float) -> list[Taking]:
    """What goes, in the order in which it should."""
    takings: list[Taking] = []
    for scope in retention.scopes(graph):
        if not scope.limits.unlimited or scope.limits.by_graph:
            takings += _within(shelf, scope, now)
    return takings


def _within(shelf: Shelf, scope: Scope, now: float) -> list[Taking]:
    limits = scope.limits
    stored = shelf.stored(scope, sizes=limits.max_bytes is not None)
    ended = sorted((e for e in stored if e.ended), key=lambda e: e.at)
    gone = 0
    if limits.max_executions is not None:
        gone = max(0, len(ended) - limits.max_executions)
    cutoff = None if limits.max_age_s is None else now - limits.max_age_s
    if cutoff is not None:
        gone = max(gone, sum(e.at < cutoff for e in ended))
    over = 0
    if limits.max_bytes is not None:
        over = sum(e.bytes for e in stored) - sum(e.bytes for e in ended[:gone]) - limits.max_bytes
        while over > 0 and gone < len(ended):
            over -= ended[gone].bytes
            gone += 1
    removed = ended[:gone]
    takings = [
        Taking(e.key, e.execution_id, None, e.last - e.first + 1, e.bytes or shelf.size(e))
        for e in removed
    ]
    gone_keys = {e.key for e in removed}
    for e in sorted(stored, key=lambda e: -e.bytes):
        if e.key in gone_keys:
            continue
        upto = 0
        if limits.max_events_per_execution is not None:
            upto = e.last - limits.max_events_per_execution
        if cutoff is not None and not e.ended:
            upto = max(upto, shelf.older(e, cutoff))
        if over > 0:
            upto = max(upto, shelf.heavy(e, over))
        piece = shelf.piece(e, upto) if upto >= e.first else None
        if piece is not None:
            over -= piece.bytes
            takings.append(piece)
    return takings


def report(takings: Iterable[Taking]) -> PruneReport:
    """What they come to."""
    executions = trimmed = events = size = 0
    removed: list[str] = []
    for taking in takings:
        events += taking.events
        size += taking.bytes
        if taking.upto is not None:
            trimmed += 1
            continue
        executions += 1
        if len(removed) < _NAMED:
            removed.append(taking.execution_id)
    return PruneReport(executions, trimmed, events, size, tuple(removed))

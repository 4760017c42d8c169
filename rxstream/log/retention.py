"""How much of the past a log keeps.

An execution that has ended is removed whole and is unknown afterwards; from one that runs only the oldest
events are taken, and a reader that wanted them is told by an explicit gap. The state to resume from, and the
last event, are never taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True)
class Retention:
    """Limits, each of which may be None for none; all that are given hold.

    Ages count from an event's own time, that of an ended execution from its end. A log in a file takes events
    in the pieces in which they were stored, so some more than `max_events_per_execution` may stay. Raises
    `ValueError` for a limit below zero.
    """

    max_age_s: float | None = None
    """Ended executions that are older go, and older events of those that run."""
    max_executions: int | None = None
    """So many ended executions stay, the newest."""
    max_bytes: int | None = None
    """Bytes of events, states and blobs: the oldest ended executions go first, then the oldest events."""
    max_events_per_execution: int | None = None
    """About so many events of each execution stay, the newest."""
    by_graph: Mapping[str, Retention] = field(default_factory=dict)
    """Other limits, instead of these, for executions of these graphs."""

    def __post_init__(self) -> None:
        for limit in (
            self.max_age_s,
            self.max_executions,
            self.max_bytes,
            self.max_events_per_execution,
        ):
            if limit is not None and limit < 0:
                raise ValueError("a limit of what a log keeps is at least 0")

    @property
    def unlimited(self) -> bool:
        """Whether nothing ever goes."""
        return (
            self.max_age_s is None
            and self.max_executions is None
            and self.max_bytes is None
            and self.max_events_per_execution is None
            and all(other.unlimited for other in self.by_graph.values())
        )

    def scopes(self, graph: str | None = None) -> Iterator[Scope]:
        """Which limits hold for which graphs; only those of `graph` if one is given."""
        if graph is not None:
            yield Scope(self.by_graph.get(graph, self), (graph,), ())
            return
        for name, limits in self.by_graph.items():
            yield Scope(limits, (name,), ())
        yield Scope(self, (), tuple(self.by_graph))


class Scope(NamedTuple):
    """Limits, and the graphs whose executions they hold for: only some, or all except some."""

    limits: Retention
    only: tuple[str, ...]
    without: tuple[str, ...]

    def holds(self, graph: str) -> bool:
        """Whether an execution of this graph falls under the limits."""
        return graph in self.only if self.only else graph not in self.without


class PruneReport(NamedTuple):
    """What was taken, or with `dry_run` would be."""

    executions: int = 0
    """Removed whole."""
    trimmed: int = 0
    """Those that lost old events."""
    events: int = 0
    """In all, those of removed executions too."""
    bytes: int = 0
    """Of events, states and blobs; a file gives as much back to the system, or uses it again."""
    removed: tuple[str, ...] = ()
    """Ids of the executions that were removed; the first 1,000."""

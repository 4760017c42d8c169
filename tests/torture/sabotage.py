"""Negative controls: each breaks the engine of a workload process on purpose, and the checker must see it.

What a control breaks is what an engine of this kind may get wrong: something is left out of the cut, an
offset is one off, a type does not come back, the state is not of the same moment as the events, an event is
shown before it is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

from rxstream import statecodec
from rxstream.adapters.logs import digests, sqlite
from rxstream.adapters.sinks import files
from rxstream.engine import cut, edge, recorder, sources
from rxstream.events import sealed


class Control(NamedTuple):
    """How the engine is broken, and the shape that shows it."""

    breaks: Callable[[], None]
    shape: str


def _replace(where: Any, name: str, make: Callable[[Any], Any]) -> None:
    setattr(where, name, make(getattr(where, name)))


def lost_queue() -> None:
    """What waits before a node is not in the cut."""
    setattr(edge.Edge, "changes", lambda made: None)  # noqa: B010  # mypy refuses the plain form


def lost_buffer() -> None:
    """What a node holds is not in the cut."""
    setattr(cut, "_put", lambda state, key, value: None)  # noqa: B010  # the same


def late_offset() -> None:
    """A source goes on one element too late."""
    _replace(sources._SourcePort, "seek_point", lambda whole: lambda made, at: whole(made, at + 1))


def early_offset() -> None:
    """A source goes on one element too early."""
    _replace(sources._SourcePort, "seek_point", lambda whole: lambda made, at: whole(made, at - 1))


def lossy_codec() -> None:
    """Tuples come back as lists."""

    def listed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: listed(item) for key, item in value.items()}
        return [listed(item) for item in value] if isinstance(value, tuple | list) else value

    _replace(statecodec, "decode", lambda whole: lambda data: listed(whole(data)))


def states_apart() -> None:
    """The state is stored with the next commit and not with its events."""
    kept: dict[Any, Any] = {}

    def make(whole: Any) -> Any:
        def commit(made: Any, record: Any = None) -> Any:
            now = whole(made, record)
            before, kept[made] = kept.get(made, {}), now.states
            return replace(now, states=before)

        return commit

    _replace(recorder.Recorder, "_commit", make)


def shown_first() -> None:
    """Readers see events before they are stored."""

    def make(whole: Any) -> Any:
        def commit(log: Any, given: Any) -> Any:
            ring = log.rings.get(given.execution_id)
            if ring is not None:
                first = ring.last + 1
                lines = sealed(given.events, given.execution_id, log.epoch, first)
                log._published(given.execution_id, first, lines)
            return whole(log, given)

        return commit

    _replace(sqlite.SQLiteLog, "_commit", make)
    _replace(
        sqlite.SQLiteLog,
        "_delivered",
        lambda whole: lambda log, outcomes: whole(log, [_told(log, o) for o in outcomes]),
    )


def _told(log: Any, outcome: Any) -> Any:
    """What was shown already is not shown again."""
    known = log.rings.get(outcome.commit.execution_id) is not None
    return outcome._replace(lines=()) if known else outcome


def forgetful_sink() -> None:
    """What a sink wrote beyond the last cut is not taken away before it is written again."""
    setattr(files._JsonLines, "_go_back", lambda made, start: None)  # noqa: B010  # the same


def bad_digest() -> None:
    """The chain of digests leaves something out."""
    _replace(digests, "chained", lambda whole: lambda before, digest: whole(b"", digest))


CONTROLS: Final[Mapping[str, Control]] = {
    "lost_queue": Control(lost_queue, "waiting"),
    "lost_buffer": Control(lost_buffer, "linear"),
    "late_offset": Control(late_offset, "fan_out"),
    "early_offset": Control(early_offset, "diamond"),
    "lossy_codec": Control(lossy_codec, "linear"),
    "states_apart": Control(states_apart, "fan_out"),
    "shown_first": Control(shown_first, "diamond"),
    "forgetful_sink": Control(forgetful_sink, "files"),
    "bad_digest": Control(bad_digest, "linear"),
}

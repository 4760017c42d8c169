"""What a re-run found, as frozen data: every output's differences, and how both executions ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rxstream.events import EventType
from rxstream.replay.comparing import Difference


@dataclass(frozen=True)
class OutputDiff:
    """What became of one output.

    `node` is its id in the record, `beyond` counts what came after the end of a record that was cut short.
    """

    name: str
    node: str
    same: int
    changed: int
    missing: int
    added: int
    beyond: int
    differences: tuple[Difference, ...]

    @property
    def equal(self) -> bool:
        """Whether every recorded element came again, and no other."""
        return not (self.changed or self.missing or self.added)


@dataclass(frozen=True)
class Ending:
    """How an execution ended: the type of its terminal event (None: it has not), and its error."""

    event_type: str | None
    error: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Rerun:
    """What a re-run found.

    `inputs` counts the elements each recorded input gave, `live` names the sources that ran for real, and
    `left_out` the sinks that did not run.
    """

    execution_id: str
    graph: str
    inputs: Mapping[str, int]
    live: tuple[str, ...]
    left_out: tuple[str, ...]
    outputs: Mapping[str, OutputDiff]
    recorded: Ending
    ended: Ending

    @property
    def diff(self) -> Mapping[str, tuple[Difference, ...]]:
        """The differences by output; at most as many as were asked for."""
        return {name: output.differences for name, output in self.outputs.items()}

    @property
    def cut_short(self) -> bool:
        """Whether the record ends before the execution would have ended by itself."""
        return self.recorded.event_type not in (
            EventType.PIPELINE_COMPLETE,
            EventType.PIPELINE_ERROR,
        )

    @property
    def same_ending(self) -> bool:
        """Whether it ended as the record did; a record that was cut short has no ending to compare."""
        if self.cut_short:
            return self.ended.event_type == EventType.PIPELINE_COMPLETE
        recorded, ended = self.recorded.error or {}, self.ended.error or {}
        return self.recorded.event_type == self.ended.event_type and recorded.get(
            "code"
        ) == ended.get("code")

    @property
    def equal(self) -> bool:
        """Whether nothing differs: no element of any output, nor the ending."""
        return self.same_ending and all(output.equal for output in self.outputs.values())

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {**asdict(self), "cut_short": self.cut_short, "equal": self.equal}

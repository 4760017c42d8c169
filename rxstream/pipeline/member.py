"""What the units of one pipeline have in common: they know each other, and wait for all steps before them."""

from __future__ import annotations

from rxstream.engine.unit import Unit
from rxstream.events import Progress
from rxstream.graph.plan import Node
from rxstream.pipeline.data import Entries, united


class Family:
    """Stands for one drawing of a pipeline; units of one execution that share it belong together."""


class Member(Unit):
    """A step of a pipeline, or its ending."""

    starts_itself = True

    def __init__(self, family: Family) -> None:
        self.family = family
        self.entries: Entries | None = None
        """How the steps before it ended, once they all have."""

    def gather(self) -> bool:
        """Take one dict of each step before, if they are all there; end where one never comes."""
        for edge in self.inputs:
            if edge.error is not None:
                self.pass_on(edge.error)
                return False
        if not all(map(len, self.inputs)):
            if any(edge.exhausted for edge in self.inputs):  # it was stopped
                self.finish()
            return False
        self.entries = united(item for edge in self.inputs for item in edge.take(1))
        return True

    def halt(self, name: str, error: Exception) -> None:
        """A step of the pipeline failed for good: begin nothing any more."""

    def halt_others(self, name: str, error: Exception) -> None:
        """Say to every other unit of the pipeline that a step failed for good."""
        for unit in self.runtime.units:
            if isinstance(unit, Member) and unit is not self and unit.family is self.family:
                unit.halt(name, error)

    def say(self, name: str, status: str, message: str | None) -> None:
        """Say something of a step of the pipeline, as its progress."""
        self.runtime.watcher.node_progress(self.node_of(name), Progress(None, message, status))

    def node_of(self, name: str) -> Node:
        """The node of a step of the pipeline."""
        prefix = self.node.id.rpartition(".")[0]
        return self.runtime.plan.by_id[f"{prefix}.{name}" if prefix else name]

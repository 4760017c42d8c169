"""The root behind one published node: where elements become events and an island ends at the log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from rxstream.engine.op import ALL
from rxstream.engine.recorder import Recorder
from rxstream.engine.runtime import Runtime
from rxstream.errors import blame
from rxstream.graph.plan import Node

NOTHING: Final = object()
"""Stands where no element has come."""


class Published:
    """The root behind one published node: every element becomes a `step_output`."""

    runtime: Runtime
    """Put in place before anything starts."""

    def __init__(self, recorder: Recorder, node: Node) -> None:
        self.closed = False
        self.feeders: list[Any] = []
        self.last: Any = NOTHING
        self._recorder = recorder
        self._node = node

    def room(self) -> int:
        return self._recorder.room()

    def push(self, items: Sequence[Any]) -> None:
        node = self._node
        count, error = self._recorder.add_outputs(node.id, items)
        if count:
            self.last = items[count - 1]
        if error is not None:
            error.message = f"{node.id} emitted what cannot be recorded: {error.message}"
            blame(error, node.id, node.where)
            self.runtime.node_failed(node, error)
            self.fail(error)

    def finish(self) -> None:
        if not self.closed:
            self.closed = True
            self.runtime.root_ended()

    def fail(self, error: BaseException) -> None:
        if not self.closed:
            self.closed = True
            self.runtime.failed(error)

    def abandon(self) -> None:
        pass

    def demand(self) -> int:
        return ALL

    def exits(self) -> Iterator[Published]:
        yield self

"""The root behind one published node: where elements become events and an island ends at the log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import orjson

from rxstream.codec import Encoder
from rxstream.engine.op import ALL
from rxstream.engine.recorder import Recorder
from rxstream.engine.runtime import Runtime
from rxstream.errors import CodecError, blame
from rxstream.graph.plan import Node

NOTHING: Final = object()
"""Stands where no element has come."""


class Published:
    """The root behind one published node: every element becomes a `step_output`, unless its node is quiet."""

    runtime: Runtime
    """Put in place before anything starts."""

    def __init__(self, recorder: Recorder, node: Node) -> None:
        self.closed = False
        self.feeders: list[Any] = []
        self.last: Any = NOTHING
        self.node_id = node.id
        self._encoded: bytes | None = None
        """The last element's JSON."""
        self._recorder = recorder
        self._node = node

    def room(self) -> int:
        return self._recorder.room()

    def push(self, items: Sequence[Any]) -> None:
        node = self._node
        add = (
            self._keep if node.spec is not None and node.spec.quiet else self._recorder.add_outputs
        )
        count, encoded, error = add(node.id, items)
        if encoded is not None:
            self.last, self._encoded = items[count - 1], encoded
        if error is not None:
            error.message = f"{node.id} emitted what cannot be recorded: {error.message}"
            blame(error, node.id, node.where)
            self.runtime.node_failed(node, error)
            self.fail(error)

    @staticmethod
    def _keep(step_id: str, items: Sequence[Any]) -> tuple[int, bytes | None, CodecError | None]:
        """In place of `add_outputs`, where the last element is a result and not shown by itself."""
        try:
            return len(items), Encoder().encode(items[-1]), None
        except CodecError as error:
            return 0, None, error

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

    # -- what is stored of it ------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """Whether it has ended, and the JSON of its last element."""
        return (b"ended " if self.closed else b"open ") + (self._encoded or b"")

    def restore(self, state: bytes) -> None:
        """Go on from a snapshot; the last element comes back as plain data."""
        how, _, encoded = state.partition(b" ")
        self.closed = how == b"ended"
        if encoded:
            self.last, self._encoded = orjson.loads(encoded), encoded

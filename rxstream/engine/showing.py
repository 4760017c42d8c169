"""What a node shows while it works on one element: `step_output`s that are none of its outputs in the graph.

An item that cannot be recorded is left out and said; it is never a reason to fail. Whoever shows waits for
room in the log first, so a log that stalls holds it back as it holds back everybody who publishes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rxstream.errors import CodecError

if TYPE_CHECKING:
    from rxstream.engine.recorder import Recorder


class Shower:
    """Records the items of one execution's nodes."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def show(self, node_id: str, items: Sequence[Any]) -> CodecError | None:
        """Record items of a node; returns why the first that was left out could not be recorded."""
        refused: CodecError | None = None
        while items:
            count, _, error = self._recorder.add_outputs(node_id, items)
            refused = refused or error
            items = items[count + 1 :] if error is not None else ()
        return refused

    async def room(self) -> None:
        """Wait until the log has room. Raises `LogError`."""
        await self._recorder.wait_room()

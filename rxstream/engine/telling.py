"""What a running graph tells becomes facts of its execution: steps start, say how far they are, end, fail.

Watches one runtime (`watching.Watcher`); decides nothing. Must not know who reads the facts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from rxstream.engine.recorder import Recorder
from rxstream.engine.statistics import NodeCounters, NodeState
from rxstream.errors import classify
from rxstream.events import EventType, Progress
from rxstream.graph.plan import Node


class Telling:
    """Records what the nodes of one execution do; `settle` is told how the graph ended."""

    def __init__(
        self, recorder: Recorder, logger: Any, settle: Callable[[BaseException | None], None]
    ) -> None:
        self._recorder = recorder
        self._logger = logger
        self._settle = settle
        self._loop = asyncio.get_running_loop()

    def node_started(self, node: Node, attempt: int) -> None:
        """The node runs now, for the first time or anew."""
        if node.told:
            metadata = {"attempt": attempt} if attempt > 1 else None
            self._recorder.add(EventType.STEP_START, node.id, {}, metadata=metadata)

    def node_ended(self, node: Node, state: NodeState, counters: NodeCounters) -> None:
        """Nothing follows from the node."""
        if node.told and state == "completed":
            begun = counters.begun_at
            duration = 0.0 if begun is None else round((self._loop.time() - begun) * 1_000, 3)
            self._recorder.add(
                EventType.STEP_COMPLETE,
                node.id,
                {"count": counters.elements_out, "duration_ms": duration, **counters.told},
            )

    def node_failed(
        self,
        node: Node,
        error: BaseException,
        attempt: int,
        will_retry: bool,
        handled: str | None = None,
    ) -> None:
        """Code of the node raised; `handled` says how the node goes on all the same."""
        shown = classify(error)
        self._logger.warning(
            "node failed", node=node.id, where=node.where, attempt=attempt, **shown
        )
        data = {"error": shown, "attempt": attempt, "will_retry": will_retry}
        if handled is not None:
            data["handled"] = handled
        self._recorder.add(EventType.STEP_ERROR, node.id, data)

    def node_progress(self, node: Node, progress: Progress) -> None:
        """The node says how far it is."""
        self._recorder.add(EventType.STEP_PROGRESS, node.id, progress)

    def settled(self, error: BaseException | None) -> None:
        """Every root has ended, or one has failed."""
        self._settle(error)

    def busy(self) -> bool:
        """Whether a commit is under way or due, which makes room."""
        return self._recorder.busy

"""A node's port, as the code of a step sees it: progress that it says obeys the pipeline's streaming.

What is said with `rxstream.progress` below one call counts for that call and not for the whole step, as if
the step had said it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rxstream.engine.port import NodePort
    from rxstream.pipeline.call import StepCall
    from rxstream.pipeline.policy import Streaming


class StepPort:
    """Stands for the port of the step's node; all but progress is the node's."""

    def __init__(self, port: NodePort, streaming: Streaming) -> None:
        self._port = port
        self._tells = streaming.enabled and streaming.emit_progress

    @property
    def execution_id(self) -> str:
        return self._port.execution_id

    @property
    def node_id(self) -> str:
        return self._port.node_id

    def progress(
        self, percentage: float | None, message: str | None = None, status: str | None = "running"
    ) -> None:
        """0 to 100, or None when nobody knows. Any thread may say it."""
        if self._tells:
            self._port.progress(percentage, message, status)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)


class CallPort(StepPort):
    """The same below one call of it."""

    def __init__(self, port: NodePort, call: StepCall) -> None:
        super().__init__(port, call.unit.settings.streaming)
        self._call = call

    def progress(
        self, percentage: float | None, message: str | None = None, status: str | None = "running"
    ) -> None:
        fraction = None if percentage is None else float(percentage) / 100
        runtime = self._call.unit.runtime
        if threading.get_ident() == runtime.thread:
            self._call.progress(fraction, message, status)
        else:
            runtime.door(lambda: self._call.progress(fraction, message, status))

"""A node's port, as the code of one call of a step sees it.

What a function somewhere below a step says with `rxstream.progress` obeys the pipeline's streaming, and
counts for the call and not for the whole step, as if the step had said it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rxstream.engine.port import NodePort
    from rxstream.pipeline.call import StepCall


class CallPort:
    """Stands for the port of the step's node; all but progress is the node's."""

    def __init__(self, port: NodePort, call: StepCall) -> None:
        self._port = port
        self._call = call

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
        fraction = None if percentage is None else float(percentage) / 100
        runtime = self._call.unit.runtime
        if threading.get_ident() == runtime.thread:
            self._call.progress(fraction, message, status)
        else:
            runtime.door(lambda: self._call.progress(fraction, message, status))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)

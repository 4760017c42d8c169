"""What a sink is given when no engine runs it."""

from __future__ import annotations

from typing import Any

from rxstream import statecodec


class FakePort:
    execution_id = "e1"

    def __init__(self, node_id: str = "node", start: Any = None) -> None:
        self.node_id = node_id
        self.start = start
        self.points: list[Any] = []
        """Every place that was told, as it comes back from where it is stored."""

    def seek_point(self, offset: Any) -> None:
        self.points.append(statecodec.decode(statecodec.encode(offset)))

    def progress(
        self, percentage: float | None, message: str | None = None, status: str | None = "running"
    ) -> None: ...

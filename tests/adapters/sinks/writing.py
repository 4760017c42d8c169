"""What a sink is given when no engine runs it."""

from __future__ import annotations


class FakePort:
    execution_id = "e1"

    def __init__(self, node_id: str = "node") -> None:
        self.node_id = node_id

    def progress(
        self, percentage: float | None, message: str | None = None, status: str | None = "running"
    ) -> None: ...
